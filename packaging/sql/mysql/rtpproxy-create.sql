-- SPDX-License-Identifier: GPL-2.0-or-later
-- The table that parameter db_url reads the sets from, for MariaDB and MySQL:
--
--     mariadb kamailio < rtpproxy-create.sql
--
-- What is there already stays as it is. For another table_name, replace 'rtpproxy' by it everywhere.

CREATE TABLE IF NOT EXISTS version (
    id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
    table_name VARCHAR(32) NOT NULL UNIQUE,
    table_version INTEGER DEFAULT 0 NOT NULL
);

-- setid: the number of the set. weight: 0 is used only while no other of its set is up. flags: 1 is disabled from the
-- start until RPC enables it. Those of one set are chosen from in the order of the rows.
CREATE TABLE IF NOT EXISTS rtpproxy (
    id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
    setid VARCHAR(32) DEFAULT '0' NOT NULL,
    url VARCHAR(255) DEFAULT '' NOT NULL,
    flags INTEGER DEFAULT 0 NOT NULL,
    weight INTEGER DEFAULT 1 NOT NULL,
    description VARCHAR(64) DEFAULT '' NOT NULL
);

INSERT INTO version (table_name, table_version)
    SELECT 'rtpproxy', 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM version WHERE table_name = 'rtpproxy');

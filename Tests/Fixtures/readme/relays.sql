-- SPDX-License-Identifier: GPL-2.0-or-later
-- The table of database.cfg, for SQLite: two relays in set 0, one in set 2 that waits for rtpproxy.enable.

CREATE TABLE media_relays (
    id INTEGER PRIMARY KEY,
    setid VARCHAR(32) NOT NULL,
    url VARCHAR(255) NOT NULL,
    weight INTEGER NOT NULL DEFAULT 1,
    flags INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS version (table_name VARCHAR(32) PRIMARY KEY, table_version INTEGER NOT NULL DEFAULT 0);
INSERT INTO version (table_name, table_version) VALUES ('media_relays', 1);
INSERT INTO media_relays (setid, url, weight, flags) VALUES
    ('0', 'udp:127.0.0.1:22222', 2, 0),
    ('0', 'udp:127.0.0.1:22223', 1, 0),
    ('2', 'udp:127.0.0.1:22224', 1, 1);

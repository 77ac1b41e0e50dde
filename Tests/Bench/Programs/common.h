// SPDX-License-Identifier: GPL-2.0-or-later
// What the programs share. Before any system header, because it asks for the GNU extensions.

#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/// A UDP socket with a big receive buffer on this address (host order) and `*port`; 0 is a free one, and is told.
/// -1 with errno where it cannot be had.
int udp_socket(uint32_t address, uint16_t *port);

/// Kills this process when its parent dies.
void end_with_parent(void);

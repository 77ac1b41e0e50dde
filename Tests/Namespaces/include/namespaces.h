/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces of single threads: setns(2), which glibc declares under _GNU_SOURCE only. */
#ifndef NAMESPACES_H
#define NAMESPACES_H

/* Puts the calling thread into the network namespace that the descriptor stands for. 0, or -1: errno(3). */
int namespaces_enter(int descriptor);

#endif

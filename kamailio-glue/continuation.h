/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What suspend.c notes of a transaction that waits, in the memory that the Swift half keeps for it, and async.c needs to
 * let it go on. */
#ifndef CONTINUATION_H
#define CONTINUATION_H

#include "glue.h"

struct task;

/* What is noted of a transaction. */
typedef struct continuation {
	unsigned int hash_index;
	unsigned int label;
	int branch;			   /* of a reply; -1: it is a request */
	int suspension;		   /* of a request: which one */
	struct task *task;	   /* what it is to go on with, while that cannot be done here and now */
	struct sip_msg *reply; /* the clone of a reply, in shared memory */
	int reply_length;
	int route;		   /* index in main_rt; -1: a KEMI function */
	char function[64]; /* its name, terminated */
	void *record;	   /* the record that holds this, once the transaction goes on */
} continuation;

_Static_assert(sizeof(continuation) <= GLUE_CONTINUATION_SIZE, "GLUE_CONTINUATION_SIZE is too small");

#endif

/*
 * `join`: the items of one part get a member with what another part knows about them,
 * found by a key. What the values are and how they were sent stays bytes.
 */
#ifndef CORE_JOIN_H
#define CORE_JOIN_H

#include "core/job.h"

enum { JOINS_MAX = 16 };

struct join {
    /* As written; filled by the option table. */
    const char *into_id, *from_id, *at_text, *key_text, *by_text, *as_text;
    bool many, keep;
    const struct node *node;
    /* Compiled. */
    size_t into, from;       /* indexes of requests */
    struct pointer at;       /* the items, in the value of `into` */
    struct pointer key, by;  /* in an item of each */
    const char *as, *as_key; /* decoded, and as JSON */
    size_t as_len, as_key_len;
};

/* Reads `batch->join_node`, a map or a list of them, into batch->joins, and marks the
 * requests that are not shown themselves. Before the requests are compiled. */
void join_compile(struct batch *batch, bool document, struct arena *arena, struct faults *faults);

enum { JOIN_FULL = 1, JOIN_REJECTED }; /* positive results of join_apply() */

/* Applies the joins of a complete job in order. 0; JOIN_FULL: values have grown beyond
 * limits.merged; JOIN_REJECTED: a part has failed and is the decider now; or -ENOMEM. */
int join_apply(struct job *job);

#endif

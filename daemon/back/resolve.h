/*
 * Names to addresses, in a small bounded set of detached threads that all
 * workers share: libcurl's own resolver blocks a whole loop when a lookup is
 * given up. One lookup per name at a time (single-flight); answers and failures
 * are cached; literal addresses never get here.
 */
#ifndef BACK_RESOLVE_H
#define BACK_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "back/addresses.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/latch.h"
#include "base/mailbox.h"
#include "core/config.h"
#include "core/outcome.h"

#define RESOLVE_HOST_MAX 256 /* with the NUL */

struct resolver;
struct resolve_entry;

/* A question on its way; belongs to the resolver from ask to deliver. */
struct resolve_query {
    struct mail mail; /* first: comes home through `home` */
    char host[RESOLVE_HOST_MAX];
    usec_t deadline;      /* the answer is of no use after it */
    struct mailbox *home; /* a place is reserved in it by resolver_ask() */
    void (*answered)(struct resolve_query *query, void *receiver);
    struct addresses *addresses; /* the answer: a reference, or NULL and `failure` */
    enum outcome_code failure;   /* DNS_ERROR or DNS_TIMEOUT */
    /* The resolver's. */
    struct resolve_entry *entry; /* waits for this one; NULL: does not wait */
    struct resolve_query *next, *previous;
};

int must_check resolver_new(const struct resolver_options *options, struct latch *latch,
                            struct resolver **ret_resolver);
/* Tells the threads to end and drops the caller's reference; the last thread frees
 * it. What still waits for a thread fails with DNS_ERROR. A lookup that hangs keeps
 * its thread, and so the latch, until it returns. NULL is fine; returns NULL. */
struct resolver *resolver_stop(struct resolver *resolver);

enum { RESOLVE_CACHED = 1, RESOLVE_BUSY = 2 };

/* Any thread. 0: query->answered runs later on the home thread, exactly once.
 * RESOLVE_CACHED: the answer (or the cached failure) is in the query already.
 * RESOLVE_BUSY: the queue or the mailbox is full. */
int must_check resolver_ask(struct resolver *resolver, struct resolve_query *query);
/* Any thread. True: the question is taken back, `answered` will not run, and the
 * query is the caller's. False: it is on its way home already. */
bool must_check resolver_withdraw(struct resolver *resolver, struct resolve_query *query);
/* Replaces ttl, negative_ttl and entries; threads and queue stay. Empties the cache. */
void resolver_reload(struct resolver *resolver, const struct resolver_options *options);

#endif

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

#include "base/clock.h"
#include "base/errors.h"
#include "base/latch.h"
#include "base/mailbox.h"
#include "core/config.h"
#include "core/outcome.h"

#define RESOLVE_ADDRESSES_MAX 16

/* The addresses of a name, as literals; immutable but for the hint; counted. */
struct addresses;
size_t addresses_count(const struct addresses *addresses);
const char *addresses_at(const struct addresses *addresses, size_t index);
/* Which one to try first: the one that connected last (a hint, any thread). */
size_t addresses_preferred(const struct addresses *addresses);
void addresses_prefer(struct addresses *addresses, size_t index);
struct addresses *addresses_unref(struct addresses *addresses);

struct resolver;

/* A question on its way; belongs to the resolver from ask to deliver. */
struct resolve_query {
    struct mail mail; /* first: comes home through `home` */
    char host[256];
    usec_t deadline;      /* the answer is of no use after it */
    struct mailbox *home; /* a place is reserved in it by resolver_ask() */
    void (*answered)(struct resolve_query *query, void *receiver);
    struct addresses *addresses; /* the answer: a reference, or NULL and `failure` */
    enum outcome_code failure;   /* DNS_ERROR or DNS_TIMEOUT */
    struct resolve_query *next;
};

int must_check resolver_new(const struct resolver_options *options, struct latch *latch,
                            struct resolver **ret_resolver);
/* Tells the threads to end and drops the caller's reference; the last thread frees it. */
struct resolver *resolver_stop(struct resolver *resolver);

enum { RESOLVE_CACHED = 1, RESOLVE_BUSY = 2 };

/* Any thread. 0: query->answered runs later on the home thread, exactly once.
 * RESOLVE_CACHED: the answer (or the cached failure) is in the query already.
 * RESOLVE_BUSY: the queue or the mailbox is full. */
int must_check resolver_ask(struct resolver *resolver, struct resolve_query *query);
/* Replaces ttl, negative_ttl and entries; threads and queue stay. Empties the cache. */
void resolver_reload(struct resolver *resolver, const struct resolver_options *options);

#endif

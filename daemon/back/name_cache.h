/*
 * The resolver's names: a hash table of entries, each either at rest (an answer
 * that may be fresh) or busy (a lookup is due or running, queries wait). A cap
 * on the entries at rest; the oldest answer goes first. No lock of its own.
 */
#ifndef BACK_NAME_CACHE_H
#define BACK_NAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "back/addresses.h"
#include "base/clock.h"
#include "core/outcome.h"

struct resolve_query;

struct resolve_entry {
    char *host;
    bool busy;
    struct addresses *addresses; /* at rest: the answer, or NULL and `failure` */
    enum outcome_code failure;
    usec_t expires;
    struct resolve_query *first, *last;  /* busy: who waits */
    struct resolve_entry *bucket_next;   /* the table's */
    struct resolve_entry *older, *newer; /* at rest: by age of the answer */
    struct resolve_entry *queue_next;    /* busy: the resolver's */
};

struct name_cache {
    struct resolve_entry **buckets;
    size_t bucket_count, count;
    struct resolve_entry *oldest, *newest;
    size_t resting;
    uint64_t most; /* entries at rest */
};

void name_cache_init(struct name_cache *cache, uint64_t most);
/* No entry may be busy (asserted). */
void name_cache_done(struct name_cache *cache);

/* The entry of a name, or NULL. */
struct resolve_entry *name_cache_find(const struct name_cache *cache, const char *host);
/* A busy entry for a name that has none. */
struct resolve_entry *name_cache_add(struct name_cache *cache, const char *host);
/* From rest to busy; forgets the answer. */
void name_cache_wake(struct name_cache *cache, struct resolve_entry *entry);
/* From busy to rest, as the newest; `addresses` is taken. */
void name_cache_rest(struct name_cache *cache, struct resolve_entry *entry,
                     struct addresses *addresses, enum outcome_code failure, usec_t expires);
/* Frees a busy entry nobody waits for. */
void name_cache_remove(struct name_cache *cache, struct resolve_entry *entry);
/* Frees what is at rest beyond `most`, and keeps to it from now on. */
void name_cache_limit(struct name_cache *cache, uint64_t most);

#endif

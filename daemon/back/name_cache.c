/*
 * Chained hashing over a table that doubles, and a list by age of the answers.
 * Answers of one kind expire in the order of their age, so the oldest is the
 * one worth least; busy entries are not in the list and cannot be evicted.
 * Names come from configured upstreams and from hosts the egress list allows;
 * the number of busy ones is bounded by the resolver's queue.
 */
#include "back/name_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_BUCKETS = 64 };

static uint64_t hash(const char *host)
{
    uint64_t value = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *host; host++)
        value = (value ^ (unsigned char)*host) * UINT64_C(1099511628211);
    return value;
}

static struct resolve_entry **bucket_of(const struct name_cache *cache, const char *host)
{
    return &cache->buckets[hash(host) & (cache->bucket_count - 1)];
}

void name_cache_init(struct name_cache *cache, uint64_t most)
{
    *cache = (struct name_cache){.bucket_count = FIRST_BUCKETS, .most = most};
    cache->buckets = mem_new(FIRST_BUCKETS * sizeof *cache->buckets);
}

void name_cache_done(struct name_cache *cache)
{
    name_cache_limit(cache, 0);
    assert(cache->count == 0);
    free(cache->buckets);
}

struct resolve_entry *name_cache_find(const struct name_cache *cache, const char *host)
{
    struct resolve_entry *entry = *bucket_of(cache, host);
    while (entry && strcmp(entry->host, host) != 0)
        entry = entry->bucket_next;
    return entry;
}

static void insert(struct name_cache *cache, struct resolve_entry *entry)
{
    struct resolve_entry **bucket = bucket_of(cache, entry->host);
    entry->bucket_next = *bucket;
    *bucket = entry;
}

static void grow(struct name_cache *cache)
{
    struct resolve_entry **old = cache->buckets;
    size_t old_count = cache->bucket_count;
    cache->bucket_count *= 2;
    cache->buckets = mem_new(cache->bucket_count * sizeof *cache->buckets);
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct resolve_entry *entry = old[i];
            old[i] = entry->bucket_next;
            insert(cache, entry);
        }
    }
    free(old);
}

struct resolve_entry *name_cache_add(struct name_cache *cache, const char *host)
{
    if (cache->count >= cache->bucket_count)
        grow(cache);
    struct resolve_entry *entry = mem_new(sizeof *entry);
    entry->host = mem_string(host);
    entry->busy = true;
    insert(cache, entry);
    cache->count++;
    return entry;
}

static void unlink_resting(struct name_cache *cache, struct resolve_entry *entry)
{
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    entry->older = entry->newer = NULL;
    cache->resting--;
}

void name_cache_wake(struct name_cache *cache, struct resolve_entry *entry)
{
    assert(!entry->busy);
    unlink_resting(cache, entry);
    entry->addresses = addresses_unref(entry->addresses);
    entry->busy = true;
}

void name_cache_remove(struct name_cache *cache, struct resolve_entry *entry)
{
    assert(entry->busy && !entry->first);
    struct resolve_entry **place = bucket_of(cache, entry->host);
    while (*place != entry)
        place = &(*place)->bucket_next;
    *place = entry->bucket_next;
    cache->count--;
    free(entry->host);
    free(entry);
}

void name_cache_limit(struct name_cache *cache, uint64_t most)
{
    cache->most = most;
    while (cache->resting > most) {
        struct resolve_entry *oldest = cache->oldest;
        name_cache_wake(cache, oldest);
        name_cache_remove(cache, oldest);
    }
}

void name_cache_rest(struct name_cache *cache, struct resolve_entry *entry,
                     struct addresses *addresses, enum outcome_code failure, usec_t expires)
{
    assert(entry->busy && !entry->first);
    entry->busy = false;
    entry->addresses = addresses;
    entry->failure = failure;
    entry->expires = expires;
    entry->older = cache->newest;
    if (cache->newest)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
    cache->resting++;
    name_cache_limit(cache, cache->most);
}

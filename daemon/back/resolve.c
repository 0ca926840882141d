/*
 * One mutex, a queue of names whose lookup is due, and a few threads that take
 * from it. A query waits on its name's entry; whoever asks for a name whose
 * lookup is due or running joins the list there, so a name is never looked up
 * twice at a time. The mutex is held for list work only, never over a lookup
 * or a post.
 *
 * Invariants: an entry is in the queue or held by one thread exactly while it
 * is busy; query->entry is set exactly while the query is in a waiting list,
 * and whoever unlinks it there (a thread, or its owner who withdraws) owns it.
 *
 * A lookup cannot be interrupted. Whoever gives up withdraws its query, so a
 * hung lookup holds a thread and an entry, and nothing of the workers'.
 */
#include "back/resolve.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "back/lookup.h"
#include "back/name_cache.h"
#include "base/mem.h"

struct resolver {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    unsigned references; /* the creator and every thread */
    bool stopping;
    struct resolver_options options;
    struct name_cache cache;
    struct resolve_entry *first_due, *last_due;
    uint64_t due;
    lookup_fn *lookup;
    void *lookup_ctx;
};

static void lock(struct resolver *resolver)
{
    int rc = pthread_mutex_lock(&resolver->mutex);
    assert(rc == 0);
}

static void unlock(struct resolver *resolver)
{
    int rc = pthread_mutex_unlock(&resolver->mutex);
    assert(rc == 0);
}

/* Called locked, returns unlocked. */
static void let_go(struct resolver *resolver)
{
    bool last = --resolver->references == 0;
    unlock(resolver);
    if (!last)
        return;
    name_cache_done(&resolver->cache);
    int rc = pthread_cond_destroy(&resolver->work);
    rc |= pthread_mutex_destroy(&resolver->mutex);
    assert(rc == 0);
    free(resolver);
}

/* ---- queries ---- */

static void wait_for(struct resolve_entry *entry, struct resolve_query *query)
{
    query->entry = entry;
    query->next = NULL;
    query->previous = entry->last;
    if (entry->last)
        entry->last->next = query;
    else
        entry->first = query;
    entry->last = query;
}

static void stop_waiting(struct resolve_query *query)
{
    struct resolve_entry *entry = query->entry;
    if (query->previous)
        query->previous->next = query->next;
    else
        entry->first = query->next;
    if (query->next)
        query->next->previous = query->previous;
    else
        entry->last = query->previous;
    query->entry = NULL;
    query->next = query->previous = NULL;
}

/* Takes the queries whose deadline is not after `before` from an entry; a list. */
static struct resolve_query *take_waiting(struct resolve_entry *entry, usec_t before)
{
    struct resolve_query *taken = NULL;
    struct resolve_query **end = &taken;
    struct resolve_query *next;
    for (struct resolve_query *query = entry->first; query; query = next) {
        next = query->next;
        if (query->deadline > before)
            continue;
        stop_waiting(query);
        *end = query;
        end = &query->next;
    }
    return taken;
}

static void answer(struct resolve_query *query, struct addresses *addresses,
                   enum outcome_code failure)
{
    query->addresses = addresses ? addresses_ref(addresses) : NULL;
    query->failure = addresses ? OUTCOME_NONE : failure;
}

static void deliver(struct mail *mail, void *receiver)
{
    struct resolve_query *query = (struct resolve_query *)(void *)mail; /* its first member */
    query->answered(query, receiver);
}

/* Sends a taken list home; not locked. `addresses` is borrowed. */
static void send_home(struct resolve_query *taken, struct addresses *addresses,
                      enum outcome_code failure)
{
    while (taken) {
        struct resolve_query *query = taken;
        taken = query->next;
        answer(query, addresses, failure);
        query->mail.deliver = deliver;
        mailbox_post_reserved(query->home, &query->mail);
    }
}

/* ---- the queue ---- */

static void enqueue(struct resolver *resolver, struct resolve_entry *entry)
{
    entry->queue_next = NULL;
    if (resolver->last_due)
        resolver->last_due->queue_next = entry;
    else
        resolver->first_due = entry;
    resolver->last_due = entry;
    resolver->due++;
    int rc = pthread_cond_signal(&resolver->work);
    assert(rc == 0);
}

static struct resolve_entry *dequeue(struct resolver *resolver)
{
    struct resolve_entry *entry = resolver->first_due;
    resolver->first_due = entry->queue_next;
    if (!resolver->first_due)
        resolver->last_due = NULL;
    resolver->due--;
    return entry;
}

static int join_or_enqueue(struct resolver *resolver, struct resolve_entry *entry,
                           struct resolve_query *query)
{
    if (resolver->stopping || (!(entry && entry->busy) && resolver->due >= resolver->options.queue))
        return RESOLVE_BUSY;
    if (mailbox_reserve(query->home) != 0)
        return RESOLVE_BUSY;
    bool busy = entry && entry->busy;
    if (!entry)
        entry = name_cache_add(&resolver->cache, query->host);
    else if (!busy)
        name_cache_wake(&resolver->cache, entry);
    if (!busy)
        enqueue(resolver, entry);
    wait_for(entry, query);
    return 0;
}

int resolver_ask(struct resolver *resolver, struct resolve_query *query)
{
    usec_t now = clock_now();
    int rc = RESOLVE_CACHED;
    lock(resolver);
    struct resolve_entry *entry = name_cache_find(&resolver->cache, query->host);
    if (entry && !entry->busy && now < entry->expires)
        answer(query, entry->addresses, entry->failure);
    else
        rc = join_or_enqueue(resolver, entry, query);
    unlock(resolver);
    return rc;
}

bool resolver_withdraw(struct resolver *resolver, struct resolve_query *query)
{
    lock(resolver);
    bool waiting = query->entry != NULL;
    if (waiting)
        stop_waiting(query);
    unlock(resolver);
    if (waiting)
        mailbox_unreserve(query->home);
    return waiting;
}

void resolver_reload(struct resolver *resolver, const struct resolver_options *options)
{
    lock(resolver);
    resolver->options.ttl = options->ttl;
    resolver->options.negative_ttl = options->negative_ttl;
    resolver->options.entries = options->entries;
    name_cache_limit(&resolver->cache, 0);
    name_cache_limit(&resolver->cache, options->entries);
    unlock(resolver);
}

/* ---- the threads ---- */

/* Puts the answer where it belongs; locked. What it returns goes home. */
static struct resolve_query *settle(struct resolver *resolver, struct resolve_entry *entry, int rc,
                                    struct addresses *addresses)
{
    struct resolve_query *taken = take_waiting(entry, USEC_NEVER);
    usec_t span = rc == 0 ? resolver->options.ttl : resolver->options.negative_ttl;
    if (rc < 0 || span == 0) {
        name_cache_remove(&resolver->cache, entry);
        return taken;
    }
    if (addresses)
        addresses_ref(addresses);
    name_cache_rest(&resolver->cache, entry, addresses, OUTCOME_DNS_ERROR, clock_now() + span);
    return taken;
}

/* Looks one name up; called locked, returns locked. */
static void look_up(struct resolver *resolver, struct resolve_entry *entry)
{
    struct resolve_query *late = take_waiting(entry, clock_now());
    bool wanted = entry->first != NULL;
    struct addresses *addresses = NULL;
    if (!wanted)
        name_cache_remove(&resolver->cache, entry);
    unlock(resolver);
    send_home(late, NULL, OUTCOME_DNS_TIMEOUT);
    if (wanted) {
        int rc = resolver->lookup(resolver->lookup_ctx, entry->host, &addresses);
        lock(resolver);
        struct resolve_query *taken = settle(resolver, entry, rc, addresses);
        unlock(resolver);
        send_home(taken, addresses, OUTCOME_DNS_ERROR);
        addresses_unref(addresses);
    }
    lock(resolver);
}

static void refuse_due(struct resolver *resolver)
{
    while (resolver->first_due) {
        struct resolve_entry *entry = dequeue(resolver);
        struct resolve_query *taken = take_waiting(entry, USEC_NEVER);
        name_cache_remove(&resolver->cache, entry);
        send_home(taken, NULL, OUTCOME_DNS_ERROR);
    }
}

static void run(void *ctx)
{
    struct resolver *resolver = ctx;
    lock(resolver);
    while (!resolver->stopping) {
        if (resolver->first_due) {
            look_up(resolver, dequeue(resolver));
            continue;
        }
        int rc = pthread_cond_wait(&resolver->work, &resolver->mutex);
        assert(rc == 0);
    }
    let_go(resolver);
    lookup_leave_thread();
}

int resolver_new_with(const struct resolver_options *options, struct latch *latch,
                      lookup_fn *lookup, void *ctx, struct resolver **ret_resolver)
{
    struct resolver *resolver = mem_new(sizeof *resolver);
    int rc = pthread_mutex_init(&resolver->mutex, NULL);
    rc |= pthread_cond_init(&resolver->work, NULL);
    assert(rc == 0);
    resolver->references = 1;
    resolver->options = *options;
    resolver->lookup = lookup;
    resolver->lookup_ctx = ctx;
    name_cache_init(&resolver->cache, options->entries);
    for (uint64_t i = 0; i < options->threads && rc == 0; i++) {
        lock(resolver);
        resolver->references++;
        unlock(resolver);
        rc = latch_thread(latch, "resolve", run, resolver);
        if (rc != 0) {
            lock(resolver);
            let_go(resolver); /* not the last: the creator's is left */
            resolver_stop(resolver);
            return rc;
        }
    }
    *ret_resolver = resolver;
    return 0;
}

int resolver_new(const struct resolver_options *options, struct latch *latch,
                 struct resolver **ret_resolver)
{
    return resolver_new_with(options, latch, lookup_system, NULL, ret_resolver);
}

struct resolver *resolver_stop(struct resolver *resolver)
{
    if (!resolver)
        return NULL;
    lock(resolver);
    resolver->stopping = true;
    refuse_due(resolver);
    int rc = pthread_cond_broadcast(&resolver->work);
    assert(rc == 0);
    let_go(resolver);
    return NULL;
}

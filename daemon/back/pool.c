/*
 * Peers in a hash table, each with its idle connections, the last used first; and
 * all idle connections in one list by the time they became idle, so that the
 * oldest is at its end and one timer serves all; it is not moved for every call but
 * looks again when it fires. A peer lives while somebody holds
 * it or it has an idle connection.
 */
#include "back/pool.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "core/tally.h"

enum { BUCKETS = 256 };

struct peer {
    struct peer *next; /* in its bucket */
    uint64_t hash;
    bool tls, adhoc;
    char *authority, *address, *ca_file, *proxy;
    struct link idle; /* connections, last used first */
    size_t idle_count, holds;
};

struct pool {
    struct loop *loop;
    struct pool_limits limits;
    struct peer *buckets[BUCKETS];
    struct link by_age; /* idle connections, last used first */
    size_t idle_count;
    struct timer timer;
};

/* ---- peers ---- */

/* Eight bytes at a time; each step brings what it mixed to the low bits, which choose. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        uint64_t word = 0;
        size_t len = left < sizeof word ? left : sizeof word;
        memcpy(&word, text, len);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
        text += len;
        left -= len;
    }
    return hash;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_named(const struct peer *peer, uint64_t hash, const struct peer_name *name)
{
    return peer->hash == hash && peer->tls == name->origin->tls && peer->adhoc == name->adhoc &&
           strcmp(peer->authority, name->origin->authority) == 0 &&
           strcmp(peer->address, name->address) == 0 && same_text(peer->ca_file, name->ca_file) &&
           same_text(peer->proxy, name->proxy);
}

struct peer *pool_peer(struct pool *pool, const struct peer_name *name)
{
    uint64_t hash = hash_text(0, name->origin->authority);
    hash = hash_text(hash, name->address);
    struct peer **bucket = &pool->buckets[hash % BUCKETS];
    for (struct peer *peer = *bucket; peer; peer = peer->next) {
        if (!is_named(peer, hash, name))
            continue;
        peer->holds++;
        return peer;
    }
    struct peer *peer = mem_new(sizeof *peer);
    *peer = (struct peer){
        .next = *bucket,
        .hash = hash,
        .tls = name->origin->tls,
        .adhoc = name->adhoc,
        .authority = mem_string(name->origin->authority),
        .address = mem_string(name->address),
        .ca_file = name->ca_file ? mem_string(name->ca_file) : NULL,
        .proxy = name->proxy ? mem_string(name->proxy) : NULL,
        .holds = 1,
    };
    list_init(&peer->idle);
    return *bucket = peer;
}

static void free_unused(struct pool *pool, struct peer *peer)
{
    if (peer->holds > 0 || peer->idle_count > 0)
        return;
    struct peer **place = &pool->buckets[peer->hash % BUCKETS];
    while (*place != peer)
        place = &(*place)->next;
    *place = peer->next;
    free(peer->authority);
    free(peer->address);
    free(peer->ca_file);
    free(peer->proxy);
    free(peer);
}

void pool_release(struct pool *pool, struct peer *peer)
{
    assert(peer->holds > 0);
    peer->holds--;
    free_unused(pool, peer);
}

/* ---- idle connections ---- */

/* It is idle no longer; its peer stays. */
static void take_out(struct pool *pool, struct channel *channel)
{
    list_remove(&channel->by_peer);
    list_remove(&channel->by_age);
    channel->peer->idle_count--;
    pool->idle_count--;
    if (channel->tally)
        tally_add(&channel->tally->taken, 1);
}

static void drop(struct pool *pool, struct channel *channel)
{
    struct peer *peer = channel->peer;
    take_out(pool, channel);
    channel_close(channel);
    free_unused(pool, peer);
}

/* A plain connection has nothing to say while it is idle. TLS may: session tickets
 * are no data, and reading finds none. */
static void idle_ready(struct channel *channel, uint32_t events)
{
    struct pool *pool = channel->owner;
    char byte;
    if (channel_is_layered(channel) && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) &&
        channel_recv(channel, &byte, 1) == -EAGAIN)
        return;
    drop(pool, channel);
}

static struct channel *oldest(struct link *by_age)
{
    return container_of(by_age->previous, struct channel, by_age);
}

static void expire(struct timer *timer)
{
    struct pool *pool = container_of(timer, struct pool, timer);
    usec_t now = loop_now(pool->loop);
    while (pool->idle_count > 0) {
        struct channel *channel = oldest(&pool->by_age);
        usec_t end = channel->idle_since + pool->limits.idle;
        if (end > now) {
            loop_set(pool->loop, timer, end, expire);
            return;
        }
        drop(pool, channel);
    }
}

void pool_give(struct pool *pool, struct peer *peer, struct channel *channel)
{
    usec_t now = loop_now(pool->loop);
    assert(peer->holds > 0);
    const struct pool_limits *limits = &pool->limits;
    if (now - channel->made >= limits->life || channel->fd > limits->descriptor ||
        limits->per_peer == 0 || limits->total == 0) {
        channel_close(channel);
        return;
    }
    channel->used = true;
    channel->peer = peer;
    channel->owner = pool;
    channel->ready = idle_ready;
    channel->idle_since = now;
    list_push(&peer->idle, &channel->by_peer);
    list_push(&pool->by_age, &channel->by_age);
    peer->idle_count++;
    pool->idle_count++;
    if (channel->tally)
        tally_add(&channel->tally->rested, 1);
    if (peer->idle_count > pool->limits.per_peer)
        drop(pool, container_of(peer->idle.previous, struct channel, by_peer));
    else if (pool->idle_count > pool->limits.total)
        drop(pool, oldest(&pool->by_age));
    if (pool->timer.position == 0)
        loop_set(pool->loop, &pool->timer, now + pool->limits.idle, expire);
}

struct channel *pool_take(struct pool *pool, struct peer *peer, usec_t idle)
{
    usec_t now = loop_now(pool->loop);
    assert(peer->holds > 0);
    while (peer->idle_count > 0) {
        struct channel *channel = container_of(peer->idle.next, struct channel, by_peer);
        if (now - channel->idle_since >= idle)
            return NULL; /* the others even more so */
        if (now - channel->made >= pool->limits.life) {
            drop(pool, channel);
            continue;
        }
        take_out(pool, channel);
        return channel;
    }
    return NULL;
}

/* ---- life ---- */

struct pool *pool_new(struct loop *loop, const struct pool_limits *limits)
{
    struct pool *pool = mem_new(sizeof *pool);
    pool->loop = loop;
    pool->limits = *limits;
    list_init(&pool->by_age);
    return pool;
}

struct pool *pool_free(struct pool *pool)
{
    if (!pool)
        return NULL;
    while (pool->idle_count > 0)
        drop(pool, oldest(&pool->by_age));
    loop_clear(pool->loop, &pool->timer);
    for (size_t i = 0; i < BUCKETS; i++)
        assert(!pool->buckets[i]);
    free(pool);
    return NULL;
}

size_t pool_idle(const struct pool *pool)
{
    return pool->idle_count;
}

size_t pool_idle_to(const struct pool *pool, const struct origin *origin)
{
    size_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct peer *peer = pool->buckets[i]; peer; peer = peer->next)
            if (peer->tls == origin->tls && strcmp(peer->authority, origin->authority) == 0)
                count += peer->idle_count;
    return count;
}

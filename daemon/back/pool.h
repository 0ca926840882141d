/*
 * Idle connections of one worker, by peer: who is reached where, and how it is
 * trusted. An idle connection that ends, or on which anything arrives, is closed
 * at once; so is one that is idle or alive for too long.
 */
#ifndef BACK_POOL_H
#define BACK_POOL_H

#include "back/connect.h"

struct pool;
struct peer;

struct pool_limits {
    size_t per_peer, total; /* idle connections */
    int descriptor;         /* one with a higher number is not kept */
    usec_t idle, life;      /* how long one may be idle, and be used at all */
};

struct peer_name {
    const struct origin *origin;
    const char *address; /* a literal */
    const char *ca_file; /* NULL: the system's */
    const char *proxy;   /* its text; NULL: none */
    bool adhoc;          /* a target that no configuration named: never mixed with others */
};

struct pool *pool_new(struct loop *loop, const struct pool_limits *limits)
    __attribute__((returns_nonnull));
/* Closes what is idle. No peer may be held. NULL is fine. */
struct pool *pool_free(struct pool *pool);

/* Finds or makes a peer and holds it; every hold is ended by pool_release(). */
struct peer *pool_peer(struct pool *pool, const struct peer_name *name)
    __attribute__((returns_nonnull));
void pool_release(struct pool *pool, struct peer *peer);

/* The connection to a held peer that became idle last, if it has been idle for less
 * than `idle`; the caller sets its `ready` at once. NULL: none. */
struct channel *pool_take(struct pool *pool, struct peer *peer, usec_t idle);
/* Gives one to a held peer; the pool decides whether to keep it. */
void pool_give(struct pool *pool, struct peer *peer, struct channel *channel);

size_t pool_idle(const struct pool *pool); /* for tests and metrics */
/* At whatever address, however trusted. Walks all peers. */
size_t pool_idle_to(const struct pool *pool, const struct origin *origin);

#endif

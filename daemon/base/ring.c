/*
 * Two counters that only grow: `put` is the putting thread's, `taken` the other's. Each is
 * published with release (or stronger) and read with acquire, so a record is complete before it is
 * seen and read before its place is used again. Each side keeps what it last saw of the other's
 * counter and looks anew only when that says full or empty; the counters stand on cache
 * lines of their own.
 */
#include "base/ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LINE = 64 };

struct ring {
    size_t mask, stride;
    struct bell *bell;
    char *places;
    _Alignas(LINE) _Atomic(size_t) put;
    size_t taken_seen; /* the putting thread's */
    _Atomic(uint64_t) dropped;
    _Alignas(LINE) _Atomic(size_t) taken;
    size_t put_seen; /* the taking thread's */
};

struct ring *ring_new(size_t places, size_t size, struct bell *bell)
{
    size_t count = 1;
    while (count < places)
        count *= 2;
    struct ring *ring = aligned_alloc(LINE, sizeof *ring);
    if (!ring)
        mem_exhausted();
    memset(ring, 0, sizeof *ring);
    ring->mask = count - 1;
    ring->stride = (size + 15) / 16 * 16;
    ring->bell = bell;
    ring->places = calloc(count, ring->stride);
    if (!ring->places)
        mem_exhausted();
    return ring;
}

struct ring *ring_free(struct ring *ring)
{
    if (!ring)
        return NULL;
    free(ring->places);
    free(ring);
    return NULL;
}

static char *place(const struct ring *ring, size_t number)
{
    return ring->places + (number & ring->mask) * ring->stride;
}

bool ring_put(struct ring *ring, const void *record, size_t len)
{
    size_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    assert(len <= ring->stride);
    if (put - ring->taken_seen > ring->mask)
        ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
    if (put - ring->taken_seen > ring->mask) {
        atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
        return false;
    }
    memcpy(place(ring, put), record, len);
    atomic_store(&ring->put, put + 1); /* as bell.h wants it */
    bell_ring(ring->bell);
    return true;
}

const void *ring_first(struct ring *ring)
{
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    if (taken == ring->put_seen)
        ring->put_seen = atomic_load(&ring->put);
    return taken == ring->put_seen ? NULL : place(ring, taken);
}

void ring_drop_first(struct ring *ring)
{
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    assert(taken != ring->put_seen);
    atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
}

size_t ring_waiting(struct ring *ring)
{
    ring->put_seen = atomic_load(&ring->put);
    return ring->put_seen - atomic_load_explicit(&ring->taken, memory_order_relaxed);
}

size_t ring_places(const struct ring *ring)
{
    return ring->mask + 1;
}

uint64_t ring_dropped(const struct ring *ring)
{
    return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}

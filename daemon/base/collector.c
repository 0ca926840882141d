/*
 * While the thread pauses its bell is not armed, so records that come then cost no system
 * call. It is armed only once the rings were seen empty, and they are looked at once more
 * before sleeping (see bell.h).
 */
#include "base/collector.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

struct collector {
    struct bell *bell;
    struct ring **rings;
    size_t count;
    const struct collector_work *work;
    void *ctx;
    struct latch *in;
    bool started; /* the starter's */
    _Atomic(bool) stopping;
};

int collector_new(size_t count, size_t places, size_t size, struct collector **ret_collector)
{
    struct bell *bell;
    int rc = bell_new(&bell);
    if (rc != 0)
        return rc;
    struct collector *collector = mem_new(sizeof *collector);
    collector->bell = bell;
    collector->in = latch_new();
    collector->rings = mem_new(count * sizeof *collector->rings);
    collector->count = count;
    for (size_t i = 0; i < count; i++)
        collector->rings[i] = ring_new(places, size, bell);
    *ret_collector = collector;
    return 0;
}

struct collector *collector_free(struct collector *collector)
{
    if (!collector)
        return NULL;
    for (size_t i = 0; i < collector->count; i++)
        ring_free(collector->rings[i]);
    free(collector->rings);
    latch_free(collector->in);
    bell_free(collector->bell);
    free(collector);
    return NULL;
}

struct ring *collector_ring(struct collector *collector, size_t index)
{
    assert(index < collector->count);
    return collector->rings[index];
}

uint64_t collector_dropped(const struct collector *collector)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < collector->count; i++)
        dropped += ring_dropped(collector->rings[i]);
    return dropped;
}

/* ---- the thread ---- */

static bool all_empty(const struct collector *collector)
{
    for (size_t i = 0; i < collector->count; i++)
        if (ring_first(collector->rings[i]))
            return false;
    return true;
}

static void take_all(struct collector *collector)
{
    const void *record;
    for (size_t i = 0; i < collector->count; i++) {
        struct ring *ring = collector->rings[i];
        while ((record = ring_first(ring))) {
            collector->work->take(collector->ctx, record);
            ring_drop_first(ring);
        }
    }
}

static void run(void *ctx)
{
    struct collector *collector = ctx;
    for (;;) {
        bool last = atomic_load(&collector->stopping);
        take_all(collector);
        struct collector_times times = collector->work->emptied(collector->ctx, last);
        if (last)
            return;
        bell_arm(collector->bell);
        if (all_empty(collector))
            bell_sleep(collector->bell, times.idle);
        if (!atomic_load(&collector->stopping))
            bell_sleep(collector->bell, times.pause);
    }
}

/* ---- the others ---- */

int collector_start(struct collector *collector, const char *name,
                    const struct collector_work *work, void *ctx)
{
    if (collector->started)
        return 0;
    collector->work = work;
    collector->ctx = ctx;
    int rc = latch_thread(collector->in, name, run, collector);
    collector->started = rc == 0;
    return rc;
}

void collector_wake(struct collector *collector)
{
    bell_wake(collector->bell);
}

bool collector_stop(struct collector *collector, usec_t timeout)
{
    if (!collector->started)
        return true;
    atomic_store(&collector->stopping, true);
    bell_wake(collector->bell);
    return latch_wait(collector->in, timeout);
}

bool collector_is_stopping(const struct collector *collector)
{
    return atomic_load(&collector->stopping);
}

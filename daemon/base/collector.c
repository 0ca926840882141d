/*
 * A pass is bounded by what it finds, so that its end comes whatever the load is, and no ring
 * waits for the others. Where a ring fills while the thread works there is no pause.
 *
 * While the thread pauses its bell is not armed, so records that come then cost no system
 * call. It is armed only once the rings were seen empty, and they are looked at once more
 * before sleeping (see bell.h).
 */
#include "base/collector.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

enum { ROUND = 256, PRESSED = 4 /* a fourth of a ring */ };

struct collector {
    struct bell *bell;
    struct ring **rings;
    size_t *left; /* of each ring, in this pass */
    size_t count;
    const struct collector_work *work;
    void *ctx;
    struct latch *in;
    bool started; /* the starter's */
    _Atomic(bool) woken, stopping;
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
    collector->left = mem_new(count * sizeof *collector->left);
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
    free(collector->left);
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

static size_t longest(const struct collector *collector)
{
    size_t most = 0;
    for (size_t i = 0; i < collector->count; i++) {
        size_t waiting = ring_waiting(collector->rings[i]);
        most = waiting > most ? waiting : most;
    }
    return most;
}

bool collector_is_full(const struct collector *collector)
{
    return longest(collector) == ring_places(collector->rings[0]);
}

/* False: one was refused. */
static bool take_round(struct collector *collector, size_t index)
{
    struct ring *ring = collector->rings[index];
    for (size_t i = 0; i < ROUND && collector->left[index] > 0; i++) {
        if (!collector->work->take(collector->ctx, ring_first(ring)))
            return false;
        ring_drop_first(ring);
        collector->left[index]--;
    }
    return true;
}

static bool take_pass(struct collector *collector)
{
    size_t most = 0;
    for (size_t i = 0; i < collector->count; i++) {
        collector->left[i] = ring_waiting(collector->rings[i]);
        most = collector->left[i] > most ? collector->left[i] : most;
    }
    for (size_t round = 0; round * ROUND < most; round++) {
        if (round > 0)
            collector->work->between(collector->ctx);
        for (size_t i = 0; i < collector->count; i++)
            if (!take_round(collector, i))
                return false;
    }
    return true;
}

static void rest(struct collector *collector, struct collector_times times, bool all)
{
    if (all && longest(collector) >= ring_places(collector->rings[0]) / PRESSED)
        return;
    if (all && longest(collector) == 0) {
        bell_arm(collector->bell);
        if (longest(collector) == 0)
            bell_sleep(collector->bell, times.idle);
    }
    if (!atomic_exchange(&collector->woken, false) && !atomic_load(&collector->stopping))
        bell_sleep(collector->bell, times.pause);
}

static void run(void *ctx)
{
    struct collector *collector = ctx;
    for (;;) {
        bool last = atomic_load(&collector->stopping);
        bool all = take_pass(collector);
        assert(all || !last);
        struct collector_times times = collector->work->passed(collector->ctx, last);
        if (last)
            return;
        rest(collector, times, all);
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
    atomic_store(&collector->woken, true);
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

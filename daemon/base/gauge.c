/*
 * Two atomic numbers. Entering compares and adds in one step, so the value
 * never passes the limit of any caller, not even for a moment.
 */
#include "base/gauge.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"

struct gauge {
    _Atomic(uint64_t) value;
    _Atomic(uint32_t) references;
};

struct gauge *gauge_new(void)
{
    struct gauge *gauge = mem_new(sizeof *gauge);
    atomic_init(&gauge->value, 0);
    atomic_init(&gauge->references, 1);
    return gauge;
}

struct gauge *gauge_ref(struct gauge *gauge)
{
    uint32_t before = atomic_fetch_add_explicit(&gauge->references, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    return gauge;
}

struct gauge *gauge_unref(struct gauge *gauge)
{
    if (!gauge)
        return NULL;
    uint32_t before = atomic_fetch_sub_explicit(&gauge->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(gauge);
    return NULL;
}

bool gauge_enter(struct gauge *gauge, uint64_t limit)
{
    uint64_t value = atomic_load_explicit(&gauge->value, memory_order_relaxed);
    do {
        if (limit > 0 && value >= limit)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&gauge->value, &value, value + 1,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

void gauge_leave(struct gauge *gauge)
{
    uint64_t before = atomic_fetch_sub_explicit(&gauge->value, 1, memory_order_release);
    assert(before > 0);
}

uint64_t gauge_value(const struct gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

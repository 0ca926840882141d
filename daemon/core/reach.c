/* A worker that has met an upstream says more than one that has missed it before. */
#include "core/reach.h"

struct miss {
    uint64_t since, last; /* 0: it is not missed */
};

static uint64_t last_met(const struct tally *const *tallies, size_t count, size_t slot)
{
    uint64_t met_at = 0;
    for (size_t i = 0; i < count; i++) {
        const struct upstream_tally *one = atomic_load(&tallies[i]->upstreams[slot]);
        uint64_t met = one ? tally_read(&one->met_at) : 0;
        met_at = met > met_at ? met : met_at;
    }
    return met_at;
}

static struct miss find_miss(const struct tally *const *tallies, size_t count, size_t slot)
{
    uint64_t met_at = last_met(tallies, count, slot);
    struct miss miss = {.since = UINT64_MAX};
    for (size_t i = 0; i < count; i++) {
        const struct upstream_tally *one = atomic_load(&tallies[i]->upstreams[slot]);
        uint64_t began = one ? tally_read(&one->missed_since) : 0;
        uint64_t missed_at = one ? tally_read(&one->missed_at) : 0;
        if (began == 0 || missed_at <= met_at)
            continue;
        began = began > met_at ? began : met_at;
        miss.since = began < miss.since ? began : miss.since;
        miss.last = missed_at > miss.last ? missed_at : miss.last;
    }
    return miss;
}

static bool is_long(const struct miss *miss, usec_t now, usec_t after)
{
    return miss->last > 0 && miss->since + after <= now;
}

bool reach_is_missed(const struct tally *const *tallies, size_t count, size_t slot, usec_t now,
                     usec_t after)
{
    struct miss miss = find_miss(tallies, count, slot);
    return is_long(&miss, now, after);
}

bool reach_is_missed_lately(const struct tally *const *tallies, size_t count, size_t slot,
                            usec_t now, usec_t after)
{
    struct miss miss = find_miss(tallies, count, slot);
    return is_long(&miss, now, after) && miss.last + REACH_FORGETS * after > now;
}

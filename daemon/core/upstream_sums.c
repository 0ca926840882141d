/*
 * Workers go on counting meanwhile, so figures that belong together may be a call apart. A
 * difference of two is read in the order that keeps it from being negative.
 */
#include "core/upstream_sums.h"

#include <string.h>

#include "core/reach.h"

const char *upstream_outcome_text(size_t outcome)
{
    return outcome < STATUS_INDEXES ? status_index_text((enum status_index)outcome)
                                    : outcome_text((enum outcome_code)(outcome - STATUS_INDEXES));
}

/* True when it speaks against an upstream, or the way there: 5xx, or no reply, but for calls that
 * were not needed any more. */
static bool upstream_outcome_failed(size_t outcome)
{
    return outcome < STATUS_INDEXES ? status_index_failed((enum status_index)outcome)
                                    : outcome != STATUS_INDEXES + OUTCOME_CANCELLED;
}

void durations_add(struct metric_durations *sum, const struct duration_tally *tally)
{
    for (size_t i = 0; i <= TALLY_BOUNDS; i++)
        sum->buckets[i] += tally_read(&tally->buckets[i]);
    sum->sum += tally_read(&tally->sum);
}

static void add(struct upstream_sums *sums, const struct upstream_tally *one)
{
    uint64_t ended = 0;
    for (size_t i = 0; i < TALLY_OUTCOMES; i++) {
        uint64_t count = tally_read(&one->outcomes[i]);
        sums->outcomes[i] += count;
        ended += count;
    }
    sums->in_flight += tally_read(&one->begun) - ended;
    durations_add(&sums->durations, &one->durations);
    sums->bytes_in += tally_read(&one->bytes_in);
    sums->bytes_out += tally_read(&one->bytes_out);
    sums->reused += tally_read(&one->reused);
    sums->open -= tally_read(&one->closed);
    sums->idle -= tally_read(&one->taken);
    sums->opened += tally_read(&one->opened);
    sums->open += tally_read(&one->known);
    sums->idle += tally_read(&one->rested);
    sums->lookups += tally_read(&one->lookups);
    sums->cache_hits += tally_read(&one->cache_hits);
    usec_t failure_at = tally_read(&one->failure_at);
    if (failure_at > sums->failure_at) {
        sums->failure_at = failure_at;
        sums->failure = (enum outcome_code)tally_read(&one->failure);
    }
}

void upstream_sums_read(const struct metrics_source *source, size_t slot,
                        struct upstream_sums *ret_sums)
{
    const struct config *config = source->config;
    struct upstream_sums *sums = ret_sums;
    *sums = (struct upstream_sums){.name = slots_name(config->upstream_slots, slot)};
    for (size_t i = 0; i < source->count; i++) {
        const struct upstream_tally *one = atomic_load(&source->tallies[i]->upstreams[slot]);
        if (one)
            add(sums, one);
    }
    for (size_t i = 0; i < TALLY_OUTCOMES; i++)
        if (upstream_outcome_failed(i))
            sums->failed += sums->outcomes[i];
    if (sums->idle > sums->open)
        sums->idle = sums->open;
    if (slot > SLOT_OTHER)
        sums->upstream = config_upstream(config, sums->name);
    if (sums->upstream) {
        sums->in_flight = gauge_value(sums->upstream->in_flight);
        sums->waiting = gauge_waiting(sums->upstream->in_flight);
    }
    sums->unreachable = sums->upstream && reach_is_missed(source->tallies, source->count, slot,
                                                          source->now, config->unready_after);
}

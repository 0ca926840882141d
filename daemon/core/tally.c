/*
 * Parts are never freed before the tally is: connections and calls point to them, and who
 * reports reads them at any time. How many there are is bounded by the slots.
 *
 * Whether an upstream can be reached is told by what came of connecting. A cancelled or
 * refused call says nothing about it; any other outcome than a failure to connect says
 * that it is there.
 */
#include "core/tally.h"

#include <stdlib.h>

#include "base/mem.h"

const uint64_t tally_bounds[TALLY_BOUNDS] = {1000,    2500,    5000,    10000,  25000,
                                             50000,   100000,  250000,  500000, 1000000,
                                             2500000, 5000000, 10000000};

/* ---- life ---- */

struct tally *tally_new(void)
{
    return mem_new_apart(sizeof(struct tally));
}

struct tally *tally_free(struct tally *tally)
{
    if (!tally)
        return NULL;
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        free(atomic_load(&tally->upstreams[i]));
        free(atomic_load(&tally->endpoints[i]));
    }
    free(tally);
    return NULL;
}

void tally_prepare(struct tally *tally, const struct config *config)
{
    for (size_t i = 0; i < slots_count(config->upstream_slots); i++)
        if (!atomic_load(&tally->upstreams[i]))
            atomic_store(&tally->upstreams[i], mem_new_apart(sizeof(struct upstream_tally)));
    for (size_t i = 0; i < slots_count(config->endpoint_slots); i++)
        if (!atomic_load(&tally->endpoints[i]))
            atomic_store(&tally->endpoints[i], mem_new_apart(sizeof(struct endpoint_tally)));
}

/* ---- counting ---- */

static void add_duration(struct duration_tally *durations, usec_t took)
{
    size_t bucket = 0;
    while (bucket < TALLY_BOUNDS && took > tally_bounds[bucket])
        bucket++;
    tally_add(&durations->buckets[bucket], 1);
    tally_add(&durations->sum, took);
}

static void set(_Atomic(uint64_t) *figure, uint64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

static void missed(struct upstream_tally *tally, usec_t now)
{
    if (tally_read(&tally->missed_since) == 0)
        set(&tally->missed_since, now);
    set(&tally->missed_at, now);
}

static void met(struct upstream_tally *tally, usec_t now)
{
    set(&tally->met_at, now);
    if (tally_read(&tally->missed_since) != 0)
        set(&tally->missed_since, 0);
}

static void note_failure(struct upstream_tally *tally, enum outcome_code code, usec_t now)
{
    switch (code) {
    case OUTCOME_CANCELLED:
        return;
    case OUTCOME_CONNECTION_LIMIT:
    case OUTCOME_INTERNAL:
        break;
    case OUTCOME_DNS_ERROR:
    case OUTCOME_DNS_TIMEOUT:
    case OUTCOME_CONNECTION_REFUSED:
    case OUTCOME_CONNECTION_TIMEOUT:
    case OUTCOME_DESTINATION_UNROUTABLE:
    case OUTCOME_TLS_CERTIFICATE:
    case OUTCOME_TLS_PROTOCOL:
    case OUTCOME_PROXY_CONFIGURATION:
        missed(tally, now);
        break;
    default:
        met(tally, now);
    }
    set(&tally->failure, code);
    set(&tally->failure_at, now);
}

void tally_call_ended(struct upstream_tally *tally, const struct outcome *outcome, usec_t now)
{
    if (!tally)
        return;
    add_duration(&tally->durations, outcome->elapsed);
    if (outcome->code == OUTCOME_REPLY) {
        tally_add(&tally->outcomes[status_index(outcome->status)], 1);
        met(tally, now);
        return;
    }
    tally_add(&tally->outcomes[STATUS_INDEXES + outcome->code], 1);
    note_failure(tally, outcome->code, now);
}

void tally_limit(struct tally *tally, enum tally_limit limit)
{
    if (tally && limit != TALLY_NO_LIMIT)
        tally_add(&tally->limits[limit], 1);
}

struct endpoint_tally *tally_request_begun(struct tally *tally, size_t slot)
{
    struct endpoint_tally *part =
        tally ? atomic_load_explicit(&tally->endpoints[slot], memory_order_relaxed) : NULL;
    if (part)
        tally_add(&part->begun, 1);
    return part;
}

void tally_request_ended(struct endpoint_tally *tally, unsigned status, usec_t took)
{
    if (!tally)
        return;
    tally_add(&tally->ended[status_index(status)], 1);
    add_duration(&tally->durations, took);
}

void tally_reply(struct endpoint_tally *tally, enum reply_result result, uint64_t bytes)
{
    if (!tally)
        return;
    tally_add(&tally->replies[result], 1);
    tally_add(&tally->bytes_out, bytes);
}

void tally_request_body(struct endpoint_tally *tally, uint64_t bytes)
{
    if (tally)
        tally_add(&tally->bytes_in, bytes);
}

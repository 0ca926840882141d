/*
 * A worker counts a request by its status and then by its duration. Who reads in between reads
 * again: what it sees of one worker is then of one moment.
 */
#include "core/endpoint_sums.h"

#include <string.h>

#include "core/upstream_sums.h"

enum { TRIES = 16 };

struct reading {
    uint64_t ended[STATUS_INDEXES], count;
    struct metric_durations durations;
};

static bool read_once(const struct endpoint_tally *one, struct reading *ret_reading)
{
    uint64_t lasted = 0;
    *ret_reading = (struct reading){.count = 0};
    for (size_t i = 0; i < STATUS_INDEXES; i++) {
        ret_reading->ended[i] = tally_read(&one->ended[i]);
        ret_reading->count += ret_reading->ended[i];
    }
    durations_add(&ret_reading->durations, &one->durations);
    for (size_t i = 0; i <= TALLY_BOUNDS; i++)
        lasted += ret_reading->durations.buckets[i];
    return lasted == ret_reading->count;
}

static void add(struct endpoint_sums *sums, const struct endpoint_tally *one)
{
    struct reading reading;
    for (int tries = 0; !read_once(one, &reading) && tries < TRIES; tries++)
        ;
    for (size_t i = 0; i < STATUS_INDEXES; i++)
        sums->ended[i] += reading.ended[i];
    for (size_t i = 0; i <= TALLY_BOUNDS; i++)
        sums->durations.buckets[i] += reading.durations.buckets[i];
    sums->durations.sum += reading.durations.sum;
    sums->in_flight += tally_read(&one->begun) - reading.count;
    for (size_t i = 0; i < REPLY_RESULTS; i++)
        sums->replies[i] += tally_read(&one->replies[i]);
    sums->bytes_in += tally_read(&one->bytes_in);
    sums->bytes_out += tally_read(&one->bytes_out);
}

/* "GET /posts", or a name of no endpoint. */
static void take_name(struct endpoint_sums *sums, const char *name)
{
    const char *space = strchr(name, ' ');
    size_t len = space ? (size_t)(space - name) : strlen(ENDPOINT_METHOD_ANY);
    assert(len < sizeof sums->method);
    memcpy(sums->method, space ? name : ENDPOINT_METHOD_ANY, len);
    sums->path = space ? space + 1 : name;
}

void endpoint_sums_read(const struct metrics_source *source, size_t slot,
                        struct endpoint_sums *ret_sums)
{
    *ret_sums = (struct endpoint_sums){.in_flight = 0};
    take_name(ret_sums, slots_name(source->config->endpoint_slots, slot));
    for (size_t i = 0; i < source->count; i++) {
        const struct endpoint_tally *one = atomic_load(&source->tallies[i]->endpoints[slot]);
        if (one)
            add(ret_sums, one);
    }
    for (size_t i = 0; i < STATUS_INDEXES; i++)
        if (status_index_failed((enum status_index)i))
            ret_sums->failed += ret_sums->ended[i];
}

/*
 * All of it is read at once and nothing is kept: the page costs whoever asks for it, and
 * the workers nothing but the cache lines that are read. Names without a figure yet, and
 * outcomes that never happened, are left out where their number would only be large.
 */
#include "core/metrics.h"

#include <stdio.h>

#include "base/mem.h"
#include "core/endpoint_sums.h"
#include "core/upstream_sums.h"

static const struct metric_labels no_labels;

static void put_alone(struct buffer *out, enum metric metric, uint64_t value)
{
    metrics_begin(out, metric);
    metrics_put(out, metric, no_labels, value);
}

static void put_alone_seconds(struct buffer *out, enum metric metric, uint64_t microseconds)
{
    metrics_begin(out, metric);
    metrics_put_seconds(out, metric, no_labels, microseconds);
}

/* ---- the daemon ---- */

static void write_daemon(const struct metrics_source *source, struct buffer *out)
{
    const struct metric_labels build = {{{"version", source->version},
                                         {"libmicrohttpd", source->libmicrohttpd},
                                         {"libcurl", source->libcurl}}};
    metrics_begin(out, METRIC_BUILD_INFO);
    metrics_put(out, METRIC_BUILD_INFO, build, 1);
    put_alone(out, METRIC_READY, source->ready);
    put_alone(out, METRIC_CONFIG_GENERATION, source->generation);
    put_alone(out, METRIC_CONFIG_SUCCESSFUL, !source->reload_failed);
    put_alone_seconds(out, METRIC_CONFIG_TIME, source->configured);
    put_alone(out, METRIC_RESTART_NEEDED, source->restart_needed);
}

static void write_process(const struct metrics_process *process, struct buffer *out)
{
    put_alone_seconds(out, METRIC_CPU, process->cpu);
    put_alone_seconds(out, METRIC_START_TIME, process->started);
    put_alone(out, METRIC_MEMORY, process->memory);
    put_alone(out, METRIC_OPEN_FDS, process->open_files);
    put_alone(out, METRIC_MAX_FDS, process->max_files);
}

static void write_limits(const struct metrics_source *source, struct buffer *out)
{
    metrics_begin(out, METRIC_LIMITS);
    for (size_t limit = TALLY_NO_LIMIT + 1; limit < TALLY_LIMITS; limit++) {
        uint64_t hits = 0;
        for (size_t i = 0; i < source->count; i++)
            hits += tally_read(&source->tallies[i]->limits[limit]);
        const char *text = metrics_limit_text((enum tally_limit)limit);
        metrics_put(out, METRIC_LIMITS, METRIC_LABEL("limit", text), hits);
    }
}

/* ---- workers ---- */

static uint64_t requests_of(const struct tally *tally)
{
    uint64_t requests = 0;
    for (size_t slot = 0; slot < SLOTS_MAX; slot++) {
        const struct endpoint_tally *endpoint = atomic_load(&tally->endpoints[slot]);
        for (size_t i = 0; endpoint && i <= TALLY_BOUNDS; i++)
            requests += tally_read(&endpoint->durations.buckets[i]);
    }
    return requests;
}

static uint64_t worker_figure(const struct metrics_source *source, size_t index, enum metric metric)
{
    const struct tally *tally = source->tallies[index];
    const struct metrics_worker *worker = &source->workers[index];
    uint64_t ended;
    switch (metric) {
    case METRIC_WORKER_REQUESTS:
        return requests_of(tally);
    case METRIC_WORKER_CONNECTIONS:
        return worker->connections;
    case METRIC_WORKER_ACCEPTED:
        return tally_read(&tally->accepted);
    case METRIC_WORKER_FANOUTS:
        ended = tally_read(&tally->fanouts_ended);
        return tally_read(&tally->fanouts_begun) - ended;
    case METRIC_WORKER_BUSY:
        return worker->busy;
    case METRIC_WORKER_TURN:
        return worker->turn;
    case METRIC_WORKER_SILENT:
        return worker->silent;
    case METRIC_WORKER_CPU:
        return worker->cpu;
    case METRIC_WORKER_RUN_DELAY:
        return worker->run_delay;
    case METRIC_WORKER_MESSAGES:
        return worker->mailbox_messages;
    case METRIC_WORKER_MAILBOX:
        return worker->mailbox_full;
    default:
        return tally_read(&tally->turns);
    }
}

static bool is_known(const struct metrics_worker *worker, enum metric metric)
{
    return worker->scheduled || (metric != METRIC_WORKER_CPU && metric != METRIC_WORKER_RUN_DELAY);
}

static void put_worker(const struct metrics_source *source, size_t index, enum metric metric,
                       struct buffer *out)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", index);
    uint64_t value = worker_figure(source, index, metric);
    if (metric >= METRIC_WORKER_BUSY && metric <= METRIC_WORKER_RUN_DELAY)
        metrics_put_seconds(out, metric, METRIC_LABEL("worker", number), value);
    else
        metrics_put(out, metric, METRIC_LABEL("worker", number), value);
}

static void write_workers(const struct metrics_source *source, struct buffer *out)
{
    for (unsigned metric = METRIC_WORKER_REQUESTS; metric <= METRIC_WORKER_TURNS; metric++) {
        bool begun = false;
        for (size_t i = 0; i < source->count; i++) {
            if (!is_known(&source->workers[i], metric))
                continue;
            if (!begun)
                metrics_begin(out, metric);
            begun = true;
            put_worker(source, i, metric, out);
        }
    }
}

/* ---- endpoints ---- */

static struct metric_labels endpoint_labels(const struct endpoint_sums *sums)
{
    return METRIC_LABELS("endpoint", sums->path, "method", sums->method);
}

static void put_endpoint_with(const struct endpoint_sums *sums, enum metric metric,
                              const char *name, const char *value, uint64_t figure,
                              struct buffer *out)
{
    struct metric_labels labels = endpoint_labels(sums);
    labels.items[2] = (struct metric_label){name, value};
    metrics_put(out, metric, labels, figure);
}

/* 200 always, so that there is something to count from. */
static void put_statuses(const struct endpoint_sums *sums, struct buffer *out)
{
    for (size_t i = 0; i < STATUS_INDEXES; i++)
        if (sums->ended[i] > 0 || i == STATUS_INDEX_200)
            put_endpoint_with(sums, METRIC_REQUESTS, "status",
                              status_index_text((enum status_index)i), sums->ended[i], out);
}

static void put_replies(const struct endpoint_sums *sums, struct buffer *out)
{
    static const char *const texts[REPLY_RESULTS] = {
        [RESULT_COMPLETE] = "complete",
        [RESULT_PARTIAL] = "partial",
        [RESULT_FAILED] = "failed",
        [RESULT_ABANDONED] = "abandoned",
    };
    for (size_t i = 0; i < REPLY_RESULTS; i++)
        if (texts[i])
            put_endpoint_with(sums, METRIC_REPLIES, "result", texts[i], sums->replies[i], out);
}

static uint64_t endpoint_figure(const struct endpoint_sums *sums, enum metric metric)
{
    switch (metric) {
    case METRIC_REQUESTS_FAILED:
        return sums->failed;
    case METRIC_REQUESTS_IN_FLIGHT:
        return sums->in_flight;
    case METRIC_REQUEST_BYTES:
        return sums->bytes_in;
    default:
        return sums->bytes_out;
    }
}

static void put_endpoint(const struct endpoint_sums *sums, enum metric metric, struct buffer *out)
{
    if (metric == METRIC_REQUESTS)
        put_statuses(sums, out);
    else if (metric == METRIC_REPLIES)
        put_replies(sums, out);
    else if (metric == METRIC_REQUEST_DURATION)
        metrics_put_durations(out, metric, endpoint_labels(sums), &sums->durations);
    else
        metrics_put(out, metric, endpoint_labels(sums), endpoint_figure(sums, metric));
}

static void write_endpoints(const struct metrics_source *source, struct buffer *out)
{
    size_t count = slots_count(source->config->endpoint_slots);
    struct endpoint_sums *all scope_free = mem_new(count * sizeof *all);
    for (size_t i = 0; i < count; i++)
        endpoint_sums_read(source, i, &all[i]);
    for (unsigned metric = METRIC_REQUESTS; metric <= METRIC_REQUEST_DURATION; metric++) {
        metrics_begin(out, metric);
        for (size_t i = 0; i < count; i++)
            if (slots_used(source->config->endpoint_slots, i))
                put_endpoint(&all[i], metric, out);
    }
}

/* ---- upstreams ---- */

/* 200, the failures that a proxy knows (RFC 9209) and what was not needed always, so that there is
 * something to count from. */
static bool is_always_told(size_t outcome)
{
    return outcome == STATUS_INDEX_200 || outcome == STATUS_INDEXES + OUTCOME_CANCELLED ||
           (outcome >= STATUS_INDEXES &&
            outcome_registered((enum outcome_code)(outcome - STATUS_INDEXES)));
}

static void put_outcomes(const struct upstream_sums *sums, struct buffer *out)
{
    for (size_t i = 0; i < TALLY_OUTCOMES; i++)
        if (sums->outcomes[i] > 0 || is_always_told(i))
            metrics_put(out, METRIC_CALLS,
                        METRIC_LABELS("upstream", sums->name, "outcome", upstream_outcome_text(i)),
                        sums->outcomes[i]);
}

static uint64_t upstream_figure(const struct upstream_sums *sums, enum metric metric)
{
    switch (metric) {
    case METRIC_CALLS_FAILED:
        return sums->failed;
    case METRIC_CALLS_IN_FLIGHT:
        return sums->in_flight;
    case METRIC_CALLS_WAITING:
        return sums->waiting;
    case METRIC_RECEIVED:
        return sums->bytes_in;
    case METRIC_SENT:
        return sums->bytes_out;
    case METRIC_OPENED:
        return sums->opened;
    case METRIC_REUSED:
        return sums->reused;
    case METRIC_LOOKUPS:
        return sums->lookups;
    case METRIC_CACHE_HITS:
        return sums->cache_hits;
    default:
        return sums->unreachable;
    }
}

static void put_upstream(const struct upstream_sums *sums, enum metric metric, struct buffer *out)
{
    const struct metric_labels labels = METRIC_LABEL("upstream", sums->name);
    if (metric == METRIC_CALLS) {
        put_outcomes(sums, out);
    } else if (metric == METRIC_CALL_DURATION) {
        metrics_put_durations(out, metric, labels, &sums->durations);
    } else if (metric == METRIC_CONNECTIONS) {
        metrics_put(out, metric, METRIC_LABELS("upstream", sums->name, "state", "busy"),
                    sums->open - sums->idle);
        metrics_put(out, metric, METRIC_LABELS("upstream", sums->name, "state", "idle"),
                    sums->idle);
    } else if (metric != METRIC_UNREACHABLE || sums->upstream) {
        metrics_put(out, metric, labels, upstream_figure(sums, metric));
    }
}

static void write_upstreams(const struct metrics_source *source, struct buffer *out)
{
    size_t count = slots_count(source->config->upstream_slots);
    struct upstream_sums *all scope_free = mem_new(count * sizeof *all);
    for (size_t i = 0; i < count; i++)
        upstream_sums_read(source, i, &all[i]);
    for (unsigned metric = METRIC_CALLS; metric <= METRIC_UNREACHABLE; metric++) {
        metrics_begin(out, metric);
        for (size_t i = 0; i < count; i++)
            if (slots_used(source->config->upstream_slots, i))
                put_upstream(&all[i], metric, out);
    }
}

void metrics_write(const struct metrics_source *source, struct buffer *out)
{
    write_daemon(source, out);
    write_workers(source, out);
    write_endpoints(source, out);
    write_upstreams(source, out);
    write_limits(source, out);
    put_alone(out, METRIC_LINES_DROPPED, source->lines_dropped);
    put_alone(out, METRIC_SPANS_DROPPED, source->spans_dropped);
    write_process(&source->process, out);
}

/*
 * One batch at a time, so a collector that hangs costs one thread some waiting and the
 * queue its overflow, and nothing else. A batch that is not taken now (OTLP names the
 * statuses) is kept and grows, and is tried again later; it is dropped only when a ring has
 * no place left for what is newer. At a stop there is one try and little time.
 */
#include "back/span_export.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "back/span_post.h"
#include "base/collector.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "core/span.h"

enum { BATCH_MAX = 512, BODY_MAX = 8 << 20, TRIES_UNSAID = 2 };

#define AGAIN        (200 * USEC_PER_MSEC) /* until the second try; twice that until the third */
#define AGAIN_MOST   (5 * USEC_PER_SEC)
#define GATHER       (100 * USEC_PER_MSEC)
#define REPORT_EVERY (1 * USEC_PER_SEC)
#define LAST_TIME    (1 * USEC_PER_SEC) /* for sending at a stop */
#define STOP_WAIT    (4 * USEC_PER_SEC)

struct span_export {
    struct collector *collector;
    _Atomic(struct config *) next; /* a reference, for the thread to take */
    _Atomic(uint64_t) lost;        /* beside those that a ring dropped */
    /* The thread's. */
    struct config *config, *coming; /* coming: NULL mostly */
    unsigned passes;                /* that end before it counts */
    struct span_post *post;         /* NULL: none was needed yet */
    struct buffer body;             /* of a batch, without its end */
    size_t count;                   /* of spans in it */
    usec_t began;                   /* when its first came */
    usec_t not_before, delay;       /* after a try that failed; 0: it did not */
    bool asked;                     /* the collector wants not_before */
    unsigned failed;                /* tries in a row */
    usec_t offset, give_up;
    uint64_t reported;
    usec_t reported_at;
    char lost_why[POST_REASON]; /* of what was lost last; "": rings were full */
    char trouble[POST_REASON];  /* why the last try failed; "": it did not */
};

/* ---- what is lost ---- */

static void lose(struct span_export *export, size_t count, const char *why)
{
    if (count == 0)
        return;
    atomic_fetch_add(&export->lost, count);
    snprintf(export->lost_why, sizeof export->lost_why, "%s", why);
}

static void end_batch(struct span_export *export)
{
    export->count = 0;
    buffer_done(&export->body);
}

static void lose_batch(struct span_export *export, const char *why)
{
    lose(export, export->count, why);
    end_batch(export);
}

static void report(struct span_export *export, bool last)
{
    uint64_t dropped = span_export_dropped(export);
    usec_t now = clock_now();
    if (dropped == export->reported || (!last && now < export->reported_at + REPORT_EVERY))
        return;
    log_warning("tracing lost %llu spans: %s", (unsigned long long)(dropped - export->reported),
                export->lost_why[0]  ? export->lost_why
                : export->trouble[0] ? export->trouble
                                     : "the queue was full");
    export->reported = dropped;
    export->reported_at = now;
    export->lost_why[0] = '\0';
}

/* ---- sending ---- */

/* While a request lasts. True ends it: the daemon stops, and its patience with it. */
static bool interrupt(void *ctx)
{
    struct span_export *export = ctx;
    report(export, false);
    if (!collector_is_stopping(export->collector))
        return false;
    usec_t now = clock_now();
    if (export->give_up == 0)
        export->give_up = now + LAST_TIME;
    return now >= export->give_up;
}

static void send_body(struct span_export *export, struct post_result *ret_result)
{
    size_t open = export->body.len;
    otlp_end(&export->body);
    if (!export->post)
        export->post = span_post_new(&export->config->tracing, interrupt, export);
    if (export->post && buffer_status(&export->body) == 0)
        span_post_send(export->post, export->body.data, export->body.len, ret_result);
    else
        *ret_result = (struct post_result){.end = POST_REFUSED, .reason = "no memory"};
    export->body.len = open; /* it may grow until the next try */
}

/* Up to a quarter later than that, for the collector may have many daemons, whose tries should
 * not all come at the moment when it is back. */
static void put_off(struct span_export *export, usec_t wait)
{
    usec_t now = clock_now();
    usec_t longer = export->delay * 2 < AGAIN_MOST ? export->delay * 2 : AGAIN_MOST;
    export->delay = export->delay == 0 ? AGAIN : longer;
    export->asked = wait > 0;
    export->not_before = now + (wait > export->delay ? wait : export->delay) +
                         random_derive(now, export->failed) % (export->delay / 4);
}

/* A collector that cannot be reached costs nothing for a while, and yet somebody should know. */
static void note_trouble(struct span_export *export, const struct post_result *result)
{
    memcpy(export->trouble, result->reason, sizeof export->trouble);
    if (++export->failed == TRIES_UNSAID + 1 && !collector_is_stopping(export->collector))
        log_warning("tracing cannot send spans, which wait: %s", export->trouble);
    put_off(export, result->wait);
}

static void forget_trouble(struct span_export *export)
{
    if (export->failed > TRIES_UNSAID)
        log_info("tracing sends spans again");
    export->failed = 0;
    export->trouble[0] = '\0';
    export->delay = 0;
    export->not_before = 0;
    export->asked = false;
}

/* Of those that it took it may have rejected some. */
static void try_batch(struct span_export *export)
{
    struct post_result result;
    send_body(export, &result);
    if (result.end == POST_AGAIN) {
        note_trouble(export, &result);
        if (collector_is_stopping(export->collector) || collector_is_full(export->collector))
            lose_batch(export, result.reason);
        return;
    }
    forget_trouble(export);
    uint64_t count = export->count;
    if (result.end == POST_TAKEN && result.rejected < count)
        count = result.rejected;
    lose(export, count, result.reason);
    end_batch(export);
}

/* There is no later: one try, unless the collector asked for none. */
static void finish_batch(struct span_export *export)
{
    if (export->count == 0)
        return;
    if (export->asked && clock_now() < export->not_before)
        lose_batch(export, export->trouble);
    else
        try_batch(export);
}

static usec_t due(const struct span_export *export)
{
    usec_t at = export->count == BATCH_MAX ? 0 : export->began + export->config->tracing.interval;
    return at > export->not_before ? at : export->not_before;
}

/* ---- configurations ---- */

static bool same_collector(const struct config *a, const struct config *b)
{
    return strcmp(a->tracing.otlp, b->tracing.otlp) == 0;
}

/* What was not taken yet goes where spans go now; when that is nowhere, there is a last try. */
static void use_config(struct span_export *export)
{
    struct config *old = export->config, *new = export->coming;
    if (old && !new->tracing.on) {
        finish_batch(export);
        lose_batch(export, export->trouble);
    }
    if (old && !same_collector(old, new)) {
        export->failed = 0;
        forget_trouble(export);
    }
    export->post = span_post_free(export->post);
    config_unref(old);
    export->config = new;
    export->coming = NULL;
}

/* One that is off is put off until a pass has shown everything that was left before. */
static void look_for_config(struct span_export *export)
{
    if (!atomic_load_explicit(&export->next, memory_order_relaxed))
        return;
    config_unref(export->coming);
    export->coming = atomic_exchange(&export->next, NULL);
    export->passes = 2; /* this one may be over some rings already */
    if (!export->config || export->coming->tracing.on)
        use_config(export);
}

/* ---- the thread ---- */

static bool has_room(struct span_export *export)
{
    if (export->count < BATCH_MAX)
        return true;
    if (collector_is_stopping(export->collector))
        finish_batch(export);
    else if (due(export) <= clock_now())
        try_batch(export);
    return export->count < BATCH_MAX;
}

static bool take_span(void *ctx, const void *data)
{
    struct span_export *export = ctx;
    look_for_config(export);
    if (!export->config->tracing.on) {
        lose(export, 1, "it was turned off");
        return true;
    }
    if (!has_room(export))
        return false;
    if (export->count == 0) {
        otlp_begin(&export->body, export->config->tracing.service);
        export->began = clock_now();
    }
    otlp_put(&export->body, data, export->offset, export->count == 0);
    export->count++;
    return true;
}

static void between(void *ctx)
{
    report(ctx, false);
}

static struct collector_times times_of(const struct span_export *export)
{
    usec_t interval = export->config->tracing.interval, at = due(export), now = clock_now();
    usec_t left = at > now ? at - now : 0;
    struct collector_times times = {
        .idle = USEC_NEVER,
        .pause = interval < GATHER ? interval : GATHER,
    };
    if (export->coming)
        times = (struct collector_times){.idle = 0, .pause = 0};
    else if (export->count > 0)
        times.idle = left;
    if (export->count == BATCH_MAX)
        times.pause = left;
    if (span_export_dropped(export) != export->reported)
        times.idle = times.idle < REPORT_EVERY ? times.idle : REPORT_EVERY;
    times.pause = times.pause < REPORT_EVERY ? times.pause : REPORT_EVERY;
    return times;
}

static struct collector_times passed(void *ctx, bool last)
{
    struct span_export *export = ctx;
    look_for_config(export);
    if (last)
        finish_batch(export);
    else if (export->count > 0 && due(export) <= clock_now())
        try_batch(export);
    if (export->coming && --export->passes == 0)
        use_config(export);
    export->offset = clock_epoch_offset();
    report(export, last);
    return times_of(export);
}

/* ---- on the main thread ---- */

int span_export_new(size_t workers, uint64_t places, struct span_export **ret_export)
{
    struct collector *collector;
    int rc = collector_new(workers, places, sizeof(struct span), &collector);
    if (rc != 0)
        return rc;
    struct span_export *export = mem_new(sizeof *export);
    export->collector = collector;
    export->offset = clock_epoch_offset();
    buffer_init(&export->body, BODY_MAX);
    *ret_export = export;
    return 0;
}

struct span_export *span_export_free(struct span_export *export)
{
    if (!export)
        return NULL;
    collector_free(export->collector);
    span_post_free(export->post);
    config_unref(atomic_load(&export->next));
    config_unref(export->config);
    config_unref(export->coming);
    buffer_done(&export->body);
    free(export);
    return NULL;
}

struct ring *span_export_ring(struct span_export *export, size_t worker)
{
    return collector_ring(export->collector, worker);
}

int span_export_configure(struct span_export *export, struct config *config)
{
    static const struct collector_work work = {
        .take = take_span, .between = between, .passed = passed};
    config_unref(atomic_exchange(&export->next, config_ref(config)));
    collector_wake(export->collector);
    if (!config->tracing.on)
        return 0;
    return collector_start(export->collector, "span-export", &work, export);
}

uint64_t span_export_dropped(const struct span_export *export)
{
    return collector_dropped(export->collector) + atomic_load(&export->lost);
}

bool span_export_stop(struct span_export *export)
{
    return !export || collector_stop(export->collector, STOP_WAIT);
}

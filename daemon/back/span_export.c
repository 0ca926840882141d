/*
 * One batch at a time, so a collector that hangs costs one thread some waiting and the
 * queue its overflow, and nothing else. What is worth a second try (OTLP names the
 * statuses) gets two more. At a stop there is one try and little time.
 */
#include "back/span_export.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/collector.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/span.h"

enum { BATCH_MAX = 512, BODY_MAX = 8 << 20, TRIES = 3 };

#define AGAIN        (200 * USEC_PER_MSEC) /* before the second try; twice that before the third */
#define REPORT_EVERY (1 * USEC_PER_SEC)
#define LAST_TIME    (1 * USEC_PER_SEC) /* for sending at a stop */
#define STOP_WAIT    (4 * USEC_PER_SEC)

struct span_export {
    struct collector *collector;
    _Atomic(struct config *) next; /* a reference, for the thread to take */
    _Atomic(uint64_t) lost;        /* beside those that a ring dropped */
    /* The thread's. */
    struct config *config;
    CURL *easy;
    struct curl_slist *headers;
    struct buffer body;
    size_t count; /* of spans in `body` */
    usec_t offset, give_up;
    uint64_t reported;
    usec_t reported_at;
    char failure[128]; /* why spans were lost last; "": the queue was full */
};

/* ---- one request ---- */

static size_t ignore_body(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

/* Not 0 ends the transfer: the daemon stops, and its patience with it. */
static int check_time(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total,
                      curl_off_t up_now)
{
    struct span_export *export = ctx;
    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    if (!collector_is_stopping(export->collector))
        return 0;
    usec_t moment = clock_now();
    if (export->give_up == 0)
        export->give_up = moment + LAST_TIME;
    return moment >= export->give_up;
}

static bool prepare(struct span_export *export)
{
    CURL *easy = export->easy = curl_easy_init();
    if (!easy)
        return false;
    export->headers = curl_slist_append(NULL, "Content-Type: application/json");
    int rc = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, export->headers);
    rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    rc |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "gatherd/" GATHERD_VERSION);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
    rc |= curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, 1L << 20);
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, check_time);
    rc |= curl_easy_setopt(easy, CURLOPT_XFERINFODATA, export);
    return rc == CURLE_OK && export->headers;
}

static bool is_worth_another_try(CURLcode rc, long status)
{
    return rc != CURLE_OK || status == 429 || status == 502 || status == 503 || status == 504;
}

/* True when the collector has it. */
static bool post(struct span_export *export, bool *ret_again)
{
    const struct tracing_options *options = &export->config->tracing;
    long status = 0, timeout = (long)((options->timeout + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
    CURL *easy = export->easy;
    int set = curl_easy_setopt(easy, CURLOPT_URL, options->otlp);
    set |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
    set |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, export->body.data);
    set |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) export->body.len);
    CURLcode rc = set == CURLE_OK ? curl_easy_perform(easy) : CURLE_OUT_OF_MEMORY;
    if (rc == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    *ret_again = is_worth_another_try(rc, status);
    if (rc == CURLE_OK && status / 100 == 2)
        return true;
    if (rc != CURLE_OK)
        snprintf(export->failure, sizeof export->failure, "%s", curl_easy_strerror(rc));
    else
        snprintf(export->failure, sizeof export->failure, "the collector answered %ld", status);
    return false;
}

static bool post_patiently(struct span_export *export)
{
    for (unsigned try = 0;; try++) {
        bool again;
        if (post(export, &again))
            return true;
        if (!again || try + 1 == TRIES || collector_is_stopping(export->collector))
            return false;
        usleep((useconds_t)(AGAIN << try));
    }
}

static void send_batch(struct span_export *export)
{
    if (export->count == 0)
        return;
    otlp_end(&export->body);
    if (buffer_status(&export->body) != 0)
        snprintf(export->failure, sizeof export->failure, "no memory");
    else if (export->easy && post_patiently(export))
        export->count = 0;
    atomic_fetch_add(&export->lost, export->count);
    export->count = 0;
    buffer_done(&export->body);
}

/* ---- the thread ---- */

static void take_config(struct span_export *export)
{
    struct config *next = atomic_exchange(&export->next, NULL);
    if (!next)
        return;
    if (export->config)
        send_batch(export);
    config_unref(export->config);
    export->config = next;
}

static bool take_span(void *ctx, const void *data)
{
    struct span_export *export = ctx;
    if (atomic_load_explicit(&export->next, memory_order_relaxed))
        take_config(export);
    if (!export->config->tracing.on)
        return true; /* it was turned off meanwhile */
    if (export->count == 0)
        otlp_begin(&export->body, export->config->tracing.service);
    otlp_put(&export->body, data, export->offset, export->count == 0);
    if (++export->count == BATCH_MAX)
        send_batch(export);
    return true;
}

static void report(struct span_export *export, bool last)
{
    uint64_t dropped = span_export_dropped(export);
    usec_t now = clock_now();
    if (dropped == export->reported || (!last && now < export->reported_at + REPORT_EVERY))
        return;
    log_warning("tracing lost %llu spans: %s", (unsigned long long)(dropped - export->reported),
                export->failure[0] ? export->failure : "the queue was full");
    export->reported = dropped;
    export->reported_at = now;
    export->failure[0] = '\0';
}

static void end(struct span_export *export)
{
    curl_easy_cleanup(export->easy);
    curl_slist_free_all(export->headers);
    export->easy = NULL;
    export->headers = NULL;
}

static void between(void *ctx)
{
    report(ctx, false);
}

static struct collector_times passed(void *ctx, bool last)
{
    struct span_export *export = ctx;
    send_batch(export);
    take_config(export);
    export->offset = clock_epoch_offset();
    report(export, last);
    if (last)
        end(export);
    bool more = span_export_dropped(export) != export->reported;
    return (struct collector_times){
        .idle = more ? REPORT_EVERY : USEC_NEVER,
        .pause = export->config->tracing.interval,
    };
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
    end(export);
    config_unref(atomic_load(&export->next));
    config_unref(export->config);
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
    if (!export->easy && !prepare(export))
        return -ENOMEM;
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

#include "front/spans.h"

#include <string.h>

#include "base/random.h"
#include "core/span.h"

enum { METHOD_MAX = 32, VERSION_MAX = 16 };

static void begin(struct span *span, enum span_kind kind, const struct trace_context *trace)
{
    memset(span, 0, offsetof(struct span, bytes));
    memcpy(span->trace_id, trace->trace_id, sizeof span->trace_id);
    span->kind = kind;
    span->flags = trace->flags;
}

static void put(struct ring *ring, const struct span *span)
{
    (void)ring_put(ring, span, span_size(span));
}

static void put_text(struct span *span, enum span_text text, const char *value, size_t max)
{
    if (value)
        span_put(span, text, value, strlen(value), max);
}

/* ---- calls ---- */

/* Nobody asks the carrier of a call that is cut off how far it came. */
static bool was_tried(const struct outcome *outcome)
{
    switch (outcome->code) {
    case OUTCOME_NONE:
    case OUTCOME_CANCELLED:
    case OUTCOME_DNS_ERROR:
    case OUTCOME_DNS_TIMEOUT:
        return true;
    default:
        return outcome->attempts > 0;
    }
}

static const char *error_of_call(const struct part *part)
{
    if (part->state == PART_OK)
        return NULL;
    return outcome_text(part->state == PART_FAILED ? part->failure : OUTCOME_CANCELLED);
}

/* What TLS has agreed on is not told. */
static const char *version_of(const struct call_spec *spec)
{
    if (spec->http == HTTP_1)
        return "1.1";
    return spec->origin->tls ? NULL : "2";
}

/* Sent more than twice is told as twice; only libcurl does that, on connections that die. */
void spans_leave_call(struct ring *ring, const struct trace_context *trace,
                      const struct call_spec *spec, const struct part *part, usec_t started,
                      usec_t now)
{
    struct span span;
    if (!was_tried(&part->outcome))
        return;
    begin(&span, SPAN_CLIENT, trace);
    span.parent = trace->parent;
    span.tls = spec->origin->tls;
    put_text(&span, SPAN_METHOD, spec->method, METHOD_MAX);
    span_put(&span, SPAN_PATH, spec->target, strcspn(spec->target, "?"), SPAN_PATH_MAX);
    put_text(&span, SPAN_ROUTE, spec->id, SPAN_NAME_MAX);
    put_text(&span, SPAN_AUTHORITY, spec->origin->authority, SPAN_NAME_MAX);
    put_text(&span, SPAN_VERSION, version_of(spec), VERSION_MAX);
    put_text(&span, SPAN_STATE, trace->state, SPAN_STATE_MAX);
    span.started = started;
    if (part->outcome.resent > 0) {
        span.id = random_derive(spec->span, 0);
        span.ended = part->outcome.resent;
        span.error = outcome_text(OUTCOME_CONNECTION_TERMINATED);
        put(ring, &span);
        span.started = part->outcome.resent;
        span.resends = 1;
    }
    span.id = random_derive(spec->span, span.resends);
    span.ended = now;
    span.status = part->outcome.status;
    span.error = error_of_call(part);
    put(ring, &span);
}

/* ---- the request ---- */

static const char *error_of_request(const struct request_span *request)
{
    const struct access_record *record = request->record;
    if (record->status >= 500 && request->failure != OUTCOME_NONE)
        return outcome_text(request->failure);
    if (record->status == 408) /* which the client was told */
        return NULL;
    switch (record->end) {
    case END_CLIENT:
        return outcome_text(OUTCOME_CANCELLED);
    case END_ERROR:
        return outcome_text(OUTCOME_INTERNAL);
    case END_COMPLETE:
        return NULL;
    default:
        return access_end_text(record->end);
    }
}

static void copy(struct span *span, enum span_text to, const struct access_record *record,
                 enum access_text from, size_t max)
{
    size_t len;
    const char *text = access_get(record, from, &len);
    span_put(span, to, text, len, max);
}

void spans_leave_request(struct ring *ring, const struct request_span *request)
{
    const struct access_record *record = request->record;
    struct span span;
    size_t len;
    begin(&span, SPAN_SERVER, request->trace);
    span.id = request->trace->parent;
    span.parent = request->parent;
    span.started = record->started;
    span.ended = record->started + record->duration;
    span.status = record->status == 499 ? 0 : record->status; /* nothing was sent */
    span.error = error_of_request(request);
    span.client = record->client;
    memcpy(span.address, record->address, sizeof span.address);
    copy(&span, SPAN_METHOD, record, ACCESS_METHOD, METHOD_MAX);
    const char *target = access_get(record, ACCESS_TARGET, &len);
    const char *mark = memchr(target, '?', len);
    span_put(&span, SPAN_PATH, target, mark ? (size_t)(mark - target) : len, SPAN_PATH_MAX);
    put_text(&span, SPAN_ROUTE, request->endpoint, SPAN_NAME_MAX);
    copy(&span, SPAN_AUTHORITY, record, ACCESS_HOST, SPAN_NAME_MAX);
    copy(&span, SPAN_USER_AGENT, record, ACCESS_USER_AGENT, SPAN_NAME_MAX);
    const char *version = access_get(record, ACCESS_PROTOCOL, &len);
    if (len > strlen("HTTP/"))
        span_put(&span, SPAN_VERSION, version + strlen("HTTP/"), len - strlen("HTTP/"),
                 VERSION_MAX);
    put_text(&span, SPAN_STATE, request->trace->state, SPAN_STATE_MAX);
    put(ring, &span);
}

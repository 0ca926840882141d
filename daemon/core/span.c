/*
 * OTLP in JSON: ids are hexadecimal, 64-bit numbers are strings, enumerations are numbers,
 * and times are nanoseconds since 1970. Names of attributes are OpenTelemetry's semantic
 * conventions for HTTP; ours begin with "gatherd.".
 */
#include "core/span.h"

#include <inttypes.h>
#include <string.h>

#include "core/trace_context.h"
#include "json/write.h"

enum { STATUS_ERROR = 2 };

void span_put(struct span *span, enum span_text text, const char *data, size_t len, size_t max)
{
    size_t room = sizeof span->bytes - span->used;
    if (len > max)
        len = max;
    if (len > room)
        len = room;
    memcpy(span->bytes + span->used, data, len);
    span->texts[text].at = (unsigned short)span->used;
    span->texts[text].len = (unsigned short)len;
    span->used += len;
}

size_t span_size(const struct span *span)
{
    return offsetof(struct span, bytes) + span->used;
}

/* ---- attributes ---- */

struct attributes {
    struct buffer *out;
    bool any;
};

static void begin_attribute(struct attributes *attributes, const char *key)
{
    buffer_printf(attributes->out, "%s{\"key\":\"%s\",\"value\":{", attributes->any ? "," : "",
                  key);
    attributes->any = true;
}

static void add_text(struct attributes *attributes, const char *key, const char *text, size_t len)
{
    if (len == 0)
        return;
    begin_attribute(attributes, key);
    buffer_string(attributes->out, "\"stringValue\":");
    json_put_string(attributes->out, text, len);
    buffer_string(attributes->out, "}}");
}

static void add_number(struct attributes *attributes, const char *key, uint64_t number)
{
    begin_attribute(attributes, key);
    buffer_printf(attributes->out, "\"intValue\":\"%" PRIu64 "\"}}", number);
}

static void add_own(struct attributes *attributes, const char *key, const struct span *span,
                    enum span_text text)
{
    add_text(attributes, key, span->bytes + span->texts[text].at, span->texts[text].len);
}

static void put_attributes(struct buffer *out, const struct span *span)
{
    struct attributes attributes = {.out = out};
    bool server = span->kind == SPAN_SERVER;
    const char *scheme = span->tls ? "https" : "http";
    add_own(&attributes, "http.request.method", span, SPAN_METHOD);
    add_text(&attributes, "url.scheme", scheme, strlen(scheme));
    add_own(&attributes, "url.path", span, SPAN_PATH);
    add_own(&attributes, server ? "http.route" : "gatherd.request.id", span, SPAN_ROUTE);
    add_own(&attributes, "server.address", span, SPAN_SERVER_ADDRESS);
    if (span->port > 0)
        add_number(&attributes, "server.port", span->port);
    if (span->status > 0)
        add_number(&attributes, "http.response.status_code", span->status);
    if (span->resends > 0)
        add_number(&attributes, "http.request.resend_count", span->resends);
    if (span->error != OUTCOME_NONE) {
        const char *error = outcome_text(span->error);
        add_text(&attributes, "error.type", error, strlen(error));
    }
}

/* "GET /users/{id}": without a route the method alone, so that names stay few. */
static void put_name(struct buffer *out, const struct span *span)
{
    char name[SPAN_NAME_MAX * 2];
    size_t len = span->texts[SPAN_METHOD].len, route = span->texts[SPAN_ROUTE].len;
    memcpy(name, span->bytes + span->texts[SPAN_METHOD].at, len);
    if (route > 0 && span->kind == SPAN_SERVER && len + 1 + route <= sizeof name) {
        name[len++] = ' ';
        memcpy(name + len, span->bytes + span->texts[SPAN_ROUTE].at, route);
        len += route;
    }
    json_put_string(out, name, len);
}

/* ---- the message ---- */

void otlp_begin(struct buffer *out, const char *service)
{
    struct attributes attributes = {.out = out};
    buffer_string(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    add_text(&attributes, "service.name", service, strlen(service));
    add_text(&attributes, "service.version", GATHERD_VERSION, strlen(GATHERD_VERSION));
    buffer_string(
        out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"gatherd\",\"version\":\"" GATHERD_VERSION
             "\"},\"spans\":[");
}

void otlp_put(struct buffer *out, const struct span *span, usec_t offset, bool first)
{
    char trace_id[TRACE_ID_TEXT + 1], id[SPAN_ID_TEXT + 1], parent[SPAN_ID_TEXT + 1] = "";
    trace_id_write(span->trace_id, trace_id);
    span_id_write(span->id, id);
    if (span->parent != 0)
        span_id_write(span->parent, parent);
    buffer_printf(out, "%s{\"traceId\":\"%s\",\"spanId\":\"%s\",", first ? "" : ",", trace_id, id);
    if (parent[0])
        buffer_printf(out, "\"parentSpanId\":\"%s\",", parent);
    buffer_string(out, "\"name\":");
    put_name(out, span);
    buffer_printf(out,
                  ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRIu64
                  "000\",\"endTimeUnixNano\":\"%" PRIu64 "000\",\"attributes\":[",
                  (int)span->kind, span->started + offset, span->ended + offset);
    put_attributes(out, span);
    buffer_string(out, "],\"status\":{");
    if (span->error != OUTCOME_NONE)
        buffer_printf(out, "\"code\":%d", STATUS_ERROR);
    buffer_string(out, "}}");
}

void otlp_end(struct buffer *out)
{
    buffer_string(out, "]}]}]}");
}

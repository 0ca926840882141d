/*
 * OTLP in JSON: ids are hexadecimal, 64-bit numbers are strings, enumerations are numbers,
 * and times are nanoseconds since 1970. Names of attributes are OpenTelemetry's semantic
 * conventions for HTTP; ours begin with "gatherd.".
 */
#include "core/span.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/trace_context.h"
#include "json/utf8.h"
#include "json/write.h"

enum { STATUS_ERROR = 2 };
enum { PARENT_KNOWN = 0x100, PARENT_REMOTE = 0x200 }; /* of `flags`, above those of the trace */

void span_put(struct span *span, enum span_text text, const char *data, size_t len, size_t max)
{
    size_t room = sizeof span->bytes - span->used;
    len = utf8_cut(data, len, max < room ? max : room);
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

/* The methods of RFC 9110 and RFC 5789. Others could be as many as clients like. */
static bool is_known_method(const char *method, size_t len)
{
    static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == len && memcmp(known[i], method, len) == 0)
            return true;
    return false;
}

static void add_method(struct attributes *attributes, const struct span *span)
{
    const char *method = span->bytes + span->texts[SPAN_METHOD].at;
    size_t len = span->texts[SPAN_METHOD].len;
    bool known = is_known_method(method, len);
    add_text(attributes, "http.request.method", known ? method : "_OTHER",
             known ? len : strlen("_OTHER"));
    if (!known)
        add_text(attributes, "http.request.method_original", method, len);
}

static void add_server(struct attributes *attributes, const struct span *span)
{
    const char *host = span->bytes + span->texts[SPAN_AUTHORITY].at;
    const char *end = host + span->texts[SPAN_AUTHORITY].len;
    const char *stop = end;
    unsigned port = span->tls ? 443 : 80, written = 0;
    while (stop > host && stop[-1] >= '0' && stop[-1] <= '9')
        stop--;
    bool has_port = stop > host && stop[-1] == ':' && end - stop <= 5;
    for (const char *digit = stop; has_port && digit < end; digit++)
        written = written * 10 + (unsigned)(*digit - '0');
    if (has_port)
        end = stop - 1;
    if (end - host > 2 && host[0] == '[' && end[-1] == ']') {
        host++;
        end--;
    }
    if (end == host)
        return;
    add_text(attributes, "server.address", host, (size_t)(end - host));
    add_number(attributes, "server.port", written > 0 ? written : port);
}

/* Without the query, which may hold what is nobody's business. */
static void add_url(struct attributes *attributes, const struct span *span)
{
    scope_buffer struct buffer url;
    buffer_init(&url, SPAN_BYTES_MAX);
    buffer_string(&url, span->tls ? "https://" : "http://");
    buffer_append(&url, span->bytes + span->texts[SPAN_AUTHORITY].at,
                  span->texts[SPAN_AUTHORITY].len);
    buffer_append(&url, span->bytes + span->texts[SPAN_PATH].at, span->texts[SPAN_PATH].len);
    if (buffer_status(&url) == 0)
        add_text(attributes, "url.full", url.data, url.len);
}

static void add_error(struct attributes *attributes, const struct span *span)
{
    char status[16];
    const char *error = span->error ? span->error : status;
    snprintf(status, sizeof status, "%u", span->status);
    add_text(attributes, "error.type", error, strlen(error));
}

static bool has_failed(const struct span *span)
{
    return span->error || (span->kind == SPAN_SERVER && span->status >= 500);
}

static void put_request(struct attributes *attributes, const struct span *span)
{
    char address[ACCESS_ADDRESS_TEXT];
    const char *scheme = span->tls ? "https" : "http";
    add_text(attributes, "url.scheme", scheme, strlen(scheme));
    add_own(attributes, "url.path", span, SPAN_PATH);
    add_own(attributes, "http.route", span, SPAN_ROUTE);
    add_own(attributes, "user_agent.original", span, SPAN_USER_AGENT);
    if (span->client == CLIENT_IPV4 || span->client == CLIENT_IPV6) {
        access_address_write(span->client, span->address, address);
        add_text(attributes, "client.address", address, strlen(address));
    }
}

static void put_attributes(struct buffer *out, const struct span *span)
{
    struct attributes attributes = {.out = out};
    add_method(&attributes, span);
    if (span->kind == SPAN_SERVER) {
        put_request(&attributes, span);
    } else {
        add_url(&attributes, span);
        add_own(&attributes, "gatherd.request.id", span, SPAN_ROUTE);
    }
    add_server(&attributes, span);
    add_own(&attributes, "network.protocol.version", span, SPAN_VERSION);
    if (span->status > 0)
        add_number(&attributes, "http.response.status_code", span->status);
    if (span->resends > 0)
        add_number(&attributes, "http.request.resend_count", span->resends);
    if (has_failed(span))
        add_error(&attributes, span);
}

/* "GET /users/{id}": without a route the method alone, so that names stay few. */
static void put_name(struct buffer *out, const struct span *span)
{
    char name[SPAN_NAME_MAX * 2];
    const char *method = span->bytes + span->texts[SPAN_METHOD].at;
    size_t len = span->texts[SPAN_METHOD].len, route = span->texts[SPAN_ROUTE].len;
    if (!is_known_method(method, len)) {
        method = "HTTP";
        len = strlen(method);
    }
    memcpy(name, method, len);
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
    unsigned flags = span->flags | PARENT_KNOWN;
    char trace_id[TRACE_ID_TEXT + 1], id[SPAN_ID_TEXT + 1], parent[SPAN_ID_TEXT + 1] = "";
    trace_id_write(span->trace_id, trace_id);
    span_id_write(span->id, id);
    if (span->parent != 0)
        span_id_write(span->parent, parent);
    if (span->parent != 0 && span->kind == SPAN_SERVER)
        flags |= PARENT_REMOTE;
    buffer_printf(out, "%s{\"traceId\":\"%s\",\"spanId\":\"%s\",", first ? "" : ",", trace_id, id);
    if (parent[0])
        buffer_printf(out, "\"parentSpanId\":\"%s\",", parent);
    if (span->texts[SPAN_STATE].len > 0) {
        buffer_string(out, "\"traceState\":");
        json_put_string(out, span->bytes + span->texts[SPAN_STATE].at, span->texts[SPAN_STATE].len);
        buffer_string(out, ",");
    }
    buffer_string(out, "\"name\":");
    put_name(out, span);
    buffer_printf(out,
                  ",\"flags\":%u,\"kind\":%d,\"startTimeUnixNano\":\"%" PRIu64
                  "000\",\"endTimeUnixNano\":\"%" PRIu64 "000\",\"attributes\":[",
                  flags, (int)span->kind, span->started + offset, span->ended + offset);
    put_attributes(out, span);
    buffer_string(out, "],\"status\":{");
    if (has_failed(span))
        buffer_printf(out, "\"code\":%d", STATUS_ERROR);
    buffer_string(out, "}}");
}

void otlp_end(struct buffer *out)
{
    buffer_string(out, "]}]}]}");
}

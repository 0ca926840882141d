/*
 * In the order libcurl writes them, so that both carriers look the same to an
 * upstream. Whatever the fields hold was checked when the call was planned.
 */
#include "back/request_head.h"

#include <string.h>

#include "base/random.h"
#include "core/decimal.h"

static void put_number(struct buffer *out, const char *name, unsigned long long number)
{
    buffer_string(out, name);
    buffer_append(out, ": ", 2);
    decimal_put(out, number);
    buffer_append(out, "\r\n", 2);
}

/* RFC 9110 8.6: a method that expects content says so even when there is none. */
static bool expects_content(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

static void put_time(const struct call_spec *spec, usec_t deadline, struct buffer *out)
{
    if (!spec->timeout_header || !spec->timeout_header[0] || deadline == USEC_NEVER)
        return;
    usec_t now = clock_now();
    put_number(out, spec->timeout_header, deadline > now ? (deadline - now) / USEC_PER_MSEC : 0);
}

static void put_trace(const struct call_spec *spec, unsigned sent, struct buffer *out)
{
    char value[TRACEPARENT_TEXT + 1];
    trace_parent_write(spec->trace, random_derive(spec->span, sent), value);
    header_put(out, "traceparent", value);
}

void request_head_write(const struct call_spec *spec, usec_t deadline, unsigned sent,
                        struct buffer *out)
{
    static const char version[] = " HTTP/1.1\r\nHost: ";
    buffer_string(out, spec->method);
    buffer_byte(out, ' ');
    buffer_string(out, spec->target);
    buffer_append(out, version, sizeof version - 1);
    buffer_string(out, spec->origin->authority);
    buffer_append(out, "\r\n", 2);
    if (spec->decode)
        header_put(out, "Accept-Encoding", "gzip, deflate");
    put_time(spec, deadline, out);
    if (spec->trace)
        put_trace(spec, sent, out);
    if (spec->lines)
        buffer_append(out, spec->lines, spec->lines_len);
    else
        header_put_all(out, &spec->headers);
    if (spec->has_body || expects_content(spec->method))
        put_number(out, "Content-Length", spec->has_body ? spec->body_len : 0);
    buffer_append(out, "\r\n", 2);
}

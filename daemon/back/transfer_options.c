/*
 * Handles are recycled without curl_easy_reset(): what every call sets is listed
 * in transfer_options_call(), and nothing else may be set per call.
 *
 * The header list is made of nodes and one block of text that the handle owns;
 * libcurl reads it when it builds the request and copies nothing. So the time
 * that remains is written in place just before the request goes out.
 *
 * The request target goes through CURLOPT_REQUEST_TARGET as it is; the CURLU
 * holds the origin alone, is parsed once per lane, and saves a fifth of libcurl's
 * work per call. CONNECT_TO pins the address (and is part of what a reused
 * connection must match); CURLOPT_RESOLVE would change a cache that calls share.
 */
#include "back/transfer_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

enum { ADDED_LINES = 5, MSEC_DIGITS = 20 };

static const struct {
    CURLoption option;
    long value;
} fixed[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_HTTP09_ALLOWED, 0},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
    {CURLOPT_PATH_AS_IS, 1},
    {CURLOPT_TCP_NODELAY, 1},
    {CURLOPT_MAXAGE_CONN, 50},
    {CURLOPT_MAXLIFETIME_CONN, 300},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
};

bool transfer_options_fixed(struct handle *handle, const struct transfer_callbacks *callbacks)
{
    CURL *easy = handle->easy;
    int rc = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        rc |= curl_easy_setopt(easy, fixed[i].option, fixed[i].value);
    /* Neither environment nor home directory may lead a call elsewhere. */
    rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    rc |= curl_easy_setopt(easy, CURLOPT_PRIVATE, handle);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, callbacks->header);
    rc |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, handle);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, callbacks->body);
    rc |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, handle);
    rc |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, callbacks->ready);
    rc |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, handle);
    return rc == CURLE_OK;
}

/* ---- header list ---- */

static bool tells_time(const struct call_spec *spec, usec_t deadline)
{
    return spec->timeout_header && spec->timeout_header[0] && deadline != USEC_NEVER;
}

static void make_room(struct handle *handle, const struct call_spec *spec)
{
    size_t lines = spec->headers.count + ADDED_LINES;
    size_t text = sizeof ": " + MSEC_DIGITS;
    text += spec->timeout_header ? strlen(spec->timeout_header) : 0;
    for (size_t i = 0; i < spec->headers.count; i++)
        text += strlen(spec->headers.items[i].name) + strlen(spec->headers.items[i].value) +
                sizeof ": ";
    if (lines > handle->header_room) {
        handle->header_nodes =
            mem_resize(handle->header_nodes, lines, sizeof *handle->header_nodes);
        handle->header_room = lines;
    }
    if (text > handle->text_room) {
        handle->header_text = mem_resize(handle->header_text, text, 1);
        handle->text_room = text;
    }
}

/* libcurl only reads the line. */
static void add_line(struct handle *handle, size_t *count, const char *line)
{
    handle->header_nodes[*count] = (struct curl_slist){.data = (char *)line};
    if (*count > 0)
        handle->header_nodes[*count - 1].next = &handle->header_nodes[*count];
    (*count)++;
}

/* RFC 9110 8.6: a method that expects content says so even when there is none. */
static bool sends_content(const struct call_spec *spec)
{
    return spec->has_body || strcmp(spec->method, "POST") == 0 ||
           strcmp(spec->method, "PUT") == 0 || strcmp(spec->method, "PATCH") == 0;
}

/* A name with a colon alone keeps libcurl from sending its own. */
static void suppress(struct handle *handle, size_t *count, const struct call_spec *spec,
                     const char *name, const char *line)
{
    if (!header_get(&spec->headers, name))
        add_line(handle, count, line);
}

static void write_time(struct handle *handle, const struct call_spec *spec, usec_t deadline)
{
    if (!tells_time(spec, deadline))
        return;
    usec_t now = clock_now();
    usec_t left = deadline > now ? (deadline - now) / USEC_PER_MSEC : 0;
    int len = snprintf(handle->header_text, handle->text_room, "%s: %" PRIu64, spec->timeout_header,
                       left);
    assert(len > 0 && (size_t)len < handle->text_room);
}

/* `sent`: how often before. */
static void write_trace(struct handle *handle, const struct call_spec *spec, unsigned sent)
{
    static const char name[] = "traceparent: ";
    if (!spec->trace)
        return;
    memcpy(handle->trace_text, name, sizeof name);
    trace_parent_write(spec->trace, random_derive(spec->span, sent),
                       handle->trace_text + sizeof name - 1);
}

/* The line with the time comes first in the text, so that it can be found again. */
static struct curl_slist *build_headers(struct handle *handle, const struct call_spec *spec,
                                        usec_t deadline)
{
    size_t count = 0;
    make_room(handle, spec);
    char *text = handle->header_text;
    if (tells_time(spec, deadline)) {
        write_time(handle, spec, deadline);
        add_line(handle, &count, text);
        text += strlen(spec->timeout_header) + sizeof ": " + MSEC_DIGITS;
    }
    handle->sent = 0;
    handle->resent = 0;
    write_trace(handle, spec, 0);
    if (spec->trace)
        add_line(handle, &count, handle->trace_text);
    for (size_t i = 0; i < spec->headers.count; i++) {
        const struct header *header = &spec->headers.items[i];
        const char *format = header->value[0] ? "%s: %s" : "%s;"; /* libcurl's way to send "" */
        add_line(handle, &count, text);
        size_t room = handle->text_room - (size_t)(text - handle->header_text);
        int len = snprintf(text, room, format, header->name, header->value);
        assert(len > 0 && (size_t)len < room);
        text += len + 1;
    }
    suppress(handle, &count, spec, "Accept", "Accept:");
    if (sends_content(spec)) {
        suppress(handle, &count, spec, "Content-Type", "Content-Type:");
        suppress(handle, &count, spec, "Expect", "Expect:");
    }
    return count > 0 ? handle->header_nodes : NULL;
}

void transfer_options_refresh(struct handle *handle, const struct call_spec *spec, usec_t deadline)
{
    write_time(handle, spec, deadline);
    write_trace(handle, spec, handle->sent);
    if (handle->sent++ > 0)
        handle->resent = clock_now();
}

/* ---- the call ---- */

static int set_method(CURL *easy, const struct call_spec *spec)
{
    const char *custom = NULL; /* NULL: the method that the options below stand for */
    int rc = 0;
    if (strcmp(spec->method, "HEAD") == 0) {
        rc |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (sends_content(spec)) {
        custom = strcmp(spec->method, "POST") == 0 ? NULL : spec->method;
        size_t len = spec->has_body ? spec->body_len : 0;
        rc |= curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
        rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, len > 0 ? spec->body : "");
    } else {
        custom = strcmp(spec->method, "GET") == 0 ? NULL : spec->method;
        rc |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    rc |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, custom);
    return rc;
}

struct curl_slist *transfer_options_pin(struct handle *handle, const struct origin *origin,
                                        const char *address)
{
    if (strcmp(origin->host, address) == 0)
        return NULL; /* a literal is pinned to itself */
    bool six = strchr(address, ':') != NULL;
    int len = snprintf(handle->pin_text, sizeof handle->pin_text, six ? "::[%s]:%u" : "::%s:%u",
                       address, (unsigned)origin->port);
    assert(len > 0 && (size_t)len < sizeof handle->pin_text);
    handle->pin = (struct curl_slist){.data = handle->pin_text};
    return &handle->pin;
}

bool transfer_options_join(struct handle *handle, bool joins)
{
    long version = joins ? CURL_HTTP_VERSION_2_0 : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    int rc = curl_easy_setopt(handle->easy, CURLOPT_HTTP_VERSION, version);
    rc |= curl_easy_setopt(handle->easy, CURLOPT_FRESH_CONNECT, joins ? 0L : 1L);
    return rc == CURLE_OK;
}

bool transfer_options_call(struct handle *handle, const struct call_spec *spec, const char *address,
                           usec_t deadline, bool shared)
{
    CURL *easy = handle->easy;
    int rc = set_method(easy, spec);
    /* libcurl resends by itself when a kept-alive connection dies under a request; on a
     * new connection it does not. Where connections are shared, transfer.c sees to it. */
    bool fresh = !shared && !header_method_idempotent(spec->method);
    rc |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, spec->target);
    rc |= curl_easy_setopt(easy, CURLOPT_CONNECT_TO,
                           transfer_options_pin(handle, spec->origin, address));
    rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, build_headers(handle, spec, deadline));
    rc |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, spec->decode ? "gzip, deflate" : NULL);
    return rc == CURLE_OK;
}

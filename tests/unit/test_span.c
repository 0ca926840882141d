/* Spans as a collector reads them. The process tests hold them against the schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/span.h"
#include "json/validate.h"

static void put(struct span *span, enum span_text text, const char *value)
{
    span_put(span, text, value, strlen(value), SPAN_PATH_MAX);
}

static char *written(const struct span *span, struct buffer *out)
{
    buffer_init(out, 1 << 16);
    otlp_begin(out, "a \"service\"");
    otlp_put(out, span, 1000, true);
    otlp_put(out, span, 1000, false);
    otlp_end(out);
    assert_int_equal(json_validate(out->data, out->len, 32).fault, JSON_VALID);
    buffer_byte(out, '\0');
    return out->data;
}

static void writes_a_call(void **state)
{
    (void)state;
    scope_buffer struct buffer out;
    struct span span = {
        .trace_id = {0x4b, [15] = 0x36},
        .id = 0xff,
        .parent = 1,
        .started = 5,
        .ended = 18446744073708,
        .kind = SPAN_CLIENT,
        .status = 503,
        .error = "upstream_status",
        .flags = 3,
        .resends = 1,
        .tls = true,
    };
    put(&span, SPAN_METHOD, "GET");
    put(&span, SPAN_PATH, "/\"a\"");
    put(&span, SPAN_ROUTE, "user");
    put(&span, SPAN_AUTHORITY, "shop.internal:8443");
    put(&span, SPAN_VERSION, "2");
    put(&span, SPAN_STATE, "a=1,b=\"2");
    const char *text = written(&span, &out);
    static const char *const parts[] = {
        "\"stringValue\":\"a \\\"service\\\"\"",
        "\"traceId\":\"4b000000000000000000000000000036\",\"spanId\":\"00000000000000ff\","
        "\"parentSpanId\":\"0000000000000001\",\"traceState\":\"a=1,b=\\\"2\",\"name\":\"GET\","
        "\"flags\":259,\"kind\":3,"
        "\"startTimeUnixNano\":\"1005000\",\"endTimeUnixNano\":\"18446744074708000\"",
        "{\"key\":\"url.full\",\"value\":{\"stringValue\":\"https://shop.internal:8443/"
        "\\\"a\\\"\"}}",
        "{\"key\":\"server.address\",\"value\":{\"stringValue\":\"shop.internal\"}}",
        "{\"key\":\"network.protocol.version\",\"value\":{\"stringValue\":\"2\"}}",
        "{\"key\":\"server.port\",\"value\":{\"intValue\":\"8443\"}}",
        "{\"key\":\"http.request.resend_count\",\"value\":{\"intValue\":\"1\"}}",
        "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"upstream_status\"}}",
        "\"status\":{\"code\":2}",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(text, parts[i]))
            print_error("%s\nis not in\n%s\n", parts[i], text);
        assert_non_null(strstr(text, parts[i]));
    }
}

static void writes_a_request(void **state)
{
    (void)state;
    scope_buffer struct buffer out;
    struct span span = {.id = 7, .kind = SPAN_SERVER, .status = 200};
    put(&span, SPAN_METHOD, "GET");
    put(&span, SPAN_ROUTE, "/users/{id}");
    const char *text = written(&span, &out);
    assert_non_null(strstr(text, "\"name\":\"GET /users/{id}\",\"flags\":256,\"kind\":2"));
    assert_non_null(strstr(text, "{\"key\":\"http.route\""));
    assert_non_null(strstr(text, "\"status\":{}"));
    assert_null(strstr(text, "parentSpanId"));
    assert_null(strstr(text, "error.type"));
    assert_null(strstr(text, "server.address"));
    assert_null(strstr(text, "traceState"));
    assert_null(strstr(text, "client.address"));
}

static void expect_server(const char *authority, bool tls, const char *address, unsigned port)
{
    char wanted[256];
    scope_buffer struct buffer out;
    struct span span = {.id = 7, .kind = SPAN_SERVER, .status = 200, .tls = tls};
    put(&span, SPAN_AUTHORITY, authority);
    snprintf(wanted, sizeof wanted,
             "{\"key\":\"server.address\",\"value\":{\"stringValue\":\"%s\"}},"
             "{\"key\":\"server.port\",\"value\":{\"intValue\":\"%u\"}}",
             address, port);
    const char *text = written(&span, &out);
    if (!strstr(text, wanted))
        print_error("%s\nis not in\n%s\n", wanted, text);
    assert_non_null(strstr(text, wanted));
}

static void takes_a_host_apart(void **state)
{
    (void)state;
    expect_server("shop", false, "shop", 80);
    expect_server("shop", true, "shop", 443);
    expect_server("shop:8080", false, "shop", 8080);
    expect_server("shop:", false, "shop", 80);
    expect_server("10.0.0.1", false, "10.0.0.1", 80);
    expect_server("[::1]:81", false, "::1", 81);
    expect_server("[2001:db8::1]", true, "2001:db8::1", 443);
    expect_server("a:999999", false, "a:999999", 80);
    expect_server("[", false, "[", 80);
    scope_buffer struct buffer out;
    struct span span = {.id = 7, .kind = SPAN_SERVER};
    put(&span, SPAN_AUTHORITY, ":80");
    assert_null(strstr(written(&span, &out), "server.address"));
}

static void hides_methods_that_nobody_knows(void **state)
{
    (void)state;
    scope_buffer struct buffer out;
    struct span span = {.id = 7, .kind = SPAN_SERVER, .status = 405};
    put(&span, SPAN_METHOD, "get");
    put(&span, SPAN_ROUTE, "/x");
    const char *text = written(&span, &out);
    assert_non_null(strstr(text, "\"name\":\"HTTP /x\""));
    assert_non_null(strstr(text, "{\"key\":\"http.request.method\",\"value\":{\"stringValue\":"
                                 "\"_OTHER\"}},{\"key\":\"http.request.method_original\","
                                 "\"value\":{\"stringValue\":\"get\"}}"));
}

static void a_servers_500_is_an_error(void **state)
{
    (void)state;
    scope_buffer struct buffer out;
    struct span span = {.id = 7, .parent = 9, .kind = SPAN_SERVER, .status = 503};
    span.client = CLIENT_IPV6;
    span.address[15] = 1;
    const char *text = written(&span, &out);
    assert_non_null(strstr(text, "\"flags\":768")); /* its parent is known, and another process's */
    assert_non_null(
        strstr(text, "{\"key\":\"client.address\",\"value\":{\"stringValue\":\"::1\"}}"));
    assert_non_null(strstr(text, "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"503\"}}"));
    assert_non_null(strstr(text, "\"status\":{\"code\":2}"));
}

static void texts_are_cut_to_their_room(void **state)
{
    (void)state;
    scope_buffer struct buffer out;
    struct span span = {.id = 7, .kind = SPAN_SERVER};
    char text[3000];
    memset(text, 'x', sizeof text);
    span_put(&span, SPAN_METHOD, text, sizeof text, 32);
    span_put(&span, SPAN_PATH, text, sizeof text, SPAN_PATH_MAX);
    span_put(&span, SPAN_ROUTE, text, sizeof text, SPAN_NAME_MAX);
    span_put(&span, SPAN_AUTHORITY, text, sizeof text, sizeof text);
    assert_int_equal(span.used, SPAN_BYTES_MAX);
    assert_int_equal(span_size(&span), offsetof(struct span, bytes) + SPAN_BYTES_MAX);
    written(&span, &out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_call),
        cmocka_unit_test(writes_a_request),
        cmocka_unit_test(takes_a_host_apart),
        cmocka_unit_test(hides_methods_that_nobody_knows),
        cmocka_unit_test(a_servers_500_is_an_error),
        cmocka_unit_test(texts_are_cut_to_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

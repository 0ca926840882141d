/* Spans as a collector reads them. The process tests hold them against the schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
        .error = OUTCOME_UPSTREAM_STATUS,
        .port = 8443,
        .resends = 1,
        .tls = true,
    };
    put(&span, SPAN_METHOD, "GET");
    put(&span, SPAN_PATH, "/\"a\"");
    put(&span, SPAN_ROUTE, "user");
    put(&span, SPAN_SERVER_ADDRESS, "shop.internal");
    const char *text = written(&span, &out);
    static const char *const parts[] = {
        "\"stringValue\":\"a \\\"service\\\"\"",
        "\"traceId\":\"4b000000000000000000000000000036\",\"spanId\":\"00000000000000ff\","
        "\"parentSpanId\":\"0000000000000001\",\"name\":\"GET\",\"kind\":3,"
        "\"startTimeUnixNano\":\"1005000\",\"endTimeUnixNano\":\"18446744074708000\"",
        "{\"key\":\"url.scheme\",\"value\":{\"stringValue\":\"https\"}}",
        "{\"key\":\"url.path\",\"value\":{\"stringValue\":\"/\\\"a\\\"\"}}",
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
    assert_non_null(strstr(text, "\"name\":\"GET /users/{id}\",\"kind\":2"));
    assert_non_null(strstr(text, "{\"key\":\"http.route\""));
    assert_non_null(strstr(text, "\"status\":{}"));
    assert_null(strstr(text, "parentSpanId"));
    assert_null(strstr(text, "error.type"));
    assert_null(strstr(text, "server.address"));
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
    span_put(&span, SPAN_SERVER_ADDRESS, text, sizeof text, sizeof text);
    assert_int_equal(span.used, SPAN_BYTES_MAX);
    assert_int_equal(span_size(&span), offsetof(struct span, bytes) + SPAN_BYTES_MAX);
    written(&span, &out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_call),
        cmocka_unit_test(writes_a_request),
        cmocka_unit_test(texts_are_cut_to_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Lines of the access log: both forms, hostile values, and what a format may not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/access_format.h"
#include "json/validate.h"

static void put(struct access_record *record, enum access_text text, const char *value)
{
    access_put(record, text, value, strlen(value), ACCESS_TARGET_MAX);
}

static struct access_record sample(void)
{
    struct access_record record = {
        .started = 1500,
        .duration = 4278,
        .read = 78,
        .work = 4000,
        .received = 12,
        .upstream_status = 503,
        .bytes = 1473,
        .slowest = 2704,
        .status = 200,
        .total = 3,
        .ok = 2,
        .failed = 1,
        .client = CLIENT_IPV4,
        .address = {192, 0, 2, 1},
        .traced = true,
        .trace_id = {0x4b, 0xf9},
    };
    put(&record, ACCESS_REQUEST_ID, "abc-1");
    put(&record, ACCESS_METHOD, "GET");
    put(&record, ACCESS_TARGET, "/posts/7/page");
    put(&record, ACCESS_ENDPOINT, "/posts/{id}/page");
    put(&record, ACCESS_PART, "comments");
    put(&record, ACCESS_UPSTREAM, "shop");
    put(&record, ACCESS_PROTOCOL, "HTTP/1.1");
    put(&record, ACCESS_HOST, "shop.test:8080");
    put(&record, ACCESS_USER_AGENT, "curl/8 \"x\"");
    put(&record, ACCESS_REFERER, "http://a/b");
    return record;
}

static void expect_line(const char *format, const struct access_record *record, const char *line)
{
    struct faults faults;
    scope_arena struct arena *arena = arena_new();
    scope_buffer struct buffer out;
    faults_init(&faults, arena, 4);
    buffer_init(&out, 1 << 16);
    const struct access_format *compiled = access_format_compile(arena, format, NULL, &faults);
    assert_non_null(compiled);
    access_format_write(compiled, record, 1700000000 * USEC_PER_SEC, &out);
    buffer_byte(&out, '\0');
    assert_string_equal(out.data, line);
}

static void writes_json(void **state)
{
    (void)state;
    struct access_record record = sample();
    expect_line(
        "json", &record,
        "{\"time\":\"2023-11-14T22:13:20.001500Z\",\"requestId\":\"abc-1\","
        "\"client\":\"192.0.2.1\",\"method\":\"GET\",\"target\":\"/posts/7/page\","
        "\"protocol\":\"HTTP/1.1\","
        "\"host\":\"shop.test:8080\",\"userAgent\":\"curl/8 \\\"x\\\"\","
        "\"referer\":\"http://a/b\",\"received\":12,\"endpoint\":\"/posts/{id}/"
        "page\",\"status\":200,\"end\":\"complete\",\"bytes\":1473,"
        "\"durationUs\":4278,\"readUs\":78,\"workUs\":4000,\"parts\":3,\"ok\":2,\"failed\":1,"
        "\"slowest\":\"comments\","
        "\"upstream\":\"shop\",\"upstreamStatus\":503,\"slowestMs\":2.704,"
        "\"traceId\":\"4bf90000000000000000000000000000\"}\n");
    record = (struct access_record){.status = 400, .end = END_CLIENT, .client = CLIENT_UNIX};
    expect_line(
        "json", &record,
        "{\"time\":\"2023-11-14T22:13:20.000000Z\",\"requestId\":null,"
        "\"client\":\"unix\",\"method\":null,\"target\":null,\"protocol\":null,"
        "\"host\":null,\"userAgent\":null,\"referer\":null,\"received\":0,\"endpoint\":null,"
        "\"status\":400,\"end\":\"client\",\"bytes\":0,\"durationUs\":0,\"readUs\":0,"
        "\"workUs\":0,\"parts\":0,\"ok\":"
        "0,\"failed\":0,"
        "\"slowest\":null,\"upstream\":null,\"upstreamStatus\":null,\"slowestMs\":null,\"traceId\":"
        "null}\n");
}

static void writes_what_a_format_says(void **state)
{
    (void)state;
    struct access_record record = sample();
    expect_line("%{status}", &record, "200\n");
    expect_line("%%%{status}%%{status}%%", &record, "%200%{status}%\n");
    expect_line("[%{time}] \"%{method} %{target}\" %{slowest}@%{upstream} %{slowestMs} ms", &record,
                "[2023-11-14T22:13:20.001500Z] \"GET /posts/7/page\" comments@shop 2.704 ms\n");
    record.client = CLIENT_IPV6;
    memcpy(record.address, (unsigned char[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 16);
    expect_line("%{client} %{parts}/%{ok}/%{failed}", &record, "2001:db8::1 3/2/1\n");
    record = (struct access_record){.status = 408};
    expect_line("%{client} %{target} %{slowestMs} %{traceId} %{upstreamStatus}", &record,
                "- - - - -\n");
}

static void hostile_values_stay_in_their_place(void **state)
{
    (void)state;
    struct access_record record = {.status = 200};
    put(&record, ACCESS_TARGET, "/\"\\\n\r\x01\x7f\xff ok");
    expect_line("\"%{target}\"", &record, "\"/\\x22\\x5C\\x0A\\x0D\\x01\\x7F\\xFF ok\"\n");
    expect_line("%{target} \"%{target}\" %{target}", &record,
                "/\\x22\\x5C\\x0A\\x0D\\x01\\x7F\\xFF\\x20ok "
                "\"/\\x22\\x5C\\x0A\\x0D\\x01\\x7F\\xFF ok\" "
                "/\\x22\\x5C\\x0A\\x0D\\x01\\x7F\\xFF\\x20ok\n");
    struct faults faults;
    scope_arena struct arena *arena = arena_new();
    scope_buffer struct buffer out;
    faults_init(&faults, arena, 4);
    buffer_init(&out, 1 << 16);
    access_format_write(access_format_compile(arena, "json", NULL, &faults), &record, 0, &out);
    assert_int_equal(json_validate(out.data, out.len, 8).fault, JSON_VALID);
    assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
}

static void texts_are_cut_to_their_room(void **state)
{
    (void)state;
    struct access_record record = {.status = 200};
    char text[2000];
    size_t len;
    memset(text, 'x', sizeof text);
    access_put(&record, ACCESS_TARGET, text, sizeof text, ACCESS_TARGET_MAX);
    access_get(&record, ACCESS_TARGET, &len);
    assert_int_equal(len, ACCESS_TARGET_MAX);
    access_put(&record, ACCESS_ENDPOINT, text, sizeof text, sizeof text);
    access_get(&record, ACCESS_ENDPOINT, &len);
    assert_int_equal(len, ACCESS_BYTES_MAX - ACCESS_TARGET_MAX);
    assert_int_equal(access_record_size(&record),
                     offsetof(struct access_record, bytes_of_texts) + ACCESS_BYTES_MAX);
    access_put(&record, ACCESS_PART, "a", 1, 1);
    access_get(&record, ACCESS_PART, &len);
    assert_int_equal(len, 0);
}

static void cuts_between_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t max, len;
    } cases[] = {
        {"abc", 3, 3},
        {"abc", 2, 2},
        {"a\xC3\xA9", 2, 1},
        {"\xE2\x82\xAC", 2, 0},
        {"\xE2\x82\xAC!", 3, 3},
        {"a\xF0\x9F\x98\x80", 4, 1},
        {"a\xF0\x9F\x98\x80", 3, 1},
        {"\x80\x80\x80\x80\x80\x80", 5, 5}, /* is none */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct access_record record = {.status = 200};
        size_t len;
        access_put(&record, ACCESS_TARGET, cases[i].text, strlen(cases[i].text), cases[i].max);
        access_get(&record, ACCESS_TARGET, &len);
        assert_int_equal(len, cases[i].len);
    }
}

static void shows_any_field(void **state)
{
    (void)state;
    struct faults faults;
    scope_arena struct arena *arena = arena_new();
    scope_buffer struct buffer out;
    struct access_record record = {.status = 200};
    faults_init(&faults, arena, 4);
    buffer_init(&out, 1 << 16);
    const struct access_format *format = access_format_compile(
        arena, "%{header:X-A} \"%{header:Via}\" %{header:x-a} %{userAgent}", NULL, &faults);
    const struct access_shown *shown = access_format_shown(format);
    assert_int_equal(shown->count, 2);
    assert_string_equal(shown->names[0], "X-A");
    assert_string_equal(shown->names[1], "Via");
    assert_true(shown->user_agent && !shown->host && !shown->referer);
    put(&record, ACCESS_HEADERS, "a b");
    put(&record, ACCESS_HEADERS + 1, "1.1 \"x");
    access_format_write(format, &record, 0, &out); /* as another format has left it */
    record.format = shown->format;
    access_format_write(format, &record, 0, &out);
    buffer_byte(&out, '\0');
    assert_string_equal(out.data, "- \"-\" - -\na\\x20b \"1.1 \\x22x\" a\\x20b -\n");
    assert_true(access_format_shown(access_format_compile(arena, "json", NULL, &faults))->referer);
}

static void refuses_formats(void **state)
{
    (void)state;
    static const struct {
        const char *format, *part;
    } cases[] = {
        {"plain", "must be \"json\" or have a field"},
        {"%", "begins a field"},
        {"%{status", "begins a field"},
        {"%d", "begins a field"},
        {"%{statos}", "did you mean %{status}?"},
        {"%{}", "there is no field %{}"},
        {"%{status}\n", "control characters"},
        {"%{header:}", "not the name of a header field"},
        {"%{header:a b}", "not the name of a header field"},
        {"%{header:1}%{header:2}%{header:3}%{header:4}%{header:5}%{header:6}%{header:7}%{header:8}"
         "%{header:1}%{header:9}",
         "at most 8 header fields"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct faults faults;
        scope_arena struct arena *arena = arena_new();
        struct node *node = node_add(arena, NULL, NODE_STRING);
        faults_init(&faults, arena, 4);
        assert_null(access_format_compile(arena, cases[i].format, node, &faults));
        assert_int_equal(faults.count, 1);
        assert_non_null(strstr(faults.first->text, cases[i].part));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_json),
        cmocka_unit_test(writes_what_a_format_says),
        cmocka_unit_test(hostile_values_stay_in_their_place),
        cmocka_unit_test(texts_are_cut_to_their_room),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(shows_any_field),
        cmocka_unit_test(refuses_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Filling texts and JSON, and the values that fill them. */
#include "core/fill.h"
#include "unit/job_fixture.h"

static const struct expression_scope strict = {.responses = true, .client = true, .item = "item"};
static const struct expression_scope lenient = {.responses = true, .item = "item", .lenient = true};

/* Item: what is filled in; the client sent a query and a body; request 0 answered. */
struct filling {
    struct fixture base;
    struct inbound inbound;
    struct values values;
};

static int set_up(void **state)
{
    static struct filling filling;
    fixture_prepare(&filling.base, MERGE_KEYED, POLICY_ALL, 2);
    fixture_begin(&filling.base);
    filling.inbound =
        (struct inbound){.query = "q=a%20b", .body = " {\"n\":1.50} ", .body_len = 12};
    header_add(filling.base.arena, &filling.inbound.headers, "X-Own", "va\"lue");
    values_init(&filling.values, &filling.inbound, 64, 16, filling.base.arena);
    filling.values.job = &filling.base.job;
    *state = &filling;
    settle(
        &filling.base, 0,
        reply(201, JSON_HEAD "X-Id: 7\r\nX-Id: 8\r\n", " {\"id\":\"a\\/b\",\"o\":{},\"n\":null}"));
    return 0;
}

static int tear_down(void **state)
{
    struct filling *filling = *state;
    fixture_done(&filling->base);
    return 0;
}

/* Expected NULL: there is nothing to fill. */
static void expect(struct filling *filling, const struct expression_scope *scope,
                   enum fill_form form, const char *text, const char *item, const char *expected)
{
    struct arena *arena = filling->base.arena;
    struct fill *fill;
    size_t offset;
    struct buffer out scope_buffer;
    const struct expression *culprit;
    buffer_init(&out, 1000);
    const char *wrong = fill_compile(arena, text, strlen(text), form, scope, &fill, &offset);
    if (wrong)
        print_error("%s: at %zu: %s\n", text, offset, wrong);
    assert_null(wrong);
    assert_int_equal(fill == NULL, expected == NULL);
    if (!fill)
        return;
    size_t number = 0;
    for (struct fill_piece *piece = fill->first; piece; piece = piece->next) {
        if (piece->expression)
            piece->expression->number = number++;
    }
    assert_int_equal(number, fill->count);
    memset(filling->values.found, 0, 16 * sizeof *filling->values.found);
    memset(filling->values.absent, 0, 16 * sizeof *filling->values.absent);
    filling->values.item = (struct json_span){item, item ? strlen(item) : 0};
    wrong = fill_write(fill, &filling->values, arena, &out, &culprit);
    if (wrong) {
        assert_string_equal(arena_printf(arena, "{%s} %s", culprit->text, wrong), expected);
        return;
    }
    buffer_byte(&out, '\0');
    assert_string_equal(out.data, expected);
}

static void test_json(void **state)
{
    expect(*state, &strict, FILL_JSON, "{\"a\":1}", NULL, NULL);
    expect(*state, &strict, FILL_JSON, "\"{$item}\"", "{\"x\":1.0}", "{\"x\":1.0}");
    expect(*state, &strict, FILL_JSON, "[\"{$item}\", \"{$item}\"]", "null", "[null, null]");
    expect(*state, &strict, FILL_JSON, "{\"a\" : \"<{$item}>\"}", "\"x\\\"y\"",
           "{\"a\" : \"<x\\\"y>\"}");
    expect(*state, &strict, FILL_JSON, "[\"{$item} \"]", "-0", "[\"-0 \"]");
    expect(*state, &strict, FILL_JSON, "[\"{$item}{$item}\"]", "true", "[\"truetrue\"]");
    expect(*state, &strict, FILL_JSON, "[\"{$item}x\"]", "null",
           "{$item} is no text that could stand inside a string");
    expect(*state, &strict, FILL_JSON, "[\"{$item}x\"]", "\"\\ud800\"", "[\"\\ud800x\"]");
    expect(*state, &strict, FILL_JSON, "{\"a\":\"{$$item}\"}", NULL, "{\"a\":\"{$item}\"}");
    expect(*state, &strict, FILL_JSON, "[\"{$responses.a.body#\\/id}\"]", NULL, "[\"a\\/b\"]");
    expect(*state, &strict, FILL_JSON, "[\"\\\\{$responses.a.status}\\\"\"]", NULL,
           "[\"\\\\201\\\"\"]");
    expect(*state, &strict, FILL_JSON,
           "[\"{$request.header.x-own}\", \"-{$request.header.X-OWN}\"]", NULL,
           "[\"va\\\"lue\", \"-va\\\"lue\"]");
    expect(*state, &strict, FILL_JSON, "{\"b\":\"{$request.body}\"}", NULL, "{\"b\":{\"n\":1.50}}");
    expect(*state, &strict, FILL_JSON, "\"{$responses.a.body#/none}\"", NULL,
           "{$responses.a.body#/none} is absent");
}

static void test_text(void **state)
{
    expect(*state, &strict, FILL_TEXT, "plain", NULL, NULL);
    expect(*state, &strict, FILL_TEXT, "{$item}", "\"a\\u0041\\n\"", "aA\n");
    expect(*state, &strict, FILL_TEXT, "<{$item}>", "1e400", "<1e400>");
    expect(*state, &strict, FILL_TEXT, "<{$item.x}>", "{\"x\":false}", "<false>");
    expect(*state, &strict, FILL_TEXT, "{$item}", "\"\\ud800\"",
           "{$item} has a lone surrogate, which no text can hold");
    expect(*state, &strict, FILL_TEXT, "{$responses.a.body#/n}", NULL,
           "{$responses.a.body#/n} is null, which has no text");
    expect(*state, &strict, FILL_TEXT, "{$responses.a.body#/o}", NULL,
           "{$responses.a.body#/o} is an object or array, which has no text");
    expect(*state, &strict, FILL_TEXT, "{$responses.a.header.x-id}", NULL, "7");
    expect(*state, &strict, FILL_TEXT, "{$responses.a.header.x}", NULL,
           "{$responses.a.header.x} is absent");
    expect(*state, &strict, FILL_TEXT, "{$request.query.q}", NULL, "a b");
    expect(*state, &strict, FILL_TEXT, "{$request.query.z}", NULL, "{$request.query.z} is absent");
    expect(*state, &strict, FILL_TEXT, "{$$$item}", "1", "{$$item}");
}

static void test_lenient(void **state)
{
    expect(*state, &lenient, FILL_JSON, "[\"{$x}\", \"{$\", \"{$request.body}\", \"{$responses}\"]",
           NULL, NULL);
    expect(*state, &lenient, FILL_JSON, "{\"{$item}\":\"{$x} {$item}\"}", "1",
           "{\"{$item}\":\"{$x} 1\"}");
    expect(*state, &lenient, FILL_JSON, "[\"{$$x}\"]", "1", "[\"{$x}\"]");
}

/* Too much is refused by the buffer, and by length before anything is decoded. */
static void test_limits(void **state)
{
    struct filling *filling = *state;
    char *item = arena_alloc(filling->base.arena, 10001);
    memset(item, 'x', 10000);
    item[0] = item[9999] = '"';
    expect(filling, &strict, FILL_TEXT, "{$item}", item, "{$item} is too long for this place");
    expect(filling, &strict, FILL_JSON, "\"{$item}\"", item, "{$item} makes this too long");
    item[999] = '"';
    item[1000] = '\0';
    expect(filling, &strict, FILL_TEXT, "{$item}{$item}", item, "{$item} makes this too long");
}

static void refuse(struct filling *filling, const struct expression_scope *scope, const char *text,
                   size_t at, const char *words)
{
    struct fill *fill;
    size_t offset;
    const char *wrong =
        fill_compile(filling->base.arena, text, strlen(text), FILL_JSON, scope, &fill, &offset);
    assert_non_null(wrong);
    assert_null(fill);
    if (!strstr(wrong, words) || offset != at)
        print_error("%s: at %zu: %s\n", text, offset, wrong);
    assert_non_null(strstr(wrong, words));
    assert_int_equal(offset, at);
}

static void test_refusals(void **state)
{
    refuse(*state, &strict, "[\"a{$x}\"]", 5, "begins with");
    refuse(*state, &strict, "[\"{$item\"]", 2, "closing");
    refuse(*state, &strict, "{\"{$item}\":1}", 1, "names are not filled");
    refuse(*state, &strict, "[\"{$responses.a.body#/~}\"]", 22, "~");
    refuse(*state, &lenient, "[\"{$responses.a}\"]", 15, "after the id");
    refuse(*state, &lenient, "[\"{$item\"]", 2, "closing");
}

/* What only replies and items can tell stays as it was written, and what is JSON stays JSON. */
static void test_sketches(void **state)
{
    struct filling *filling = *state;
    filling->values.sketch = true;
    filling->values.job = NULL;
    expect(filling, &strict, FILL_TEXT, "<{$item.x}, {$request.query.q}>", NULL,
           "<{$item.x}, a b>");
    assert_int_equal(filling->values.left, 1);
    expect(filling, &strict, FILL_JSON,
           "[\"{$responses.a.body#\\/\\\"id}\", \"-{$responses.a.status}\"]", NULL,
           "[\"{$responses.a.body#/\\\"id}\", \"-{$responses.a.status}\"]");
    assert_int_equal(filling->values.left, 3);
    expect(filling, &strict, FILL_JSON, "[\"{$request.body#/n}\"]", NULL, "[1.50]");
    expect(filling, &strict, FILL_TEXT, "{$responses.a.header.x}{$request.query.z}", NULL,
           "{$request.query.z} is absent");
    assert_int_equal(filling->values.left, 4);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_json),   TEST(test_text),     TEST(test_lenient),
        TEST(test_limits), TEST(test_refusals), TEST(test_sketches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

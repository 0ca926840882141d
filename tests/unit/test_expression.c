/* Expressions: what each form means, and where each mistake is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/expression.h"

static const struct expression_scope all = {.responses = true, .client = true, .item = "item"};
static const struct expression_scope document = {.responses = true};
static const struct expression_scope renamed = {.responses = true, .item = "order"};

static struct expression parse(struct arena *arena, const struct expression_scope *scope,
                               const char *text)
{
    struct expression expression;
    size_t offset;
    const char *wrong = expression_parse(arena, text, strlen(text), scope, &expression, &offset);
    if (wrong)
        print_error("%s: %s\n", text, wrong);
    assert_null(wrong);
    assert_string_equal(expression.text, text);
    assert_true(expression_begins(text, strlen(text), scope));
    return expression;
}

static void expect(const char *text, enum expression_source source, const char *id,
                   const char *name, size_t tokens)
{
    struct arena *arena scope_arena = arena_new();
    struct expression expression = parse(arena, &all, text);
    assert_int_equal(expression.source, source);
    assert_int_equal(expression_is_response(&expression), id != NULL);
    if (id)
        assert_string_equal(expression.id, id);
    if (name)
        assert_string_equal(expression.name, name);
    assert_int_equal(expression.pointer.count, tokens);
}

static void test_forms(void **state)
{
    (void)state;
    expect("$responses.a.body", EXPRESSION_BODY, "a", NULL, 0);
    expect("$responses.a-1_b.body#", EXPRESSION_BODY, "a-1_b", NULL, 0);
    expect("$responses.a.body#/x/0/y%20z", EXPRESSION_BODY, "a", NULL, 3);
    expect("$responses.-.status", EXPRESSION_STATUS, "-", NULL, 0);
    expect("$responses.body.header.X-Next", EXPRESSION_HEADER, "body", "X-Next", 0);
    expect("$request.path.id", EXPRESSION_CLIENT_PATH, NULL, "id", 0);
    expect("$request.query.a.b", EXPRESSION_CLIENT_QUERY, NULL, "a.b", 0);
    expect("$request.header.Accept", EXPRESSION_CLIENT_HEADER, NULL, "Accept", 0);
    expect("$request.body", EXPRESSION_CLIENT_BODY, NULL, NULL, 0);
    expect("$request.body#/a~1b", EXPRESSION_CLIENT_BODY, NULL, NULL, 1);
    expect("$item", EXPRESSION_ITEM, NULL, NULL, 0);
    expect("$item.name", EXPRESSION_ITEM, NULL, NULL, 1);
    expect("$item#/name/0", EXPRESSION_ITEM, NULL, NULL, 2);
}

static void test_short_items(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct expression expression = parse(arena, &renamed, "$order.0");
    assert_string_equal(expression.pointer.tokens[0].name, "0");
    /* A member's name, never an index. */
    assert_true(expression.pointer.tokens[0].index == SIZE_MAX);
}

static void refuse(const struct expression_scope *scope, const char *text, size_t at,
                   const char *words)
{
    struct arena *arena scope_arena = arena_new();
    struct expression expression;
    size_t offset = SIZE_MAX;
    const char *wrong = expression_parse(arena, text, strlen(text), scope, &expression, &offset);
    assert_non_null(wrong);
    if (!strstr(wrong, words) || offset != at)
        print_error("%s: at %zu: %s\n", text, offset, wrong);
    assert_non_null(strstr(wrong, words));
    assert_int_equal(offset, at);
}

static void test_mistakes(void **state)
{
    (void)state;
    refuse(&all, "$", 1, "begins with");
    refuse(&all, "$response.a.body", 1, "begins with");
    refuse(&all, "$responses", 10, "id of a request");
    refuse(&all, "$responses..body", 11, "id of a request");
    refuse(&all, "$responses.a", 12, "after the id");
    refuse(&all, "$responses.a.bodyx", 13, "after the id");
    refuse(&all, "$responses.a.body.x", 17, "# and a JSON Pointer");
    refuse(&all, "$responses.a.body#x", 18, "begins with /");
    refuse(&all, "$responses.a.body#/~2", 19, "~");
    refuse(&all, "$responses.a.body#/%", 19, "percent");
    refuse(&all, "$responses.a.status#/x", 19, "should end");
    refuse(&all, "$responses.a.header", 19, "a name");
    refuse(&all, "$responses.a.header.", 20, "a name");
    refuse(&all, "$responses.a.header.A B", 21, "should end");
    refuse(&all, "$request.cookie.x", 9, "after $request");
    refuse(&all, "$request", 8, "after $request");
    refuse(&all, "$item.a.b", 7, "#/ and a");
    refuse(&all, "$items", 1, "begins with");
    refuse(&document, "$request.query.x", 8, "for endpoints");
    refuse(&document, "$item", 5, "foreach");
    refuse(&renamed, "$item", 5, "another name");
    static const struct expression_scope shared = {.client = true};
    refuse(&shared, "$responses.a.status", 10, "for all requests");
}

/* What a lenient reader takes for an expression. */
static void test_beginnings(void **state)
{
    (void)state;
    assert_true(expression_begins("$responses.", 11, &document));
    assert_false(expression_begins("$responses", 10, &document));
    assert_false(expression_begins("$request.x", 10, &document));
    assert_false(expression_begins("$item", 5, &document));
    assert_true(expression_begins("$order", 6, &renamed));
    assert_false(expression_begins("$orders", 7, &renamed));
    assert_false(expression_begins("$", 1, &renamed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_short_items),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

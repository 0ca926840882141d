/* Client documents: what is a tree, what is lifted, and where faults are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/document.h"

static const struct document_limits roomy = {.depth = 64, .values = 1000};

struct parse {
    struct arena *arena;
    struct faults faults;
};

static int make_parse(void **state)
{
    static struct parse parse;
    parse.arena = arena_new();
    faults_init(&parse.faults, parse.arena, 10);
    *state = &parse;
    return 0;
}

static int free_parse(void **state)
{
    struct parse *parse = *state;
    arena_free(parse->arena);
    return 0;
}

static struct node *read_bytes(struct parse *parse, const char *data, size_t len,
                               const struct document_limits *limits)
{
    faults_init(&parse->faults, parse->arena, 10);
    /* An exact copy, so that AddressSanitizer sees a byte too far. */
    char *exact = arena_alloc(parse->arena, len);
    memcpy(exact, data, len);
    return document_parse(parse->arena, exact, len, limits, &parse->faults);
}

static struct node *read_text(struct parse *parse, const char *text)
{
    struct node *node = read_bytes(parse, text, strlen(text), &roomy);
    if (!node)
        print_error("%s: %s\n", text, parse->faults.first->text);
    assert_non_null(node);
    assert_false(faults_any(&parse->faults));
    return node;
}

static void expect_fault(struct parse *parse, const char *text, const char *place, const char *part)
{
    struct node *node = read_bytes(parse, text, strlen(text), &roomy);
    assert_null(node);
    assert_int_equal(parse->faults.count, 1);
    const struct fault *fault = parse->faults.first;
    if (strcmp(fault->place, place) != 0 || !strstr(fault->text, part))
        print_error("%s: at \"%s\": %s\n", text, fault->place, fault->text);
    assert_string_equal(fault->place, place);
    assert_non_null(strstr(fault->text, part));
    assert_int_equal(fault->status, 400);
}

static const struct node *request_part(const struct node *root, const char *name)
{
    return node_get(node_get(root, "requests")->first, name);
}

static void expect_raw(const struct node *node, enum node_kind kind, const char *raw)
{
    assert_non_null(node);
    assert_int_equal(node->kind, kind);
    assert_int_equal(node->raw_len, strlen(raw));
    assert_memory_equal(node->raw, raw, node->raw_len);
    assert_null(node->first);
    assert_int_equal(node->count, 0);
}

static void test_a_tree(void **state)
{
    struct node *root =
        read_text(*state, " {\"a\": [1, -0, 1e2, 19.99, true, false, null, \"x\\u00e4\\u0000y\"],"
                          " \"b/~c\": {}}\n");
    const struct node *list = node_get(root, "a");
    assert_int_equal(list->kind, NODE_LIST);
    assert_int_equal(list->count, 8);
    static const char *const texts[] = {"1", "-0", "1e2", "19.99", "true", "false"};
    const struct node *item = list->first;
    for (size_t i = 0; i < 6; i++, item = item->next) {
        assert_int_equal(item->kind, i < 4 ? NODE_NUMBER : NODE_BOOL);
        assert_string_equal(item->text, texts[i]);
        assert_int_equal(item->text_len, strlen(texts[i]));
    }
    assert_int_equal(item->kind, NODE_NULL);
    item = item->next;
    assert_int_equal(item->text_len, 5);
    assert_memory_equal(item->text, "x\xc3\xa4\0y", 6);
    assert_null(item->raw);
    assert_string_equal(node_place(((struct parse *)*state)->arena, item, 0), "/a/7");
    assert_string_equal(node_place(((struct parse *)*state)->arena, node_get(root, "b/~c"), 0),
                        "/b~1~0c");
}

static void test_scalars_are_documents_too(void **state)
{
    assert_int_equal(read_text(*state, "null")->kind, NODE_NULL);
    assert_string_equal(read_text(*state, " 12 ")->text, "12");
    assert_string_equal(read_text(*state, "\"a\"")->text, "a");
    assert_int_equal(read_text(*state, "[]")->kind, NODE_LIST);
}

/* What jansson would refuse or change passes through untouched. */
static void test_bodies_are_lifted(void **state)
{
    static const struct {
        const char *body;
        enum node_kind kind;
    } rows[] = {
        {"{\"a\":1,\"a\":2}", NODE_MAP},
        {"[1e999, 18446744073709551616, -0, 1.10]", NODE_LIST},
        {"\"\\ud800\"", NODE_STRING},
        {"\"\\/\\u00e9\"", NODE_STRING},
        {"1e999", NODE_NUMBER},
        {"123456789012345678901234567890", NODE_NUMBER},
        {"-0", NODE_NUMBER},
        {"[1]", NODE_LIST},
        {"{}", NODE_MAP},
        {"[ ]", NODE_LIST},
        {"\"\"", NODE_STRING},
        {"null", NODE_NULL},
        {"true", NODE_BOOL},
        {"false", NODE_BOOL},
        {"{\"\\u0000\":{\"requests\":[{\"body\":{}}]}}", NODE_MAP},
    };
    struct parse *parse = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = arena_printf(parse->arena,
                                        "{\"requests\":[{\"id\":\"a\",\"body\": %s ,\"default\":%s,"
                                        "\"timeout\":\"1s\"}]}",
                                        rows[i].body, rows[i].body);
        struct node *root = read_text(parse, text);
        expect_raw(request_part(root, "body"), rows[i].kind, rows[i].body);
        expect_raw(request_part(root, "default"), rows[i].kind, rows[i].body);
        assert_string_equal(request_part(root, "timeout")->text, "1s");
        assert_string_equal(request_part(root, "id")->text, "a");
    }
}

static void test_lifted_strings_are_decoded(void **state)
{
    struct node *root =
        read_text(*state, "{\"requests\":[{\"body\":\"a\\u0000\\n\\ud83d\\ude00\\ud800\"}]}");
    const struct node *body = request_part(root, "body");
    assert_int_equal(body->text_len, 10);
    assert_memory_equal(body->text, "a\0\n\xf0\x9f\x98\x80\xef\xbf\xbd", 11);
    root = read_text(*state, "{\"requests\":[{\"body\":12}]}");
    assert_string_equal(request_part(root, "body")->text, "12");
}

static void test_escaped_names_are_the_same_names(void **state)
{
    struct node *root =
        read_text(*state, "{\"req\\u0075ests\":[{\"b\\u006fdy\":{\"a\":1e999,\"a\":2}}]}");
    expect_raw(request_part(root, "body"), NODE_MAP, "{\"a\":1e999,\"a\":2}");
}

static void test_only_bodies_of_requests_are_lifted(void **state)
{
    struct node *root = read_text(
        *state, "{\"body\":{\"a\":1},\"x\":{\"requests\":[{\"body\":{\"a\":1}}]},"
                "\"requests\":[{\"headers\":{\"body\":{\"a\":1}}},[{\"body\":{\"a\":1}}],7]}");
    assert_int_equal(node_get(root, "body")->count, 1);
    assert_int_equal(node_get(node_get(node_get(root, "x"), "requests")->first, "body")->count, 1);
    const struct node *requests = node_get(root, "requests");
    assert_int_equal(node_get(node_get(requests->first, "headers"), "body")->count, 1);
    assert_int_equal(node_get(requests->first->next->first, "body")->count, 1);
    assert_string_equal(requests->first->next->next->text, "7");
}

static void test_malformed(void **state)
{
    expect_fault(*state, "", "", "not valid JSON at byte 0");
    expect_fault(*state, "  ", "", "not valid JSON at byte 2");
    expect_fault(*state, "{\"a\":1,}", "", "not valid JSON at byte 7");
    expect_fault(*state, "{\"a\":[1,x]}", "/a/1", "not valid JSON at byte 8");
    expect_fault(*state, "{\"requests\":[{\"id\":\"a\"},{\"body\":{\"x\":01}}]}",
                 "/requests/1/body/x", "not valid JSON at byte ");
    expect_fault(*state, "{} {}", "", "not valid JSON at byte 3");
    expect_fault(*state, "{\"a\":\"\xff\"}", "/a", "not valid JSON at byte 6");
    expect_fault(*state, "{\"a\":\"b", "/a", "not valid JSON at byte 7");
    expect_fault(*state, "{\"a\":\"b\\\"", "/a", "not valid JSON at byte 9");
    expect_fault(*state, "{\"a\":1,\"b", "", "not valid JSON at byte 9");
    expect_fault(*state, "{\"a\":[{},[],{\"~/\":[0,x", "/a/2/~0~1/1", "not valid JSON at byte ");
    /* Brackets and quotes that match nothing: the place must still be found. */
    expect_fault(*state, "[} {i\"\":\"d|]}", "/0", "not valid JSON at byte 1");
    expect_fault(*state, "\xef\xbb\xbf{}", "", "not valid JSON at byte 0: a byte order mark");
    expect_fault(*state, "\xef\xbb{}", "", "not valid JSON at byte 0: ");
    expect_fault(*state, "{\"a\":1,}\n", "", "not valid JSON at byte 7 (line 1, column 8): ");
    expect_fault(*state, "{\n \"a\":[\n\n  1,x]}", "/a/1",
                 "not valid JSON at byte 14 (line 4, column 5): ");
    expect_fault(*state, "{\n", "", "not valid JSON at byte 2 (line 2, column 1): ");
    struct parse *parse = *state;
    assert_null(read_bytes(parse, "123\0", 4, &roomy));
    assert_int_equal(parse->faults.count, 1);
}

static void test_what_jansson_refuses(void **state)
{
    expect_fault(*state, "{\"a\":1,\"a\":2}", "", "\"a\" is given twice");
    expect_fault(*state, "{\"a\":[{\"b\":{},\"b\":{}}]}", "/a/0", "\"b\" is given twice");
    expect_fault(*state, "{\"requests\":[],\"requests\":[]}", "", "\"requests\" is given twice");
    expect_fault(*state, "{\"\":1,\"\":2}", "", "\"\" is given twice");
    expect_fault(*state, "[{\"x\":{\"i\":1}, \"id\":1,\"i\\u0064\" :2}]", "/0",
                 "\"id\" is given twice");
    expect_fault(*state, "{\"requests\":[{\"body\":[1,2],\"body\":[1,2]}]}", "/requests/0",
                 "given twice");
    expect_fault(*state, "{\"requests\":[{\"body\":[1,2],\"b\\u006fdy\":1}]}", "/requests/0",
                 "given twice");
    expect_fault(*state, "{\"a\":{\"x\\u0000\":1}}", "/a", "NUL");
    expect_fault(*state, "{\"a\":[1,1e999]}", "/a/1", "too large");
    expect_fault(*state, "{\"a\":18446744073709551616}", "/a", "too large");
    expect_fault(*state, "{\"a\":\"\\ud800\"}", "/a", "surrogate");
}

static void test_depth(void **state)
{
    struct parse *parse = *state;
    const struct document_limits limits = {.depth = 3, .values = 100};
    assert_non_null(read_bytes(parse, "[[[1]]]", 7, &limits));
    assert_null(read_bytes(parse, "[[[[]]]]", 8, &limits));
    assert_non_null(strstr(parse->faults.first->text, "more than 3"));
    /* Lifted values count: they are depth for whoever reads them next. */
    const char *text = "{\"requests\":[{\"body\":[]}]}";
    assert_null(read_bytes(parse, text, strlen(text), &limits));
}

static void test_values(void **state)
{
    struct parse *parse = *state;
    const struct document_limits limits = {.depth = 8, .values = 4};
    assert_non_null(read_bytes(parse, "[1,2,3]", 7, &limits));
    assert_null(read_bytes(parse, "[1,2,3,4]", 9, &limits));
    assert_non_null(strstr(parse->faults.first->text, "more than 4 values"));
    assert_string_equal(parse->faults.first->place, "");
    /* Lifted values are one each, whatever is in them. */
    const char *text = "{\"requests\":[{\"body\":[1,2,3,4,5,6,7,8,9]}]}";
    assert_non_null(read_bytes(parse, text, strlen(text), &limits));
    text = "{\"requests\":[{\"body\":[1,2,3,4,5,6,7,8,9],\"default\":[1,2,3]}]}";
    assert_null(read_bytes(parse, text, strlen(text), &limits));
}

int main(void)
{
#define PARSE_TEST(function) cmocka_unit_test_setup_teardown(function, make_parse, free_parse)
    const struct CMUnitTest tests[] = {
        PARSE_TEST(test_a_tree),
        PARSE_TEST(test_scalars_are_documents_too),
        PARSE_TEST(test_bodies_are_lifted),
        PARSE_TEST(test_lifted_strings_are_decoded),
        PARSE_TEST(test_escaped_names_are_the_same_names),
        PARSE_TEST(test_only_bodies_of_requests_are_lifted),
        PARSE_TEST(test_malformed),
        PARSE_TEST(test_what_jansson_refuses),
        PARSE_TEST(test_depth),
        PARSE_TEST(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

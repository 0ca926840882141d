/* YAML to trees: kinds, places, and everything that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/yaml.h"

struct fixture {
    struct arena *arena;
    struct faults faults;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.arena = arena_new();
    faults_init(&fixture.faults, fixture.arena, 50);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->arena = arena_free(fixture->arena);
    return 0;
}

static const struct node *parse(struct fixture *fixture, const char *text)
{
    faults_init(&fixture->faults, fixture->arena, 50);
    return yaml_parse(fixture->arena, "f.yaml", text, strlen(text), &fixture->faults);
}

static void expect_json(struct fixture *fixture, const char *text, const char *json)
{
    struct buffer out scope_buffer;
    buffer_init(&out, 1 << 20);
    const struct node *root = parse(fixture, text);
    assert_non_null(root);
    node_write_json(root, &out);
    buffer_byte(&out, '\0');
    assert_string_equal(out.data, json);
}

/* The first fault, as people see it. */
static void expect_fault(struct fixture *fixture, const char *text, const char *place,
                         const char *words)
{
    assert_null(parse(fixture, text));
    assert_true(faults_any(&fixture->faults));
    assert_string_equal(fixture->faults.first->place, place);
    if (!strstr(fixture->faults.first->text, words))
        fail_msg("\"%s\" lacks \"%s\"", fixture->faults.first->text, words);
}

static void gives_plain_scalars_their_kind(void **state)
{
    expect_json(*state, "[null, ~, {a: }, true, True, FALSE]",
                "[null,null,{\"a\":null},true,true,false]");
    expect_json(*state, "[0, -1, 1.50, 1e400, 18446744073709551616]",
                "[0,-1,1.50,1e400,18446744073709551616]");
    expect_json(*state, "[01, +1, 0x1, .5, 1., .inf, 1_0, yes, off, tRue, 2s, 8MiB, \"1\", 'null']",
                "[\"01\",\"+1\",\"0x1\",\".5\",\"1.\",\".inf\",\"1_0\",\"yes\",\"off\",\"tRue\","
                "\"2s\",\"8MiB\",\"1\",\"null\"]");
    expect_json(*state, "a: !!str 1\nb: |\n  x\n  y\n", "{\"a\":\"1\",\"b\":\"x\\ny\\n\"}");
}

static void takes_nothing_as_an_empty_map(void **state)
{
    expect_json(*state, "", "{}");
    expect_json(*state, "# only a comment\n", "{}");
    expect_json(*state, "---\n", "{}");
    expect_json(*state,
                "\xEF\xBB\xBF"
                "a: 1",
                "{\"a\":1}");
}

static void knows_every_place(void **state)
{
    struct fixture *fixture = *state;
    const struct node *root = parse(fixture, "a:\n  - x\n  - {b: \"\xC3\xA9\", c: 2}\n");
    assert_non_null(root);
    const struct node *list = node_get(root, "a");
    assert_string_equal(node_place(fixture->arena, list, 0), "f.yaml:2:3");
    assert_string_equal(node_place(fixture->arena, list, 1), "f.yaml:1:1");
    assert_string_equal(node_place(fixture->arena, list->first->next, 0), "f.yaml:3:5");
    /* Columns count characters, not bytes. */
    assert_string_equal(node_place(fixture->arena, node_get(list->last, "c"), 1), "f.yaml:3:14");
    assert_string_equal(node_place(fixture->arena, node_get(list->last, "c"), 0), "f.yaml:3:17");
}

static void refuses_bad_structure(void **state)
{
    expect_fault(*state, "a: 1\nb: 2\na: 3\n", "f.yaml:3:1", "\"a\" is given twice");
    expect_fault(*state, "a: 1\n---\nb: 2\n", "f.yaml:2:1", "one document");
    expect_fault(*state, "1: x\n", "f.yaml:1:1", "a key must be a string");
    expect_fault(*state, "[a]: x\n", "f.yaml:1:1", "a key must be a string");
    expect_fault(*state, "a: &x {b: 1}\nc: {<<: *x}\n", "f.yaml:2:5", "merge keys");
    expect_fault(*state, "a: !mine 1\n", "f.yaml:1:4", "tags");
    expect_fault(*state, "a: !!int 1\n", "f.yaml:1:4", "tags");
    expect_fault(*state, "a: \"x\\0y\"\n", "f.yaml:1:4", "NUL");
    expect_fault(*state, "a: [1, 2\nb: 3\n", "f.yaml:2:2", "did not find expected");
    expect_fault(*state, "a:\n\tb: 1\n", "f.yaml:2:1", "cannot start any token");
    expect_fault(*state, "a: 1\nb: \xFF\n", "f.yaml:2:4", "UTF-8");
    expect_fault(*state, "a: \x01\n", "f.yaml:1:4", "control characters");
}

static void refuses_a_nul_byte(void **state)
{
    struct fixture *fixture = *state;
    assert_null(yaml_parse(fixture->arena, "f", "a: b\0c: d\n", 10, &fixture->faults));
    assert_true(faults_any(&fixture->faults));
}

static void reports_every_duplicate(void **state)
{
    struct fixture *fixture = *state;
    assert_null(parse(fixture, "{a: 1, a: 2, b: {c: 1, c: 2}, a: 3}"));
    assert_int_equal(fixture->faults.count, 3);
}

static void copies_aliases(void **state)
{
    expect_json(*state, "a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]\n",
                "{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]},\"d\":[{\"b\":[1,2]},{\"b\":[1,2]}]}");
    expect_json(*state, "[&x 1, *x, &x 2, *x]", "[1,1,2,2]");
    expect_fault(*state, "a: *x\n", "f.yaml:1:4", "no anchor");
    expect_fault(*state, "a: &x [*x]\n", "f.yaml:1:8", "contains itself");
}

static void bounds_aliases(void **state)
{
    struct fixture *fixture = *state;
    char text[1024] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 10; i++) {
        char line[96];
        snprintf(line, sizeof(line), "a%d: &a%d [", i, i);
        strcat(text, line);
        for (int n = 0; n < 10; n++) {
            snprintf(line, sizeof(line), "%s*a%d", n > 0 ? "," : "", i - 1);
            strcat(text, line);
        }
        strcat(text, "]\n");
    }
    assert_null(parse(fixture, text));
    assert_int_equal(fixture->faults.count, 1);
    assert_non_null(strstr(fixture->faults.first->text, "too many values"));
}

static const struct node *parse_nested(struct fixture *fixture, int depth)
{
    char text[256] = "";
    assert_true((size_t)depth * 2 < sizeof(text));
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return parse(fixture, text);
}

static void bounds_depth(void **state)
{
    struct fixture *fixture = *state;
    assert_non_null(parse_nested(fixture, YAML_DEPTH_MAX));
    assert_null(parse_nested(fixture, YAML_DEPTH_MAX + 1));
    assert_non_null(strstr(fixture->faults.first->text, "too deeply"));
    /* Through aliases too: each level of these is two deep. */
    char text[2048] = "a0: &a0 [[x]]\n";
    for (int i = 1; i < 40; i++) {
        char line[48];
        snprintf(line, sizeof(line), "a%d: &a%d [[*a%d]]\n", i, i, i - 1);
        strcat(text, line);
    }
    assert_null(parse(fixture, text));
    assert_non_null(strstr(fixture->faults.first->text, "too deeply"));
}

static const struct node *parse_list(struct fixture *fixture, size_t items)
{
    struct buffer text scope_buffer;
    buffer_init(&text, 1 << 20);
    buffer_byte(&text, '[');
    for (size_t i = 0; i < items; i++)
        buffer_string(&text, "1,");
    buffer_byte(&text, ']');
    faults_init(&fixture->faults, fixture->arena, 50);
    return yaml_parse(fixture->arena, "f", text.data, text.len, &fixture->faults);
}

static void bounds_values(void **state)
{
    assert_non_null(parse_list(*state, YAML_NODES_MAX - 1)); /* the list itself is one */
    assert_null(parse_list(*state, YAML_NODES_MAX));
}

static void writes_pointers_for_documents(void **state)
{
    struct fixture *fixture = *state;
    struct node *root = node_add(fixture->arena, NULL, NODE_MAP);
    struct node *list = node_add(fixture->arena, root, NODE_LIST);
    list->key = "a/b~c";
    node_add(fixture->arena, list, NODE_NULL);
    struct node *second = node_add(fixture->arena, list, NODE_NULL);
    assert_string_equal(node_place(fixture->arena, root, 0), "");
    assert_string_equal(node_place(fixture->arena, second, 0), "/a~1b~0c/1");
}

static void keeps_only_so_many_faults(void **state)
{
    struct fixture *fixture = *state;
    struct faults few;
    faults_init(&few, fixture->arena, 2);
    fault_in(&few, "p", "%d", 1);
    fault_in(&few, "p", "%d", 2);
    fault_in(&few, "p", "%d", 3);
    assert_int_equal(few.count, 3);
    assert_string_equal(few.first->text, "1");
    assert_string_equal(few.last->text, "2");
    assert_null(few.last->next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_plain_scalars_their_kind),
        TEST(takes_nothing_as_an_empty_map),
        TEST(knows_every_place),
        TEST(refuses_bad_structure),
        TEST(refuses_a_nul_byte),
        TEST(reports_every_duplicate),
        TEST(copies_aliases),
        TEST(bounds_aliases),
        TEST(bounds_depth),
        TEST(bounds_values),
        TEST(writes_pointers_for_documents),
        TEST(keeps_only_so_many_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

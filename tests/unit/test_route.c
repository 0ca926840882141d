/* Routing: what a raw path leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"
#include "core/config.h"
#include "core/route.h"

static struct endpoint endpoints[8]; /* only their addresses matter */

struct table {
    struct arena *arena;
    struct routes *routes;
};

static int make_table(void **state)
{
    static struct table table;
    table.arena = arena_new();
    table.routes = routes_new(table.arena);
    *state = &table;
    return 0;
}

static int free_table(void **state)
{
    struct table *table = *state;
    arena_free(table->arena);
    return 0;
}

static void add(struct table *table, const char *path, const char *method, unsigned number)
{
    const char *wrong = routes_add(table->routes, path, method, &endpoints[number]);
    if (wrong)
        print_error("%s: %s\n", path, wrong);
    assert_null(wrong);
}

static struct route_match find(struct table *table, const char *method, const char *path)
{
    return routes_find(table->routes, method, path, strlen(path));
}

static void expect(struct table *table, const char *path, unsigned number)
{
    struct route_match match = find(table, "GET", path);
    if (match.endpoint != &endpoints[number])
        print_error("%s\n", path);
    assert_ptr_equal(match.endpoint, &endpoints[number]);
}

static void expect_nothing(struct table *table, const char *path)
{
    struct route_match match = find(table, "GET", path);
    if (match.allow)
        print_error("%s\n", path);
    assert_null(match.endpoint);
    assert_null(match.allow);
    assert_int_equal(match.variable_count, 0);
}

static void test_literals_and_variables(void **state)
{
    struct table *table = *state;
    add(table, "/", "GET", 0);
    add(table, "/users", "GET", 1);
    add(table, "/users/", "GET", 2);
    add(table, "/users/{id}", "GET", 3);
    add(table, "/users/me", "GET", 4);
    add(table, "/users/{id}/orders/{order}", "GET", 5);
    expect(table, "/", 0);
    expect(table, "/?x=/users", 0);
    expect(table, "/users", 1);
    expect(table, "/users?a=b", 1);
    expect(table, "/users/", 2);
    expect(table, "/users/7", 3);
    expect(table, "/users/me", 4);
    expect(table, "/users/mee", 3);
    expect(table, "/users/7/orders/8", 5);
    expect_nothing(table, "/user");
    expect_nothing(table, "/users//");
    expect_nothing(table, "/users/7/");
    expect_nothing(table, "/users/7/orders/");
    expect_nothing(table, "/users//orders/8");
    expect_nothing(table, "//users");
    expect_nothing(table, "");
    expect_nothing(table, "users");
    expect_nothing(table, "?");
    expect_nothing(table, "/Users");
}

static void test_values_stay_encoded(void **state)
{
    struct table *table = *state;
    add(table, "/a/{first}/b/{second}", "GET", 0);
    struct route_match match = find(table, "GET", "/a/x%2Fy/b/%7e?q=/c");
    assert_ptr_equal(match.endpoint, &endpoints[0]);
    assert_int_equal(match.variable_count, 2);
    assert_string_equal(match.names[0], "first");
    assert_string_equal(match.names[1], "second");
    assert_int_equal(match.values[0].len, 5);
    assert_memory_equal(match.values[0].data, "x%2Fy", 5);
    assert_int_equal(match.values[1].len, 3);
    assert_memory_equal(match.values[1].data, "%7e", 3);
}

static void test_percent_encoding(void **state)
{
    struct table *table = *state;
    add(table, "/users/{id}", "GET", 0);
    add(table, "/caf%C3%A9", "GET", 1);
    add(table, "/%7Ehome", "GET", 2);
    expect(table, "/%75sers/1", 0);
    expect(table, "/%75%73%65%72%73/1", 0);
    expect(table, "/caf%c3%a9", 1);
    expect(table, "/~home", 2);
    expect_nothing(table, "/users%2F1");
    expect_nothing(table, "/users/%00");
    expect_nothing(table, "/users/a%00b");
    expect_nothing(table, "/users/%");
    expect_nothing(table, "/users/%4");
    expect_nothing(table, "/users/%zz");
    expect(table, "/users/1?%00%", 0);
}

static void test_going_back(void **state)
{
    struct table *table = *state;
    add(table, "/a/b/c", "GET", 0);
    add(table, "/a/{x}/d", "GET", 1);
    add(table, "/{w}/b/e", "GET", 2);
    add(table, "/{w}/{x}/{y}", "GET", 3);
    expect(table, "/a/b/c", 0);
    expect(table, "/a/b/d", 1);
    expect(table, "/a/b/e", 2);
    expect(table, "/a/b/f", 3);
    struct route_match match = find(table, "GET", "/a/b/e");
    assert_int_equal(match.variable_count, 1);
    assert_memory_equal(match.values[0].data, "a", 1);
    match = find(table, "GET", "/a/b/f");
    assert_int_equal(match.variable_count, 3);
    assert_string_equal(match.names[1], "x");
    assert_memory_equal(match.values[1].data, "b", 1);
    expect_nothing(table, "/a/b");
}

static void test_methods(void **state)
{
    struct table *table = *state;
    add(table, "/a", "POST", 0);
    add(table, "/a", "GET", 1);
    add(table, "/a", "DELETE", 2);
    assert_ptr_equal(find(table, "POST", "/a").endpoint, &endpoints[0]);
    assert_ptr_equal(find(table, "HEAD", "/a").endpoint, &endpoints[1]);
    assert_string_equal(find(table, "POST", "/a").allow, "DELETE, GET, HEAD, POST");
    struct route_match match = find(table, "PUT", "/a");
    assert_null(match.endpoint);
    assert_string_equal(match.allow, "DELETE, GET, HEAD, POST");
    assert_null(find(table, "get", "/a").endpoint);
    add(table, "/b", "POST", 3);
    assert_null(find(table, "HEAD", "/b").endpoint);
    assert_string_equal(find(table, "HEAD", "/b").allow, "POST");
    add(table, "/c", "HEAD", 4);
    add(table, "/c", "GET", 5);
    assert_ptr_equal(find(table, "HEAD", "/c").endpoint, &endpoints[4]);
    assert_string_equal(find(table, "PUT", "/c").allow, "GET, HEAD");
    add(table, "/d", "GET", 6);
    assert_string_equal(find(table, "GET", "/d").allow, "GET, HEAD");
}

/* The most specific path decides, also when only a wider one has the method. */
static void test_the_path_decides_before_the_method(void **state)
{
    struct table *table = *state;
    add(table, "/users/me", "GET", 0);
    add(table, "/users/{id}", "DELETE", 1);
    struct route_match match = find(table, "DELETE", "/users/me");
    assert_null(match.endpoint);
    assert_string_equal(match.allow, "GET, HEAD");
}

static void test_names_belong_to_the_method(void **state)
{
    struct table *table = *state;
    add(table, "/a/{x}", "GET", 0);
    add(table, "/a/{y}", "POST", 1);
    assert_string_equal(find(table, "GET", "/a/1").names[0], "x");
    assert_string_equal(find(table, "POST", "/a/1").names[0], "y");
}

static void expect_wrong(struct table *table, const char *path, const char *method,
                         const char *part)
{
    const char *wrong = routes_add(table->routes, path, method, &endpoints[0]);
    if (!wrong || !strstr(wrong, part))
        print_error("%s: %s\n", path, wrong ? wrong : "taken");
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, part));
}

static void test_refused(void **state)
{
    struct table *table = *state;
    add(table, "/a/{x}", "GET", 0);
    expect_wrong(table, "/a/{y}", "GET", "another endpoint");
    expect_wrong(table, "/%61/{y}", "GET", "another endpoint");
    expect_wrong(table, "", "GET", "begins with /");
    expect_wrong(table, "a", "GET", "begins with /");
    expect_wrong(table, "/a//b", "GET", "empty segment");
    expect_wrong(table, "/a/{x}y", "GET", "whole segment");
    expect_wrong(table, "/a/y{x}", "GET", "whole segment");
    expect_wrong(table, "/a/{}", "GET", "whole segment");
    expect_wrong(table, "/a/{x", "GET", "whole segment");
    expect_wrong(table, "/a/{1x}", "GET", "letters, digits");
    expect_wrong(table, "/a/{x-y}", "GET", "letters, digits");
    expect_wrong(table, "/a/{x*}", "GET", "letters, digits");
    expect_wrong(table, "/a/{x}/{x}", "GET", "twice");
    expect_wrong(table, "/a?b", "GET", "no query");
    expect_wrong(table, "/a#b", "GET", "fragment");
    expect_wrong(table, "/a b", "GET", "spaces");
    expect_wrong(table, "/../a", "GET", "segments");
    expect_wrong(table, "/%zz", "GET", "hexadecimal");
    expect_wrong(table, "/batch", "GET", "are reserved");
    expect_wrong(table, "/b%61tch", "GET", "are reserved");
    expect_wrong(table, "/batch/x", "GET", "are reserved");
    expect_wrong(table, "/jobs/{id}", "GET", "are reserved");
    expect_wrong(table, "/-/ready", "GET", "are reserved");
    expect_wrong(table, "/b", "G T", "not an HTTP method");
    expect_wrong(table, "/b", "CONNECT", "not supported");
    expect_wrong(table, "/b", "TRACE", "not supported");
    add(table, "/batches", "GET", 1);
    add(table, "/a/batch", "GET", 2);
    add(table, "/--", "GET", 3);
}

static void test_sixteen_variables(void **state)
{
    struct table *table = *state;
    char path[200] = "";
    char target[200] = "";
    for (unsigned i = 0; i < ROUTE_VARIABLES_MAX; i++) {
        snprintf(path + strlen(path), 8, "/{v%u}", i);
        snprintf(target + strlen(target), 8, "/%u", i);
    }
    add(table, path, "GET", 0);
    struct route_match match = find(table, "GET", target);
    assert_int_equal(match.variable_count, ROUTE_VARIABLES_MAX);
    assert_string_equal(match.names[15], "v15");
    assert_memory_equal(match.values[15].data, "15", 2);
    strcat(path, "/{more}");
    expect_wrong(table, path, "GET", "at most 16");
}

static void test_many_endpoints(void **state)
{
    struct table *table = *state;
    char path[40];
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(path, sizeof path, "/p%u/{x}/q%u", i * 7919 % 2000, i % 3);
        add(table, path, "GET", i * 7919 % 2000 % 8);
    }
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(path, sizeof path, "/p%u/1/q%u", i * 7919 % 2000, i % 3);
        expect(table, path, i * 7919 % 2000 % 8);
    }
    expect_nothing(table, "/p2000/1/q0");
}

static void test_variables_of_a_path(void **state)
{
    struct table *table = *state;
    const char *const *names;
    assert_int_equal(route_variables(table->arena, "/a/{b}/c/{d}", &names), 2);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "d");
    assert_int_equal(route_variables(table->arena, "/a", &names), 0);
    assert_int_equal(route_variables(table->arena, "a/{b}", &names), 0);
}

int main(void)
{
#define TABLE_TEST(function) cmocka_unit_test_setup_teardown(function, make_table, free_table)
    const struct CMUnitTest tests[] = {
        TABLE_TEST(test_literals_and_variables),
        TABLE_TEST(test_values_stay_encoded),
        TABLE_TEST(test_percent_encoding),
        TABLE_TEST(test_going_back),
        TABLE_TEST(test_methods),
        TABLE_TEST(test_the_path_decides_before_the_method),
        TABLE_TEST(test_names_belong_to_the_method),
        TABLE_TEST(test_refused),
        TABLE_TEST(test_sixteen_variables),
        TABLE_TEST(test_many_endpoints),
        TABLE_TEST(test_variables_of_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Slips that are recognised, and strangers that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

static const char *const options[] = {"timeout", "url", "headers", "method", "retries", "max_body"};

static const char *find(const char *name)
{
    return nearest_name(name, options, sizeof options / sizeof *options);
}

static void each_kind_of_slip_is_found(void **state)
{
    (void)state;
    assert_string_equal(find("timeout"), "timeout");
    assert_string_equal(find("timout"), "timeout");   /* one missing */
    assert_string_equal(find("timeoutt"), "timeout"); /* one too many */
    assert_string_equal(find("timeour"), "timeout");  /* another */
    assert_string_equal(find("tiemout"), "timeout");  /* two swapped */
    assert_string_equal(find("TIMEOUT"), "timeout");
    assert_string_equal(find("maxbody"), "max_body");
    assert_string_equal(find("ulr"), "url");
    assert_string_equal(find("header"), "headers");
}

static void a_third_is_the_edge(void **state)
{
    (void)state;
    const char *const six[] = {"abcdef"};
    assert_string_equal(nearest_name("abcdxy", six, 1), "abcdef"); /* two of six */
    assert_null(nearest_name("abcxyz", six, 1));                   /* three of six */
    const char *const two[] = {"ab"};
    assert_null(nearest_name("ax", two, 1));
    assert_null(nearest_name("colour", options, 6));
    assert_null(nearest_name("", options, 6));
}

static void a_swap_counts_once(void **state)
{
    (void)state;
    const char *const three[] = {"abc"};
    assert_string_equal(nearest_name("acb", three, 1), "abc");
    assert_null(nearest_name("cab", three, 1)); /* two edits of three letters */
    const char *const mixed[] = {"Abc"};
    assert_string_equal(nearest_name("BAC", mixed, 1), "Abc");
}

static void the_closest_wins_and_the_first_of_equals(void **state)
{
    (void)state;
    const char *const names[] = {"connections", "connection", "connectors"};
    assert_string_equal(nearest_name("conection", names, 3), "connection");
    const char *const equals[] = {"abcd1", "abcd2"};
    assert_string_equal(nearest_name("abcd3", equals, 2), "abcd1");
}

static void names_have_a_longest(void **state)
{
    (void)state;
    char longest[66];
    memset(longest, 'n', sizeof longest);
    longest[64] = '\0';
    const char *const names[] = {longest};
    char name[66];
    memcpy(name, longest, sizeof name);
    name[10] = 'm';
    assert_ptr_equal(nearest_name(name, names, 1), longest);
    name[64] = 'n';
    name[65] = '\0';
    assert_null(nearest_name(name, names, 1)); /* 65 letters */
    name[64] = '\0';
    longest[64] = 'n';
    longest[65] = '\0';
    assert_null(nearest_name(name, names, 1)); /* so has the candidate */
}

static void nothing_to_choose_from(void **state)
{
    (void)state;
    assert_null(nearest_name("x", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_slip_is_found),
        cmocka_unit_test(a_third_is_the_edge),
        cmocka_unit_test(a_swap_counts_once),
        cmocka_unit_test(the_closest_wins_and_the_first_of_equals),
        cmocka_unit_test(names_have_a_longest),
        cmocka_unit_test(nothing_to_choose_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

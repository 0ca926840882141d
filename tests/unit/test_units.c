/* Durations and sizes: what is read, what is refused, and that printing reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/units.h"

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        usec_t span;
    } cases[] = {
        {"0", 0},
        {"0s", 0},
        {"800ms", 800000},
        {"2s", 2000000},
        {"1m", 60000000},
        {"1.5s", 1500000},
        {"0.5ms", 500},
        {"0.001ms", 1},
        {"1.50s", 1500000},
        {"0.1m", 6000000},
        {"0.0000001m", 6},
        {"0.000001s", 1},
        {"007s", 7000000},
        {"1.0000000s", 1000000},
        {"18446744073709551ms", 18446744073709551000u},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        usec_t span = 99;
        assert_true(units_duration(cases[i].text, &span));
        assert_int_equal(span, cases[i].span);
    }
}

static void refuses_what_is_no_duration(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "5",
        "0.0",
        "-1s",
        "+1s",
        " 1s",
        "1s ",
        "1 s",
        "1h",
        "1us",
        "1S",
        "1.s",
        ".5s",
        "1.5",
        "s",
        "1e3s",
        "1,5s",
        "1s1s",
        "0.0001ms",
        "1.0000001s",
        "0.00000001m",
        "nan",
        "18446744073709552ms",
        "99999999999999999999s",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        usec_t span = 99;
        assert_false(units_duration(cases[i], &span));
        assert_int_equal(span, 99);
    }
}

static void reads_sizes(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    assert_true(units_size("512", &bytes));
    assert_int_equal(bytes, 512);
    assert_true(units_size("64KiB", &bytes));
    assert_int_equal(bytes, 65536);
    assert_true(units_size("8MiB", &bytes));
    assert_int_equal(bytes, 8388608);
    assert_true(units_size("17179869183GiB", &bytes));
    assert_int_equal(bytes, 17179869183u << 30);
    assert_true(units_size("18446744073709551615", &bytes));
    assert_true(bytes == UINT64_MAX);
}

static void refuses_what_is_no_size(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",     "-1",  "KiB",  "1KB", "1kib",           "1 KiB",
        "1.5M", "1MB", "0x10", "1B",  "17179869184GiB", "18446744073709551616",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 99;
        assert_false(units_size(cases[i], &bytes));
        assert_int_equal(bytes, 99);
    }
}

static void reads_counts(void **state)
{
    (void)state;
    uint64_t count = 99;
    assert_false(units_count("", &count));
    assert_false(units_count("1.0", &count));
    assert_false(units_count("-0", &count));
    assert_false(units_count("18446744073709551616", &count));
    assert_int_equal(count, 99);
    assert_true(units_count("12", &count));
    assert_int_equal(count, 12);
}

static void prints_in_the_largest_unit(void **state)
{
    (void)state;
    static const struct {
        usec_t span;
        const char *text;
    } spans[] = {
        {0, "0"},          {60000000, "1m"}, {90000000, "90s"}, {1500000, "1500ms"},
        {300000, "300ms"}, {250, "0.25ms"},  {1, "0.001ms"},    {1001, "1.001ms"},
        {1010, "1.01ms"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        usec_t back = 99;
        units_print_duration(spans[i].span, text, sizeof(text));
        assert_string_equal(text, spans[i].text);
        assert_true(units_duration(text, &back));
        assert_int_equal(back, spans[i].span);
    }
    units_print_size(0, text, sizeof(text));
    assert_string_equal(text, "0");
    units_print_size(1536, text, sizeof(text));
    assert_string_equal(text, "1536");
    units_print_size((uint64_t)4 << 30, text, sizeof(text));
    assert_string_equal(text, "4GiB");
    units_print_size(UINT64_MAX, text, sizeof(text));
    assert_string_equal(text, "18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations), cmocka_unit_test(refuses_what_is_no_duration),
        cmocka_unit_test(reads_sizes),     cmocka_unit_test(refuses_what_is_no_size),
        cmocka_unit_test(reads_counts),    cmocka_unit_test(prints_in_the_largest_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

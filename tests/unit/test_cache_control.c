/* What Cache-Control fields say, and the least of several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/cache_control.h"

/* Reads lines separated by '\n'; NULL: no field at all. */
static struct freshness fresh(const char *lines, uint32_t age, bool authorized)
{
    struct cache_control control = {.present = false};
    while (lines) {
        size_t len = strcspn(lines, "\n");
        cache_control_read(&control, (struct field_text){lines, len});
        lines = lines[len] ? lines + len + 1 : NULL;
    }
    return cache_control_freshness(&control, age, authorized);
}

static void assert_written(const struct freshness *freshness, const char *expected)
{
    scope_buffer struct buffer out;
    buffer_init(&out, FRESHNESS_TEXT_MAX);
    freshness_write(freshness, &out);
    buffer_byte(&out, '\0');
    assert_int_equal(buffer_status(&out), 0);
    assert_string_equal(out.data, expected);
}

static void one_reply(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        uint32_t age;
        bool authorized;
        const char *written;
    } cases[] = {
        {NULL, 0, false, "no-store"},
        {"", 0, false, "no-cache"},
        {"max-age=60", 0, false, "max-age=60"},
        {"MAX-AGE=60, unknown=\"a,b\", other", 0, false, "max-age=60"},
        {"max-age=\"60\"", 0, false, "max-age=60"},
        {"max-age = 60", 0, false, "max-age=60"},
        {"max-age=60", 59, false, "max-age=1"},
        {"max-age=60", 60, false, "no-cache"},
        {"max-age=60", 4000000000U, false, "no-cache"},
        {"max-age=60, max-age=10", 0, false, "max-age=10"},
        {"max-age=10\nmax-age=60", 0, false, "max-age=10"},
        {"max-age=60, max-age=x", 0, false, "no-cache"},
        {"max-age", 0, false, "no-cache"},
        {"max-age=-1", 0, false, "no-cache"},
        {"max-age=99999999999", 0, false, "max-age=2147483648"},
        {"s-maxage=60", 0, false, "max-age=0, s-maxage=60"},
        {"max-age=5, s-maxage=60", 0, false, "max-age=5, s-maxage=60"},
        {"max-age=60, s-maxage=60", 0, false, "max-age=60"},
        {"max-age=5, s-maxage=60", 10, false, "max-age=0, s-maxage=50"},
        {"public, max-age=5", 0, false, "public, max-age=5"},
        {"private, max-age=5, s-maxage=9", 0, false, "private, max-age=5"},
        {"private, public, max-age=5", 0, false, "private, max-age=5"},
        {"private=\"x-a, x-b\", max-age=5", 0, false, "private, max-age=5"},
        {"private", 0, false, "private, no-cache"},
        {"no-cache, max-age=5", 0, false, "no-cache"},
        {"no-cache=\"set-cookie\", max-age=5", 0, false, "no-cache"},
        {"max-age=5, must-revalidate", 0, false, "max-age=5, must-revalidate"},
        {"max-age=5, proxy-revalidate", 0, false, "max-age=5, must-revalidate"},
        {"no-store, max-age=5", 0, false, "no-store"},
        {"max-age=5\nNo-Store", 0, false, "no-store"},
        {"max-age=5, immutable, stale-while-revalidate=5", 0, false, "max-age=5"},
        /* Whoever was authorized. */
        {"max-age=5", 0, true, "private, max-age=5"},
        {"max-age=5, public", 0, true, "public, max-age=5"},
        {"max-age=5, s-maxage=7", 0, true, "max-age=5, s-maxage=7"},
        {"max-age=5, must-revalidate", 0, true, "max-age=5, must-revalidate"},
        /* What cannot be taken apart. */
        {"max-age=60, =5", 0, false, "no-store"},
        {"max-age=\"60", 0, false, "no-store"},
        {"max-age=\"60\"x", 0, false, "no-store"},
        {"max-age=60; public", 0, false, "no-store"},
        {"max age=60", 0, false, "no-store"},
        {"max-age=60, \"", 0, false, "no-store"},
        {"max-age=6 0", 0, false, "no-store"},
        {"max-age=60, a=", 0, false, "no-store"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct freshness one = fresh(cases[i].lines, cases[i].age, cases[i].authorized);
        assert_written(&one, cases[i].written);
    }
}

static void the_least(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other, *written;
    } cases[] = {
        {"max-age=60", "max-age=30", "max-age=30"},
        {"max-age=60, s-maxage=10", "max-age=30", "max-age=30, s-maxage=10"},
        {"max-age=10, s-maxage=60", "max-age=30", "max-age=10, s-maxage=30"},
        {"public, max-age=60", "public, max-age=60", "public, max-age=60"},
        {"public, max-age=60", "max-age=60", "max-age=60"},
        {"private, max-age=60", "public, max-age=90", "private, max-age=60"},
        {"private, max-age=90", "max-age=10, s-maxage=20", "private, max-age=10"},
        {"no-cache", "max-age=60", "no-cache"},
        {"no-store", "max-age=60", "no-store"},
        {"max-age=60", NULL, "no-store"},
        {"max-age=60, must-revalidate", "max-age=30", "max-age=30, must-revalidate"},
        {"max-age=60", "max-age=0", "no-cache"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct freshness all = fresh(cases[i].one, 0, false);
        struct freshness other = fresh(cases[i].other, 0, false);
        struct freshness swapped = other;
        struct freshness first = all;
        freshness_limit(&all, &other);
        assert_written(&all, cases[i].written);
        freshness_limit(&swapped, &first);
        assert_written(&swapped, cases[i].written);
    }
}

static void transforming_is_noted(void **state)
{
    (void)state;
    struct cache_control control = {.present = false};
    cache_control_read(&control, (struct field_text){"a, no-transform", 15});
    assert_true(control.present && control.no_transform && !control.no_store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_reply),
        cmocka_unit_test(the_least),
        cmocka_unit_test(transforming_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which calls are the same, and which may be followed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/dedupe.h"

enum { COUNT = 40 };

struct calls {
    struct arena *arena;
    struct origin origin;
    struct planned items[COUNT];
    struct header headers[COUNT][1];
    bool gone[COUNT];
    struct dedupe dedupe;
};

static void begin(struct calls *calls)
{
    *calls = (struct calls){.arena = arena_new(), .origin = {.authority = "one:80"}};
    for (size_t i = 0; i < COUNT; i++) {
        calls->headers[i][0] = (struct header){"Accept", "*/*"};
        calls->items[i] = (struct planned){.timeout = 5};
        calls->items[i].call =
            (struct call_spec){.origin = &calls->origin, .method = "GET", .target = "/same"};
        calls->items[i].call.headers = (struct header_list){calls->headers[i], 1, 1};
    }
    dedupe_init(&calls->dedupe, calls->items, COUNT, calls->arena);
}

static bool is_usable(const void *ctx, size_t index)
{
    return !((const struct calls *)ctx)->gone[index];
}

static size_t find(struct calls *calls, size_t index)
{
    return dedupe_find(&calls->dedupe, index, is_usable, calls);
}

static void test_same(void **state)
{
    (void)state;
    struct calls calls;
    begin(&calls);
    assert_int_equal(find(&calls, 3), 3);
    assert_int_equal(find(&calls, 4), 3);
    calls.headers[5][0].name = "ACCEPT";
    assert_int_equal(find(&calls, 5), 3);
    arena_free(calls.arena);
}

static void test_different(void **state)
{
    (void)state;
    struct calls calls;
    struct origin other = {.authority = "two:80"}, tls = {.tls = true, .authority = "one:80"};
    begin(&calls);
    calls.items[1].call.method = "HEAD";
    calls.items[2].call.target = "/other/same";
    calls.items[3].call.origin = &other;
    calls.items[4].call.origin = &tls;
    calls.items[5].call.decode = true;
    calls.items[6].timeout = 6;
    calls.items[7].call.headers.count = 0;
    calls.headers[8][0].name = "Accepts";
    calls.headers[9][0].value = "text/plain";
    calls.items[10].call.upstream = (const struct upstream *)&calls; /* never looked into */
    for (size_t i = 0; i <= 10; i++)
        assert_int_equal(find(&calls, i), i);
    arena_free(calls.arena);
}

static void test_what_cannot_be_followed(void **state)
{
    (void)state;
    struct calls calls;
    begin(&calls);
    assert_int_equal(find(&calls, 0), 0);
    calls.gone[0] = true;
    calls.items[0].call.target = NULL; /* nobody looks */
    assert_int_equal(find(&calls, 1), 1);
    assert_int_equal(find(&calls, 2), 1);
    arena_free(calls.arena);
}

/* As many as there can be, all different and then all again. */
static void test_full(void **state)
{
    (void)state;
    struct calls calls;
    begin(&calls);
    for (size_t i = 0; i < COUNT; i++)
        calls.items[i].call.target = arena_printf(calls.arena, "/%zu", i % (COUNT / 2));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(find(&calls, i), i % (COUNT / 2));
    arena_free(calls.arena);
}

static bool is_possible(const struct request *requests, size_t count)
{
    struct arena *arena scope_arena = arena_new();
    struct batch batch = {.list = {(void *)(uintptr_t)requests, count}};
    return dedupe_possible(&batch, arena);
}

/* Known before anything is planned, as far as targets are. */
static void test_possible(void **state)
{
    (void)state;
    const struct request plain[] = {{.dedupe = true, .literal = "/items/1"},
                                    {.dedupe = true, .literal = "/items/2"},
                                    {.dedupe = false, .literal = "/items/2"},
                                    {.target = TARGET_ENDPOINT, .dedupe = true}};
    const struct request twice[] = {{.dedupe = true, .literal = "/items/1"},
                                    {.dedupe = true, .literal = "/items/2"},
                                    {.dedupe = true, .literal = "/items/1"}};
    const struct request open[] = {{.dedupe = true, .literal = "/items/1"}, {.dedupe = true}};
    assert_false(is_possible(plain, 4));
    assert_true(is_possible(twice, 3));
    assert_true(is_possible(open, 2));
    assert_false(is_possible(open + 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_different),
        cmocka_unit_test(test_what_cannot_be_followed),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

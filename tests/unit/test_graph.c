/* Who waits for whom: order, blocking, circles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/graph.h"

enum { MOST = 1024 };

static bool is_open(struct graph *graph, struct arena *arena, size_t *path, size_t *len)
{
    return graph_close(graph, arena, path, len);
}

static void expect_next(struct graph_walk *walk, size_t index, size_t blocker)
{
    size_t got, by;
    assert_true(graph_next(walk, &got, &by));
    assert_int_equal(got, index);
    assert_true(by == blocker);
}

static void expect_none(struct graph_walk *walk)
{
    size_t got, by;
    assert_false(graph_next(walk, &got, &by));
}

static void test_diamond(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct graph *graph = graph_new(arena, 4);
    struct graph_walk walk;
    size_t path[4], len;
    graph_add(graph, 1, 0);
    graph_add(graph, 1, 0);
    graph_add(graph, 2, 0);
    graph_add(graph, 3, 2);
    graph_add(graph, 3, 1);
    assert_int_equal(graph_waits(graph, 0), 0);
    assert_int_equal(graph_waits(graph, 1), 1);
    assert_int_equal(graph_waits(graph, 3), 2);
    assert_true(is_open(graph, arena, path, &len));
    graph_begin(&walk, graph, arena);
    expect_none(&walk);
    graph_settled(&walk, 0, true);
    expect_next(&walk, 1, SIZE_MAX);
    expect_next(&walk, 2, SIZE_MAX);
    expect_none(&walk);
    graph_settled(&walk, 2, true);
    expect_none(&walk);
    graph_settled(&walk, 1, true);
    expect_next(&walk, 3, SIZE_MAX);
    expect_none(&walk);
}

/* A blocked one is ready at once, once, and blocks others when it is settled itself. */
static void test_blocking(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct graph *graph = graph_new(arena, 4);
    struct graph_walk walk;
    graph_add(graph, 2, 0);
    graph_add(graph, 2, 1);
    graph_add(graph, 3, 2);
    graph_begin(&walk, graph, arena);
    graph_settled(&walk, 1, false);
    expect_next(&walk, 2, 1);
    graph_settled(&walk, 0, false);
    expect_none(&walk);
    graph_settled(&walk, 2, false);
    expect_next(&walk, 3, 2);
    expect_none(&walk);
}

static void test_circles(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    size_t path[6], len = 0;
    struct graph *graph = graph_new(arena, 6);
    /* 0 is fine; 1 leads into the circle 2 -> 3 -> 4 -> 2; 5 waits for all. */
    graph_add(graph, 1, 2);
    graph_add(graph, 2, 0);
    graph_add(graph, 2, 3);
    graph_add(graph, 3, 4);
    graph_add(graph, 4, 2);
    graph_add(graph, 5, 1);
    assert_false(is_open(graph, arena, path, &len));
    assert_int_equal(len, 3);
    assert_int_equal(path[0], 2);
    assert_int_equal(path[1], 3);
    assert_int_equal(path[2], 4);
}

static void test_long_chain(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct graph *graph = graph_new(arena, MOST);
    struct graph_walk walk;
    size_t *path = arena_array(arena, MOST, sizeof *path), len;
    for (size_t i = 1; i < MOST; i++)
        graph_add(graph, i, i - 1);
    assert_true(is_open(graph, arena, path, &len));
    graph_begin(&walk, graph, arena);
    for (size_t i = 0; i + 1 < MOST; i++) {
        graph_settled(&walk, i, true);
        expect_next(&walk, i + 1, SIZE_MAX);
    }
    expect_none(&walk);
    graph_add(graph, 0, MOST - 1);
    assert_false(is_open(graph, arena, path, &len));
    assert_int_equal(len, MOST);
}

static void test_stages(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct graph *graph = graph_new(arena, 6);
    size_t stages[6];
    bool on[6];
    /* 1 and 2 wait for 0, 3 for both and for 0 itself; 4 is alone, 5 waits for 4 and 1. */
    graph_add(graph, 3, 0);
    graph_add(graph, 3, 2);
    graph_add(graph, 3, 1);
    graph_add(graph, 5, 4);
    graph_add(graph, 5, 1);
    graph_add(graph, 2, 0);
    graph_add(graph, 1, 0);
    graph_stages(graph, arena, stages);
    const size_t expected[] = {0, 1, 1, 2, 0, 2};
    assert_memory_equal(stages, expected, sizeof expected);
    memset(on, true, sizeof on);
    graph_dependencies(graph, 3, on);
    const bool of_3[] = {true, true, true, false, false, false};
    assert_memory_equal(on, of_3, sizeof of_3);
    graph_dependencies(graph, 4, on);
    for (size_t i = 0; i < 6; i++)
        assert_false(on[i]);
}

static void test_stages_of_a_long_chain(void **state)
{
    (void)state;
    struct arena *arena scope_arena = arena_new();
    struct graph *graph = graph_new(arena, MOST);
    size_t *stages = arena_array(arena, MOST, sizeof *stages);
    for (size_t i = 0; i + 1 < MOST; i++)
        graph_add(graph, i, i + 1);
    graph_stages(graph, arena, stages);
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(stages[i], MOST - 1 - i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diamond), cmocka_unit_test(test_blocking),
        cmocka_unit_test(test_circles), cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_stages),  cmocka_unit_test(test_stages_of_a_long_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Alignment, zeroing and separation of what an arena hands out; its defers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

static bool aligned(const void *pointer)
{
    return (uintptr_t)pointer % _Alignof(max_align_t) == 0;
}

static bool filled(const unsigned char *bytes, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

/* Sizes around every border: alignment, the first chunk, a chunk of its own. */
static const size_t sizes[] = {0,     1,     15,    16,    17,    100,   1000,   1023, 1024,
                               1025,  2047,  2048,  4000,  4095,  4096,  4097,   8192, 16368,
                               16384, 65519, 65520, 65535, 65536, 65537, 1000000};
enum { SIZES = sizeof sizes / sizeof *sizes, ROUNDS = 12 };

static void allocations_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    unsigned char *taken[ROUNDS][SIZES];
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            taken[round][i] = arena_alloc(arena, sizes[i]);
            assert_true(aligned(taken[round][i]));
            assert_true(filled(taken[round][i], sizes[i], 0));
            memset(taken[round][i], (int)(round * SIZES + i) % 255 + 1, sizes[i]);
        }
    }
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < SIZES; i++)
            assert_true(
                filled(taken[round][i], sizes[i], (unsigned char)((round * SIZES + i) % 255 + 1)));
}

static void many_small_ones_stay_apart(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static uint32_t *numbers[COUNT];
    scope_arena struct arena *arena = arena_new();
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = arena_alloc(arena, sizeof *numbers[i] * (1 + i % 5));
        *numbers[i] = i;
    }
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(*numbers[i], i);
}

static void used_counts_what_was_asked_for(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    assert_int_equal(arena_used(arena), 0);
    arena_alloc(arena, 10);
    arena_array(arena, 3, 7);
    arena_string(arena, "four");
    arena_printf(arena, "%d", 12);
    assert_int_equal(arena_used(arena), 10 + 21 + 5 + 3);
    arena_alloc(arena, 1000000);
    assert_int_equal(arena_used(arena), 39 + 1000000);
}

static void texts_are_copied(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    char original[] = "upstream";
    char *whole = arena_string(arena, original);
    char *part = arena_copy(arena, original, 2);
    char *empty = arena_copy(arena, NULL, 0);
    char *with_nul = arena_copy(arena, "a\0b", 3);
    char *printed = arena_printf(arena, "%s %5d|%0*d", original, 42, 5000, 7);
    memset(original, 'x', sizeof original);
    assert_string_equal(whole, "upstream");
    assert_string_equal(part, "up");
    assert_string_equal(empty, "");
    assert_memory_equal(with_nul, "a\0b", 4);
    assert_int_equal(strlen(printed), strlen("upstream    42|") + 5000);
    assert_memory_equal(printed, "upstream    42|000", 18);
    assert_int_equal(printed[strlen(printed) - 1], '7');
}

struct trace {
    char letters[16];
    size_t count;
    struct arena *arena;
    char *memory;
};

static void note_a(void *ctx)
{
    struct trace *trace = ctx;
    trace->letters[trace->count++] = 'a';
}

static void note_b(void *ctx)
{
    struct trace *trace = ctx;
    assert_string_equal(trace->memory, "alive"); /* defers run before memory goes */
    trace->letters[trace->count++] = 'b';
}

static void note_c_and_defer_a(void *ctx)
{
    struct trace *trace = ctx;
    trace->letters[trace->count++] = 'c';
    arena_defer(trace->arena, note_a, trace);
}

static void defers_run_last_first(void **state)
{
    (void)state;
    struct trace trace = {.arena = arena_new()};
    trace.memory = arena_string(trace.arena, "alive");
    arena_defer(trace.arena, note_a, &trace);
    arena_defer(trace.arena, note_b, &trace);
    arena_defer(trace.arena, note_c_and_defer_a, &trace);
    arena_defer(trace.arena, note_b, &trace);
    assert_int_equal(trace.count, 0);
    assert_null(arena_free(trace.arena));
    assert_string_equal(trace.letters, "bcaba");
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    assert_null(arena_free(NULL));
    scope_arena struct arena *nothing = NULL;
    assert_null(nothing);
}

static void an_overflowing_array_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        arena_array(arena_new(), SIZE_MAX / 4, 8);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_zeroed_and_apart),
        cmocka_unit_test(many_small_ones_stay_apart),
        cmocka_unit_test(used_counts_what_was_asked_for),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(defers_run_last_first),
        cmocka_unit_test(freeing_nothing_is_fine),
        cmocka_unit_test(an_overflowing_array_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

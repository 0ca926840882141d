/* Copies, zeroes, and the loud end when a size cannot be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static void new_memory_is_zeroed(void **state)
{
    (void)state;
    static const char zeroes[1000];
    for (int i = 0; i < 20; i++) { /* the allocator gives back what was dirtied */
        scope_free char *memory = mem_new(sizeof zeroes);
        assert_memory_equal(memory, zeroes, sizeof zeroes);
        memset(memory, 0xff, sizeof zeroes);
    }
    scope_free void *nothing = mem_new(0);
    assert_non_null(nothing);
}

static void resize_keeps_the_old_part(void **state)
{
    (void)state;
    uint32_t *numbers = mem_resize(NULL, 3, sizeof *numbers);
    for (uint32_t i = 0; i < 3; i++)
        numbers[i] = i + 1;
    numbers = mem_resize(numbers, 5000, sizeof *numbers);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(numbers[i], i + 1);
    numbers[4999] = 7;
    numbers = mem_resize(numbers, 0, sizeof *numbers);
    assert_non_null(numbers);
    free(numbers);
}

static void copies_end_with_a_nul(void **state)
{
    (void)state;
    scope_free char *part = mem_copy("abcdef", 3);
    assert_string_equal(part, "abc");
    scope_free char *with_nul = mem_copy("a\0b", 3);
    assert_memory_equal(with_nul, "a\0b", 4);
    scope_free char *empty = mem_copy(NULL, 0);
    assert_string_equal(empty, "");
    scope_free char *string = mem_string("text");
    assert_string_equal(string, "text");
}

static void scope_free_frees(void **state)
{
    (void)state;
    /* A leak checker fails this test when it does not. */
    for (int i = 0; i < 10; i++) {
        scope_free char *text = mem_string("x");
        assert_int_equal(text[0], 'x');
    }
    scope_free char *nothing = NULL;
    assert_null(nothing);
}

static void overflow(void)
{
    free(mem_resize(NULL, SIZE_MAX / 2, 3));
}

static void endless_copy(void)
{
    free(mem_copy("x", SIZE_MAX));
}

/* Runs `work` in a child; its stderr and the signal that ended it. */
static int end_of(void (*work)(void), char *ret_text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        work();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (len + 1 < size && (got = read(ends[0], ret_text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    ret_text[len] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void no_memory_aborts_with_a_line(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(end_of(overflow, text, sizeof text), SIGABRT);
    assert_string_equal(text, "gatherd: out of memory\n");
    assert_int_equal(end_of(endless_copy, text, sizeof text), SIGABRT);
    assert_string_equal(text, "gatherd: out of memory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_memory_is_zeroed),         cmocka_unit_test(resize_keeps_the_old_part),
        cmocka_unit_test(copies_end_with_a_nul),        cmocka_unit_test(scope_free_frees),
        cmocka_unit_test(no_memory_aborts_with_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The descriptor limit is raised; CPUs are counted as the kernel allows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/limits.h"

static void the_soft_limit_becomes_the_hard_one(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t hard = limit.rlim_max;
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(fcntl(STDERR_FILENO, F_DUPFD, 64), -1);
    uint64_t raised = 0;
    assert_int_equal(limits_raise_open_files(&raised), 0);
    assert_int_equal(raised, hard);
    int fd = fcntl(STDERR_FILENO, F_DUPFD, 64);
    assert_true(fd >= 64);
    close(fd);
    raised = 0;
    assert_int_equal(limits_raise_open_files(&raised), 0); /* nothing left to raise */
    assert_int_equal(raised, hard);
}

static void cpus_follow_the_affinity(void **state)
{
    (void)state;
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(limits_cpus(), CPU_COUNT(&before));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(limits_cpus(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(limits_cpus(), CPU_COUNT(&before));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { OWN_ALLOCATOR = 0 }; /* the sanitizer's has habits of its own */
#else
enum { OWN_ALLOCATOR = 1 };
#endif

/* A second request for as much as was freed costs no page fault. */
static void freed_memory_is_kept(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20, PAGE = 4096 };
    struct rusage before, after;
    limits_keep_memory();
    for (int round = 0; round < 2; round++) {
        assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
        char *memory = malloc(SIZE);
        assert_non_null(memory);
        for (volatile char *at = memory; at < memory + SIZE; at += PAGE)
            *at = 1;
        free(memory);
        assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
    }
    if (OWN_ALLOCATOR)
        assert_true(after.ru_minflt - before.ru_minflt < SIZE / PAGE / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_soft_limit_becomes_the_hard_one),
        cmocka_unit_test(cpus_follow_the_affinity),
        cmocka_unit_test(freed_memory_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

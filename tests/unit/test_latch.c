/* Waiting for detached threads, and freeing the latch right behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/latch.h"

#define LONG_ENOUGH (60 * USEC_PER_SEC)

static void an_empty_latch_does_not_wait(void **state)
{
    (void)state;
    struct latch *latch = latch_new();
    assert_true(latch_wait(latch, 0));
    latch_enter(latch);
    latch_enter(latch);
    latch_leave(latch);
    assert_false(latch_wait(latch, 0));
    latch_leave(latch);
    assert_true(latch_wait(latch, USEC_NEVER));
    assert_null(latch_free(latch));
    assert_null(latch_free(NULL));
}

static void waiting_has_a_limit(void **state)
{
    (void)state;
    struct latch *latch = latch_new();
    latch_enter(latch);
    usec_t begin = clock_now();
    assert_false(latch_wait(latch, 20 * USEC_PER_MSEC));
    assert_true(clock_now() - begin >= 20 * USEC_PER_MSEC);
    latch_leave(latch);
    assert_true(latch_wait(latch, 0));
    latch_free(latch);
}

static void post(void *ctx)
{
    sem_post(ctx);
}

/* The address and thread checkers fail this when the last one out still touches
 * the latch after the wait has returned. */
static void it_may_be_freed_after_the_wait(void **state)
{
    (void)state;
    sem_t ran;
    sem_init(&ran, 0, 0);
    enum { ROUNDS = 200, THREADS = 3 };
    for (int round = 0; round < ROUNDS; round++) {
        struct latch *latch = latch_new();
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(latch_thread(latch, "short", post, &ran), 0);
        assert_true(latch_wait(latch, round % 2 == 0 ? USEC_NEVER : LONG_ENOUGH));
        latch_free(latch);
    }
    int count = 0;
    sem_getvalue(&ran, &count);
    assert_int_equal(count, ROUNDS * THREADS);
    sem_destroy(&ran);
}

struct look {
    char name[32];
    size_t stack;
    int detach_state;
    sigset_t mask;
    sem_t go;
};

static void look_around(void *ctx)
{
    struct look *look = ctx;
    pthread_attr_t attr;
    pthread_getname_np(pthread_self(), look->name, sizeof look->name);
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &look->stack);
    pthread_attr_getdetachstate(&attr, &look->detach_state);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, NULL, &look->mask);
    sem_wait(&look->go);
}

static void a_thread_is_set_up_as_promised(void **state)
{
    (void)state;
    struct latch *latch = latch_new();
    struct look look = {.stack = 0};
    sigset_t before;
    sigset_t after;
    sem_init(&look.go, 0, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(latch_thread(latch, "worker-with-a-long-name", look_around, &look), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number < NSIG; number++)
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    assert_false(latch_wait(latch, 0)); /* in, whether it began to run or not */
    sem_post(&look.go);
    assert_true(latch_wait(latch, LONG_ENOUGH));
    assert_string_equal(look.name, "worker-with-a-l");
    assert_true(look.stack >= 1024 * 1024);
    assert_int_equal(look.detach_state, PTHREAD_CREATE_DETACHED);
    static const int blocked[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGCHLD, SIGALRM};
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++)
        assert_int_equal(sigismember(&look.mask, blocked[i]), 1);
    assert_int_equal(sigismember(&look.mask, SIGSEGV), 0);
    sem_destroy(&look.go);
    latch_free(latch);
}

/* From here on the calling thread cannot start another. */
static int refuse_threads(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : -errno;
}

struct attempt {
    struct latch *latch;
    int refused;
    int started;
};

static void *attempt_to_start(void *ctx)
{
    struct attempt *attempt = ctx;
    attempt->refused = refuse_threads();
    attempt->started = latch_thread(attempt->latch, "never", post, NULL);
    return NULL;
}

static void a_thread_that_cannot_start_is_not_counted(void **state)
{
    (void)state;
    struct attempt attempt = {.latch = latch_new()};
    pthread_t thread; /* the filter ends with it */
    assert_int_equal(pthread_create(&thread, NULL, attempt_to_start, &attempt), 0);
    pthread_join(thread, NULL);
    assert_int_equal(attempt.refused, 0);
    assert_int_equal(attempt.started, -EAGAIN);
    assert_true(latch_wait(attempt.latch, 0));
    latch_free(attempt.latch);
}

struct kept {
    pthread_key_t key;
    _Atomic(bool) freed;
};

static void free_kept(void *ctx)
{
    struct kept *kept = ctx;
    usec_t end = clock_now() + 20 * USEC_PER_MSEC; /* a race would be lost */
    while (clock_now() < end)
        sched_yield();
    kept->freed = true;
}

static void keep(void *ctx)
{
    struct kept *kept = ctx;
    assert_int_equal(pthread_setspecific(kept->key, kept), 0);
}

/* What a library keeps for a thread, as OpenSSL does. */
static void a_thread_is_out_when_its_own_data_is_freed(void **state)
{
    (void)state;
    struct kept before = {.freed = false}, after = {.freed = false};
    assert_int_equal(pthread_key_create(&before.key, free_kept), 0);
    struct latch *latch = latch_new();
    assert_int_equal(pthread_key_create(&after.key, free_kept), 0);
    assert_int_equal(latch_thread(latch, "keeps", keep, &before), 0);
    assert_int_equal(latch_thread(latch, "keeps", keep, &after), 0);
    assert_true(latch_wait(latch, 5 * USEC_PER_SEC));
    assert_true(before.freed && after.freed);
    latch_free(latch);
    pthread_key_delete(before.key);
    pthread_key_delete(after.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_latch_does_not_wait),
        cmocka_unit_test(waiting_has_a_limit),
        cmocka_unit_test(it_may_be_freed_after_the_wait),
        cmocka_unit_test(a_thread_is_set_up_as_promised),
        cmocka_unit_test(a_thread_that_cannot_start_is_not_counted),
        cmocka_unit_test(a_thread_is_out_when_its_own_data_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

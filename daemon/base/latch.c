/*
 * A count under a mutex, and a condition for "nobody is in".
 *
 * Whoever waits may free the latch as soon as the count is 0, while the last
 * one out is still on its way through pthread_mutex_unlock(). So the memory has
 * its own reference count: one for the creator, one for everybody inside. The
 * last to let go frees it, and no thread touches a latch it has let go of.
 *
 * Libraries (OpenSSL is one) free what they keep per thread in destructors that run
 * after the thread's function has returned; the process must not end before. So a
 * thread counts itself out in such a destructor, in the second round of them: those
 * that were due have run in the first.
 */
#include "base/latch.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

enum { STACK_SIZE = 1024 * 1024, NAME_SIZE = 16 /* with the NUL; the kernel's limit */ };

struct latch {
    pthread_mutex_t mutex;
    pthread_cond_t empty;
    uint64_t inside; /* under the mutex */
    _Atomic(uint64_t) references;
    pthread_key_t departure;
};

struct start {
    struct latch *latch;
    void (*run)(void *ctx);
    void *ctx;
    char name[NAME_SIZE];
    bool departing; /* the first round has begun */
};

static void depart(void *ctx);

struct latch *latch_new(void)
{
    struct latch *latch = mem_new(sizeof *latch);
    pthread_condattr_t attr;
    int rc = pthread_mutex_init(&latch->mutex, NULL);
    rc |= pthread_condattr_init(&attr);
    rc |= pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc |= pthread_cond_init(&latch->empty, &attr);
    rc |= pthread_condattr_destroy(&attr);
    rc |= pthread_key_create(&latch->departure, depart);
    assert(rc == 0);
    atomic_init(&latch->references, 1);
    return latch;
}

static void let_go(struct latch *latch)
{
    if (atomic_fetch_sub_explicit(&latch->references, 1, memory_order_acq_rel) > 1)
        return;
    int rc = pthread_key_delete(latch->departure);
    rc |= pthread_cond_destroy(&latch->empty);
    rc |= pthread_mutex_destroy(&latch->mutex);
    assert(rc == 0);
    free(latch);
}

struct latch *latch_free(struct latch *latch)
{
    if (latch)
        let_go(latch);
    return NULL;
}

static void lock(struct latch *latch)
{
    int rc = pthread_mutex_lock(&latch->mutex);
    assert(rc == 0);
}

static void unlock(struct latch *latch)
{
    int rc = pthread_mutex_unlock(&latch->mutex);
    assert(rc == 0);
}

void latch_enter(struct latch *latch)
{
    atomic_fetch_add_explicit(&latch->references, 1, memory_order_relaxed);
    lock(latch);
    latch->inside++;
    unlock(latch);
}

void latch_leave(struct latch *latch)
{
    lock(latch);
    assert(latch->inside > 0);
    if (--latch->inside == 0)
        pthread_cond_broadcast(&latch->empty);
    unlock(latch);
    let_go(latch);
}

static struct timespec deadline_in(usec_t timeout)
{
    usec_t now = clock_now();
    usec_t at = timeout < USEC_NEVER - now ? now + timeout : USEC_NEVER;
    /* Rounded up: the moment is never before the timeout has passed. */
    if (at < USEC_NEVER)
        at++;
    return (struct timespec){
        .tv_sec = (time_t)(at / USEC_PER_SEC),
        .tv_nsec = (long)(at % USEC_PER_SEC) * 1000,
    };
}

bool latch_wait(struct latch *latch, usec_t timeout)
{
    struct timespec deadline = deadline_in(timeout);
    lock(latch);
    int rc = 0;
    while (latch->inside > 0 && rc == 0)
        rc = pthread_cond_timedwait(&latch->empty, &latch->mutex, &deadline);
    assert(rc == 0 || rc == ETIMEDOUT);
    bool empty = latch->inside == 0;
    unlock(latch);
    return empty;
}

static void depart(void *ctx)
{
    struct start *start = ctx;
    struct latch *latch = start->latch;
    if (!start->departing) {
        start->departing = true;
        int rc = pthread_setspecific(latch->departure, start);
        assert(rc == 0);
        return;
    }
    free(start);
    latch_leave(latch);
}

static void *run_thread(void *ctx)
{
    struct start *start = ctx;
    int rc = pthread_setspecific(start->latch->departure, start);
    assert(rc == 0);
    pthread_setname_np(pthread_self(), start->name);
    start->run(start->ctx);
    return NULL;
}

/* Everything but the signals of a fault: blocked, those would kill the process
 * past any handler that reports them. */
static void block_signals(sigset_t *ret_before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    int rc = pthread_sigmask(SIG_BLOCK, &all, ret_before);
    assert(rc == 0);
}

/* 0 or an errno value. A thread inherits the mask of its creator. */
static int create_detached(struct start *start)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t before;
    int rc = pthread_attr_init(&attr);
    rc |= pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc |= pthread_attr_setstacksize(&attr, STACK_SIZE);
    assert(rc == 0);
    block_signals(&before);
    int created = pthread_create(&thread, &attr, run_thread, start);
    rc = pthread_sigmask(SIG_SETMASK, &before, NULL);
    rc |= pthread_attr_destroy(&attr);
    assert(rc == 0);
    return created;
}

int latch_thread(struct latch *latch, const char *name, void (*run)(void *ctx), void *ctx)
{
    struct start *start = mem_new(sizeof *start);
    *start = (struct start){.latch = latch, .run = run, .ctx = ctx};
    snprintf(start->name, sizeof start->name, "%s", name);
    latch_enter(latch);
    int rc = create_detached(start);
    if (rc != 0) {
        latch_leave(latch);
        free(start);
    }
    return -rc;
}

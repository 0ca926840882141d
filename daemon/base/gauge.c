/*
 * One atomic number holds the count and, in its lowest bit, whether anybody waits.
 * Entering compares and adds in one step, so the count never passes the limit of
 * any caller, not even for a moment; leaving is one subtraction. Only who meets the
 * bit, or the limit, touches the mutex.
 *
 * The bit is set before the count is looked at for the last time, both under the
 * mutex: a place given back before that is seen and taken; one given back after it
 * meets the bit and comes to the mutex. So nobody waits beside a free place. While
 * the bit is set newcomers go to the mutex too, and stand behind those who wait.
 *
 * Invariants under the mutex: the bit is set exactly while `waiters` has members;
 * who was taken out of `waiters` to be let in has its place already.
 */
#include "base/gauge.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/mem.h"

enum { WAITED_FOR = 1, ONE = 2 }; /* in `state`: the bit, and one place taken */

struct gauge {
    _Atomic(uint64_t) state;
    _Atomic(uint32_t) references;
    pthread_mutex_t mutex;
    struct link waiters; /* under the mutex, oldest first */
    uint64_t waiting;    /* under the mutex: how many */
};

struct gauge *gauge_new(void)
{
    struct gauge *gauge = mem_new(sizeof *gauge);
    atomic_init(&gauge->state, 0);
    atomic_init(&gauge->references, 1);
    int rc = pthread_mutex_init(&gauge->mutex, NULL);
    assert(rc == 0);
    list_init(&gauge->waiters);
    return gauge;
}

struct gauge *gauge_ref(struct gauge *gauge)
{
    uint32_t before = atomic_fetch_add_explicit(&gauge->references, 1, memory_order_relaxed);
    assert(before > 0 && before < UINT32_MAX);
    return gauge;
}

struct gauge *gauge_unref(struct gauge *gauge)
{
    if (!gauge)
        return NULL;
    uint32_t before = atomic_fetch_sub_explicit(&gauge->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return NULL;
    assert(list_is_empty(&gauge->waiters));
    pthread_mutex_destroy(&gauge->mutex);
    free(gauge);
    return NULL;
}

bool gauge_is_shared(const struct gauge *gauge)
{
    return atomic_load_explicit(&gauge->references, memory_order_relaxed) > 1;
}

static bool take_place(struct gauge *gauge, uint64_t limit, bool even_if_waited_for)
{
    uint64_t state = atomic_load_explicit(&gauge->state, memory_order_relaxed);
    do {
        if (limit > 0 && state / ONE >= limit)
            return false;
        if (limit > 0 && (state & WAITED_FOR) && !even_if_waited_for)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&gauge->state, &state, state + ONE,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

bool gauge_enter(struct gauge *gauge, uint64_t limit)
{
    return take_place(gauge, limit, false);
}

uint64_t gauge_value(const struct gauge *gauge)
{
    return atomic_load_explicit(&gauge->state, memory_order_relaxed) / ONE;
}

/* ---- waiting ---- */

static void lock(struct gauge *gauge)
{
    int rc = pthread_mutex_lock(&gauge->mutex);
    assert(rc == 0);
}

static void unlock(struct gauge *gauge)
{
    int rc = pthread_mutex_unlock(&gauge->mutex);
    assert(rc == 0);
}

/* Under the mutex. */
static void say_if_waited_for(struct gauge *gauge)
{
    if (list_is_empty(&gauge->waiters))
        atomic_fetch_and_explicit(&gauge->state, ~(uint64_t)WAITED_FOR, memory_order_relaxed);
}

static struct gauge_waiter *waiter_of(struct link *link)
{
    return container_of(link, struct gauge_waiter, link);
}

static void take_out(struct gauge *gauge, struct gauge_waiter *waiter)
{
    list_remove(&waiter->link);
    waiter->waits = false;
    gauge->waiting--;
}

/* Under the mutex: moves those who get a place now to `let_in`. */
static void let_in_the_oldest(struct gauge *gauge, struct link *let_in)
{
    list_init(let_in);
    while (!list_is_empty(&gauge->waiters)) {
        struct gauge_waiter *waiter = waiter_of(gauge->waiters.next);
        if (!take_place(gauge, waiter->limit, true))
            break;
        take_out(gauge, waiter);
        list_append(let_in, &waiter->link);
    }
    say_if_waited_for(gauge);
}

/* After the mutex: posting may be a system call. */
static void send_home(struct link *let_in)
{
    while (!list_is_empty(let_in)) {
        struct gauge_waiter *waiter = waiter_of(let_in->next);
        list_remove(&waiter->link);
        mailbox_post_reserved(waiter->home, &waiter->mail);
    }
}

void gauge_leave(struct gauge *gauge)
{
    struct link let_in;
    uint64_t before = atomic_fetch_sub_explicit(&gauge->state, ONE, memory_order_release);
    assert(before >= ONE);
    if (!(before & WAITED_FOR))
        return;
    lock(gauge);
    let_in_the_oldest(gauge, &let_in);
    unlock(gauge);
    send_home(&let_in);
}

/* Under the mutex. */
static int enter_or_queue(struct gauge *gauge, uint64_t limit, uint64_t most,
                          struct gauge_waiter *waiter)
{
    atomic_fetch_or_explicit(&gauge->state, WAITED_FOR, memory_order_relaxed);
    if (list_is_empty(&gauge->waiters) && take_place(gauge, limit, true))
        return GAUGE_ENTERED;
    if (gauge->waiting >= most || mailbox_reserve(waiter->home) != 0)
        return GAUGE_FULL;
    waiter->gauge = gauge_ref(gauge);
    waiter->limit = limit;
    waiter->waits = true;
    list_append(&gauge->waiters, &waiter->link);
    gauge->waiting++;
    return GAUGE_WAITS;
}

int gauge_wait(struct gauge *gauge, uint64_t limit, uint64_t most, struct gauge_waiter *waiter)
{
    if (gauge_enter(gauge, limit))
        return GAUGE_ENTERED;
    lock(gauge);
    int result = enter_or_queue(gauge, limit, most, waiter);
    say_if_waited_for(gauge);
    unlock(gauge);
    return result;
}

bool gauge_withdraw(struct gauge_waiter *waiter)
{
    struct gauge *gauge = waiter->gauge;
    struct link let_in;
    lock(gauge);
    bool waits = waiter->waits;
    if (waits)
        take_out(gauge, waiter);
    /* Who stood behind it may have a higher limit of its own. */
    let_in_the_oldest(gauge, &let_in);
    unlock(gauge);
    send_home(&let_in);
    if (!waits)
        return false;
    mailbox_unreserve(waiter->home);
    waiter->gauge = gauge_unref(gauge);
    return true;
}

uint64_t gauge_waiting(struct gauge *gauge)
{
    lock(gauge);
    uint64_t waiting = gauge->waiting;
    unlock(gauge);
    return waiting;
}

void gauge_set_limit(struct gauge *gauge, uint64_t limit)
{
    struct link let_in;
    lock(gauge);
    for (struct link *link = gauge->waiters.next; link != &gauge->waiters; link = link->next)
        waiter_of(link)->limit = limit;
    let_in_the_oldest(gauge, &let_in);
    unlock(gauge);
    send_home(&let_in);
}

/*
 * One thread's event loop: descriptors (epoll) and deadlines (a binary heap).
 * Watches and timers are embedded in what they belong to; the loop never
 * allocates per event. A descriptor's epoll entry carries a slot and a
 * generation, so an event that was queued for a closed descriptor never
 * reaches whoever got the same number next.
 * All calls on the owning thread.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/errors.h"

struct loop;
struct watch;
struct timer;

typedef void watch_fn(struct watch *watch, uint32_t events); /* EPOLL* bits */
typedef void timer_fn(struct timer *timer);

struct watch { /* zero-initialised = not watching */
    watch_fn *ready;
    int fd; /* borrowed: the loop never closes it */
    uint32_t slot;
    bool active;
};

struct timer { /* zero-initialised = not set */
    timer_fn *expired;
    usec_t at;
    uint32_t position; /* 1-based place in the heap; 0: not set */
};

int must_check loop_new(struct loop **ret_loop);
/* Every watch and timer must be gone by now (asserted). NULL is fine. */
struct loop *loop_free(struct loop *loop);

/* Watches `fd` for `events`; `ready` runs from loop_turn(). 0 or -errno. */
int must_check loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events,
                          watch_fn *ready);
int must_check loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events);
/* Fine when not active; fine inside any callback; also after the fd was closed. */
void loop_unwatch(struct loop *loop, struct watch *watch);

/* Sets or moves a deadline. One that has passed fires in the next turn. */
void loop_set(struct loop *loop, struct timer *timer, usec_t at, timer_fn *expired);
void loop_clear(struct loop *loop, struct timer *timer);

/* How long a loop has been at work, for whoever watches: written by the loop, but `told`. */
struct loop_account {
    /* While it waits: its time at work. While it works: LOOP_AT_WORK and the moment at which
     * it would have begun if all of that time lay before now. One word, always whole. */
    _Atomic(uint64_t) work;
    _Atomic(uint64_t) turn; /* when the turn began; 0: it waits */
    _Atomic(uint64_t) told; /* the most that anybody was told; written by who asks */
};

#define LOOP_AT_WORK (UINT64_C(1) << 63)

/* Begins to keep `account`, which must outlive the loop. */
void loop_keep_account(struct loop *loop, struct loop_account *account);
/* Any thread, never waits: the time in which the loop did not wait for events, never less
 * than anybody was told before. *ret_turn: how long ago its turn began; 0: it waits. */
uint64_t loop_account_busy(struct loop_account *account, usec_t now, usec_t *ret_turn);

/* The time when the current turn's events were read; cheap. */
usec_t loop_now(const struct loop *loop);

/* Waits at most until `until` (0: do not wait; USEC_NEVER: no bound) or the
 * earliest timer, then runs what is due. A timer is removed before its callback
 * runs, so the callback may set it again. 0 or -errno (EINTR is not an error). */
int must_check loop_turn(struct loop *loop, usec_t until);

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif

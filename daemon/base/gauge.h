/*
 * A count with a limit, shared by threads and by configuration snapshots: the
 * calls in flight to one upstream, or of the whole daemon. Reference-counted,
 * so that a reload keeps counting where the old snapshot stands.
 *
 * Whoever finds the limit reached may wait: places that come free go to those who
 * wait, the oldest first, by mail. Until the limit is reached nothing of this costs
 * anything. All functions: any thread.
 */
#ifndef BASE_GAUGE_H
#define BASE_GAUGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mailbox.h"

struct gauge;

/* Belongs to the gauge from gauge_wait() until its mail arrives or it is withdrawn. */
struct gauge_waiter {
    struct mail mail;     /* first; `deliver` is the caller's: a place has been taken for it */
    struct mailbox *home; /* a place in it is reserved by gauge_wait() */
    struct gauge *gauge;  /* a reference; whoever gets the mail drops it */
    uint64_t limit;
    bool waits;
    struct link link; /* with others who wait, or who have just been let in */
};

struct gauge *gauge_new(void) __attribute__((returns_nonnull));
struct gauge *gauge_ref(struct gauge *gauge) __attribute__((returns_nonnull));
struct gauge *gauge_unref(struct gauge *gauge); /* NULL is fine; returns NULL */
/* True when there is a reference beside the caller's, as of now. */
bool gauge_is_shared(const struct gauge *gauge);

/* Takes one unless `limit` are taken already, or others wait for one; a limit of 0
 * means no limit. */
bool gauge_enter(struct gauge *gauge, uint64_t limit);
void gauge_leave(struct gauge *gauge);
uint64_t gauge_value(const struct gauge *gauge);

enum { GAUGE_ENTERED, GAUGE_WAITS, GAUGE_FULL };

/* As gauge_enter(), or else waits: GAUGE_WAITS, and the waiter comes home once.
 * GAUGE_FULL: `most` wait already, or the mailbox has no place. */
int must_check gauge_wait(struct gauge *gauge, uint64_t limit, uint64_t most,
                          struct gauge_waiter *waiter);
/* True: it waits no more and is the caller's. False: its mail is on its way. */
bool must_check gauge_withdraw(struct gauge_waiter *waiter);
uint64_t gauge_waiting(struct gauge *gauge);

/* A new limit for all who wait now; a higher one lets some of them in. */
void gauge_set_limit(struct gauge *gauge, uint64_t limit);

#endif

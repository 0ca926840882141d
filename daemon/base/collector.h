/*
 * A detached thread that empties rings: others put records, each into a ring of their own,
 * and never wait; the thread takes them in batches. Nobody is woken for single records: the
 * first after a silence wakes the thread, which lets some gather before it looks.
 */
#ifndef BASE_COLLECTOR_H
#define BASE_COLLECTOR_H

#include "base/latch.h"
#include "base/ring.h"

struct collector;

struct collector_times {
    usec_t idle;  /* the longest sleep while nothing comes */
    usec_t pause; /* after waking, for more to come, or after a record was refused */
};

/* The thread goes through the rings in passes, each over what was there when it began, a few
 * hundred records of a ring and then of the next. All of these run on the thread. */
struct collector_work {
    /* False: not now. It stays, and the pass is over; not allowed once the thread is to end. */
    bool (*take)(void *ctx, const void *record);
    /* In the middle of a long pass: for what must not wait for its end. */
    void (*between)(void *ctx);
    /* A pass is over. `last`: everything was taken, and the thread ends. */
    struct collector_times (*passed)(void *ctx, bool last);
};

/* `count` rings, each for `places` records of at most `size` bytes. 0 or -errno. */
int must_check collector_new(size_t count, size_t places, size_t size,
                             struct collector **ret_collector);
/* Before the thread was started, or after it has ended. NULL is fine. */
struct collector *collector_free(struct collector *collector);

struct ring *collector_ring(struct collector *collector, size_t index);
uint64_t collector_dropped(const struct collector *collector); /* any thread */
/* On the thread: a ring has no place left. */
bool collector_is_full(const struct collector *collector);

/* Starts the thread, once; nothing if it runs already. 0 or -errno. */
int must_check collector_start(struct collector *collector, const char *name,
                               const struct collector_work *work, void *ctx);
/* Any thread: a pass begins at once. */
void collector_wake(struct collector *collector);
/* Nobody puts any more: the thread takes what is left and ends. False: it did not within
 * `timeout`, and nothing that it uses may be freed. */
bool must_check collector_stop(struct collector *collector, usec_t timeout);
/* On the thread, in the middle of something long: it is to end. */
bool collector_is_stopping(const struct collector *collector);

#endif

/*
 * Counts detached threads out. Nobody joins a worker or a resolver thread: each
 * counts itself in before it starts and out as its last act, and whoever stops
 * the daemon waits here, with a limit.
 */
#ifndef BASE_LATCH_H
#define BASE_LATCH_H

#include <stdbool.h>

#include "base/clock.h"

struct latch;

struct latch *latch_new(void) __attribute__((returns_nonnull));
struct latch *latch_free(struct latch *latch); /* NULL is fine */
void latch_enter(struct latch *latch);
void latch_leave(struct latch *latch);
/* True once nobody is in; false when `timeout` passed first. */
bool latch_wait(struct latch *latch, usec_t timeout);

/* Starts a detached thread (signals blocked, 1 MiB stack) that is counted in
 * `latch` from this call until run(ctx) has returned and what libraries keep per thread
 * is freed. 0 or -errno. */
int latch_thread(struct latch *latch, const char *name, void (*run)(void *ctx), void *ctx)
    __attribute__((warn_unused_result));

#endif

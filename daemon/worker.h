/*
 * A worker: one detached thread with one loop that owns its client connections
 * and its upstream calls to the end. The functions below are for the main
 * thread; they reach a running worker through its mailbox.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include "base/latch.h"
#include "crew.h"

struct worker;

/* For seat `seat` of the crew, which gets its mailbox here. Takes a reference to
 * `config`. 0 or -errno. */
int must_check worker_new(struct crew *crew, size_t seat, struct config *config,
                          struct worker **ret_worker);
/* Its thread has ended or was never started, and so have all that could send to its
 * mailbox. NULL is fine. */
struct worker *worker_free(struct worker *worker);

/* Starts the thread; it frees what it owns and leaves `latch` as its last act. */
int must_check worker_start(struct worker *worker, struct latch *latch);

/* Exchanges that begin later use this one. The worker is counted in `taken` until it
 * has it. */
void worker_configure(struct worker *worker, struct config *config, struct latch *taken);
/* Accepts no more, finishes what is in flight until `until`, then cancels it and
 * ends. A second call may bring the moment forward. */
void worker_stop(struct worker *worker, usec_t until);
/* The worker runs its loop: it leaves `latch`, which it enters here. */
void worker_greet(struct worker *worker, struct latch *latch);
/* Asks, at the moment `now`, for a sign of life and for the figures at its seat; while a
 * question is open it stays the one. */
void worker_ask(struct worker *worker, usec_t now);
/* How long the question that is open has waited at `now`; 0: none is. */
usec_t worker_silence(const struct worker *worker, usec_t now);

#endif

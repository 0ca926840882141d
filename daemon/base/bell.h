/*
 * Wakes one thread that collects what others leave for it. Ringing costs a load while the
 * thread is up, and a system call only when it sleeps.
 */
#ifndef BASE_BELL_H
#define BASE_BELL_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/errors.h"

struct bell;

int must_check bell_new(struct bell **ret_bell); /* 0 or -errno */
struct bell *bell_free(struct bell *bell);       /* NULL is fine */

/* Any thread, after it has left something with a sequentially consistent store. */
void bell_ring(struct bell *bell);
/* Any thread: ends the sleep, or the next one, whether armed or not. */
void bell_wake(struct bell *bell);

/* The sleeper only. Arms the bell; afterwards it must look once more at what others leave,
 * and only sleep if there is nothing: who leaves something later rings. */
void bell_arm(struct bell *bell);
/* Until somebody rings or `timeout` passes. The bell is not armed any more, and was needed
 * for nothing but bell_wake() if it was not. */
void bell_sleep(struct bell *bell, usec_t timeout);

#endif

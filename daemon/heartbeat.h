/*
 * The daemon's pulse as the service manager sees it: the watchdog is pinged only when every
 * worker has answered since the last beat, and the unit's status shows what the workers
 * say of themselves. All on the main thread.
 */
#ifndef DAEMON_HEARTBEAT_H
#define DAEMON_HEARTBEAT_H

#include "worker.h"

enum { HEARTBEAT_NOTE = 128, HEARTBEAT_STATUS = 384 };

struct heartbeat {
    const struct crew *crew;
    struct worker *const *workers; /* crew->count of them */
    usec_t interval;               /* 0: no service manager */
    usec_t next;
    bool watched, stopping;
    char note[HEARTBEAT_NOTE];     /* what people should know beside the figures */
    char status[HEARTBEAT_STATUS]; /* as last sent */
};

/* The workers run. `every` is the longest time between two beats; the watchdog may ask for
 * more of them. Without a service manager nothing ever beats. */
void heartbeat_start(struct heartbeat *heartbeat, const struct crew *crew,
                     struct worker *const *workers, usec_t every);

/* Beats if it is time; the moment of the next beat, USEC_NEVER: none. */
usec_t heartbeat_turn(struct heartbeat *heartbeat);

/* Shows `note` with the figures from now on, at once; "": none. */
void heartbeat_note(struct heartbeat *heartbeat, const char *note);

/* The workers end one by one and need not answer any more; the drain has its own clock. */
void heartbeat_stop(struct heartbeat *heartbeat);

#endif

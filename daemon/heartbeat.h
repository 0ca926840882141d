/*
 * The daemon's pulse: every worker is asked now and then whether it lives. Who does not answer
 * is named in the log and to who asks here; a service manager's watchdog is pinged only when
 * all have answered since the last beat, and the unit's status shows what the workers say of
 * themselves. All on the main thread.
 */
#ifndef DAEMON_HEARTBEAT_H
#define DAEMON_HEARTBEAT_H

#include "worker.h"

enum { HEARTBEAT_NOTE = 128, HEARTBEAT_STATUS = 384 };

struct heartbeat {
    const struct crew *crew;
    struct worker *const *workers; /* crew->count of them */
    usec_t interval;
    usec_t last, next; /* beats */
    bool watched, stopping;
    char note[HEARTBEAT_NOTE];     /* what people should know beside the figures */
    char status[HEARTBEAT_STATUS]; /* as last sent */
};

/* The workers run. `every` is the longest time between two beats; the watchdog may ask for
 * more of them. A worker that has owed an answer for so long is silent. */
void heartbeat_start(struct heartbeat *heartbeat, const struct crew *crew,
                     struct worker *const *workers, usec_t every);

/* Beats if it is time; the moment of the next beat. */
usec_t heartbeat_turn(struct heartbeat *heartbeat);

/* Shows `note` with the figures from now on, at once; "": none. */
void heartbeat_note(struct heartbeat *heartbeat, const char *note);

/* How long a worker has owed an answer at `now`: 0 when it has answered, when nobody has been
 * asked yet, and when they need not answer any more. */
usec_t heartbeat_silence(const struct heartbeat *heartbeat, size_t seat, usec_t now);
/* The first worker that is silent at `now`; false: none is. */
bool heartbeat_is_silent(const struct heartbeat *heartbeat, usec_t now, size_t *ret_seat);

/* The workers end one by one and need not answer any more; the drain has its own clock. */
void heartbeat_stop(struct heartbeat *heartbeat);

#endif

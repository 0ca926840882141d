/*
 * Which calls may be in flight: no more than `limits.inFlight` of the whole daemon
 * and `maxInFlight` to one upstream. Beyond the latter up to `maxWaiting` calls wait
 * for a place, in the order in which they came, whatever thread they are on.
 */
#ifndef BACK_ADMISSION_H
#define BACK_ADMISSION_H

#include "base/mailbox.h"
#include "core/config.h"

struct ticket;

/* The wait is over and a place is taken. Runs when the mailbox is drained. */
typedef void admission_granted_fn(void *ctx);

struct admission { /* one call's; zero-initialised: holds nothing */
    const struct config *config;
    const struct upstream *upstream; /* NULL: only the daemon's own limit counts */
    bool in_flight;
    struct ticket *ticket; /* waits */
};

enum { ADMISSION_GRANTED, ADMISSION_WAITS, ADMISSION_REFUSED, ADMISSION_DAEMON_FULL };

/* `config` and `upstream` must live until admission_end(). Drain `home` once more
 * when no call is left: a place that came too late may still be in there. */
int must_check admission_begin(struct admission *admission, const struct config *config,
                               const struct upstream *upstream, struct mailbox *home,
                               admission_granted_fn *granted, void *ctx);
/* Gives back what it holds, or leaves the queue. Fine when there is nothing. */
void admission_end(struct admission *admission);

#endif

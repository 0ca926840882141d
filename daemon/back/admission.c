/*
 * Two gauges, the daemon's and the upstream's. A call that waits for the upstream
 * counts for the daemon: what waits costs memory too, and a call that has waited
 * cannot be refused in the end.
 *
 * A ticket is its own allocation: if the place is on its way when the call gives up,
 * the ticket loses its call, passes the place on when it arrives, and frees itself.
 */
#include "back/admission.h"

#include <stdlib.h>

#include "base/mem.h"

struct ticket {
    struct gauge_waiter waiter;  /* first */
    struct admission *admission; /* NULL: given up */
    admission_granted_fn *granted;
    void *ctx;
};

static void place_came_home(struct mail *mail, void *receiver)
{
    struct ticket *ticket = (struct ticket *)(void *)mail; /* the first member's first member */
    struct admission *admission = ticket->admission;
    (void)receiver;
    if (admission) {
        admission->ticket = NULL;
        admission->in_flight = true;
        ticket->granted(ticket->ctx);
    } else {
        gauge_leave(ticket->waiter.gauge);
    }
    gauge_unref(ticket->waiter.gauge);
    free(ticket);
}

static int queue_up(struct admission *admission, struct mailbox *home,
                    admission_granted_fn *granted, void *ctx)
{
    const struct upstream *upstream = admission->upstream;
    struct ticket *ticket = mem_new(sizeof *ticket);
    *ticket = (struct ticket){
        .waiter = {.mail.deliver = place_came_home, .home = home},
        .admission = admission,
        .granted = granted,
        .ctx = ctx,
    };
    int rc = gauge_wait(upstream->in_flight, upstream->max_in_flight, upstream->max_waiting,
                        &ticket->waiter);
    if (rc == GAUGE_WAITS) {
        admission->ticket = ticket;
        return ADMISSION_WAITS;
    }
    free(ticket);
    return rc == GAUGE_ENTERED ? ADMISSION_GRANTED : ADMISSION_REFUSED;
}

int admission_begin(struct admission *admission, const struct config *config,
                    const struct upstream *upstream, struct mailbox *home,
                    admission_granted_fn *granted, void *ctx)
{
    if (!gauge_enter(config->in_flight, config->limits.in_flight))
        return ADMISSION_DAEMON_FULL;
    admission->config = config;
    admission->upstream = upstream;
    int result = ADMISSION_GRANTED;
    if (upstream && !gauge_enter(upstream->in_flight, upstream->max_in_flight))
        result =
            upstream->max_waiting > 0 ? queue_up(admission, home, granted, ctx) : ADMISSION_REFUSED;
    if (result == ADMISSION_REFUSED) {
        gauge_leave(config->in_flight);
        admission->config = NULL;
    }
    admission->in_flight = result == ADMISSION_GRANTED;
    return result;
}

static void tear_up(struct admission *admission)
{
    struct ticket *ticket = admission->ticket;
    admission->ticket = NULL;
    ticket->admission = NULL;
    if (gauge_withdraw(&ticket->waiter))
        free(ticket);
}

void admission_end(struct admission *admission)
{
    if (!admission->config)
        return;
    gauge_leave(admission->config->in_flight);
    admission->config = NULL;
    if (admission->ticket)
        tear_up(admission);
    else if (admission->in_flight && admission->upstream)
        gauge_leave(admission->upstream->in_flight);
    admission->in_flight = false;
}

/* What the parts of the composition root share (daemon.c, reload.c, stop.c). All on the main
 * thread. */
#ifndef DAEMON_DAEMON_INNER_H
#define DAEMON_DAEMON_INNER_H

#include "admin.h"
#include "base/log.h"
#include "heartbeat.h"
#include "worker.h"

struct daemon {
    const char *file;
    struct config *config;  /* in force */
    struct config *started; /* what only a restart changes is as it says */
    struct arena *arena;
    struct listeners listeners, admin_listeners;
    struct loop *loop; /* of the main thread */
    struct watch signals;
    struct admin *admin; /* NULL: no pages */
    struct crew crew;
    struct worker **workers; /* crew.count of them */
    struct heartbeat heartbeat;
    struct latch *workers_in, *resolvers_in;
    int signal_fd;
    char identity[sizeof "gatherd-00000000"];
};

/* Of a line about an event of events.h. */
static inline struct log_fields event_fields(const char *id)
{
    struct log_fields fields = {.count = 0};
    log_add_text(&fields, LOG_MESSAGE_ID, id);
    return fields;
}

/* What signals ask for. */
struct asked {
    bool stop, reload;
};

/* What the signals since the last call ask for: several of a kind are one. */
struct asked daemon_asked(struct daemon *daemon);

/* Runs what is due on the main thread; the moment to come back at the latest. */
usec_t daemon_turn(struct daemon *daemon, usec_t until);

void daemon_apply_log_level(const struct config *config);

/* Reads the configuration anew and puts it in force, or leaves the old one as it was and says
 * why. */
void daemon_reload(struct daemon *daemon);

/* Finishes what is in flight, for as long as `drain` allows; then no worker runs any more. */
void daemon_stop(struct daemon *daemon);
/* Frees everything. The workers have ended or were never started. `code` is what the process
 * is to leave with; it may leave from here. */
void daemon_take_apart(struct daemon *daemon, int code);

#endif

/*
 * Workers and resolver threads are detached; two latches count them, because
 * the order of the end matters: workers first, then the resolver, whose
 * threads may still post to the workers' mailboxes, then the mailboxes.
 */
#include <stdlib.h>
#include <unistd.h>

#include "access_log.h"
#include "back/curl_global.h"
#include "back/span_export.h"
#include "cli.h"
#include "daemon_inner.h"
#include "events.h"
#include "sys/notify.h"

#define OVERRUN       (5 * USEC_PER_SEC) /* what ending may take beyond the drain time */
#define STOP_POLL     (20 * USEC_PER_MSEC)
#define RESOLVER_WAIT (100 * USEC_PER_MSEC)
#define LAST_EXTEND   (10 * USEC_PER_SEC) /* the outlets' waits, and some more */

static void tell_workers(struct daemon *daemon, usec_t until)
{
    for (size_t i = 0; i < daemon->crew.count; i++)
        worker_stop(daemon->workers[i], until);
}

static void report_stopped(const struct daemon *daemon, usec_t began)
{
    struct log_fields fields = event_fields(EVENT_STOPPED);
    uint64_t cut = atomic_load(&daemon->crew.cut);
    log_add_number(&fields, "DURATION_US", clock_now() - began);
    if (cut == 0) {
        log_event(LOG_LEVEL_INFO, &fields, "stopped: everything in flight has ended");
        return;
    }
    const char *were = cut == 1 ? " was" : "s were";
    log_add_number(&fields, "REQUESTS_CUT", cut);
    log_event(LOG_LEVEL_WARNING, &fields, "stopped: %llu request%s cut off after the drain time",
              (unsigned long long)cut, were);
}

/* What waits for a reload meanwhile waits in vain: nobody will serve by it. */
void daemon_stop(struct daemon *daemon)
{
    usec_t began = clock_now(), until = began + daemon->config->drain;
    bool open = true, hurried = false;
    struct log_fields fields = event_fields(EVENT_STOPPING);
    log_event(LOG_LEVEL_INFO, &fields, "stopping: finishing what is in flight");
    admin_enter(daemon->admin, ADMIN_DRAINING);
    notify_stopping();
    notify_extend(daemon->config->drain + OVERRUN);
    heartbeat_stop(&daemon->heartbeat);
    tell_workers(daemon, until);
    while (!latch_wait(daemon->workers_in, STOP_POLL)) {
        if (open && atomic_load(&daemon->crew.accepting) == 0) {
            listeners_close(&daemon->listeners);
            open = false;
        }
        heartbeat_turn(&daemon->heartbeat);
        daemon_turn(daemon, 0);
        if (daemon_asked(daemon).stop && !hurried) {
            hurried = true;
            until = clock_now();
            tell_workers(daemon, until);
        }
        if (clock_now() > until + OVERRUN) {
            log_error("stopped: workers did not end in time");
            _exit(EXIT_FAILED);
        }
    }
    report_stopped(daemon, began);
    notify_extend(LAST_EXTEND);
}

static void stop_outlets(struct daemon *daemon)
{
    if (!access_log_stop(daemon->crew.access_log) || !span_export_stop(daemon->crew.span_export)) {
        log_error("stopped: the access log or tracing did not end in time");
        _exit(EXIT_FAILED);
    }
}

/* Nobody waits for an answer any more. A lookup that hangs in the C library cannot be ended,
 * and what its thread uses must not be freed: the process ends with both. */
static void stop_resolver(struct daemon *daemon, int code)
{
    daemon->crew.resolver = resolver_stop(daemon->crew.resolver);
    if (latch_wait(daemon->resolvers_in, RESOLVER_WAIT))
        return;
    log_info("stopped: a name lookup that does not end is left behind");
    listeners_close(&daemon->listeners);
    _exit(code);
}

void daemon_take_apart(struct daemon *daemon, int code)
{
    daemon->admin = admin_free(daemon->admin);
    listeners_close(&daemon->admin_listeners);
    stop_outlets(daemon);
    if (daemon->crew.resolver)
        stop_resolver(daemon, code);
    for (size_t i = 0; i < daemon->crew.count; i++)
        worker_free(daemon->workers[i]);
    access_log_free(daemon->crew.access_log);
    span_export_free(daemon->crew.span_export);
    listeners_close(&daemon->listeners);
    if (daemon->loop)
        loop_unwatch(daemon->loop, &daemon->signals);
    daemon->loop = loop_free(daemon->loop);
    if (daemon->signal_fd >= 0)
        close(daemon->signal_fd);
    curl_global_stop();
    latch_free(daemon->workers_in);
    latch_free(daemon->resolvers_in);
    config_unref(daemon->started);
    config_unref(daemon->config);
    arena_free(daemon->arena);
}

/*
 * Everything that can fail comes before anything changes: a reload puts all of the new
 * configuration in force, or nothing of it.
 */
#include <stdio.h>
#include <string.h>

#include "access_log.h"
#include "back/span_export.h"
#include "core/config_changes.h"
#include "daemon_inner.h"
#include "events.h"
#include "load.h"
#include "sys/notify.h"

#define RELOAD_WAIT (2 * USEC_PER_SEC)

static void report_broken(struct daemon *daemon, const struct faults *faults)
{
    char note[HEARTBEAT_NOTE];
    struct log_fields fields = event_fields(EVENT_RELOAD_FAILED);
    for (const struct fault *fault = faults->first; fault; fault = fault->next)
        log_error("%s: %s", fault->place, fault->text);
    const char *plural = faults->count == 1 ? "" : "s";
    log_event(LOG_LEVEL_ERROR, &fields,
              "the configuration stays as it was: the new one has %zu fault%s", faults->count,
              plural);
    snprintf(note, sizeof note, "the new configuration has %zu fault%s, the old one is in force",
             faults->count, plural);
    heartbeat_note(&daemon->heartbeat, note);
}

/* Takes `config`: NULL, with a fault, when its access log cannot be opened. */
static struct config *open_access_log(struct daemon *daemon, struct config *config,
                                      struct faults *faults)
{
    int rc = access_log_prepare(daemon->crew.access_log, config);
    if (rc == 0)
        return config;
    load_blame_access_log(config, -rc, faults);
    return config_unref(config);
}

static void apply_tracing(struct daemon *daemon, struct config *config)
{
    int rc = span_export_configure(daemon->crew.span_export, config);
    if (rc != 0)
        log_error("tracing cannot be changed: %s", strerror(-rc));
}

/* The configuration stays; its log may have been moved away. */
static void open_outlets_anew(struct daemon *daemon)
{
    struct config *config = daemon->config;
    int rc = access_log_prepare(daemon->crew.access_log, config);
    if (rc == 0)
        access_log_commit(daemon->crew.access_log);
    else
        log_error("the access log stays where it was: %s cannot be opened: %s",
                  config->access_log.to, access_log_refusal(config, rc));
    apply_tracing(daemon, config);
}

/* What is on must run before the workers use it, and what is off until they no longer do. */
static void apply_outlets(struct daemon *daemon, struct config *config, bool on)
{
    if ((config->access_log.target != ACCESS_OFF) == on)
        access_log_commit(daemon->crew.access_log);
    if (config->tracing.on == on)
        apply_tracing(daemon, config);
}

/* Its access log is open. Returns once every worker has it, so that the log line afterwards
 * tells the truth. */
static void apply_config(struct daemon *daemon, struct config *config, bool restart_needed)
{
    struct latch *taken = latch_new();
    apply_outlets(daemon, config, true);
    for (size_t i = 0; i < daemon->crew.count; i++)
        tally_prepare(daemon->crew.seats[i].tally, config);
    for (size_t i = 0; i < daemon->crew.count; i++)
        worker_configure(daemon->workers[i], config, taken);
    if (!latch_wait(taken, RELOAD_WAIT))
        log_warning("a worker is busy and will take the new configuration later");
    latch_free(taken);
    apply_outlets(daemon, config, false);
    config_set_limits(config);
    resolver_reload(daemon->crew.resolver, &config->resolver);
    daemon_apply_log_level(config);
    admin_reloaded(daemon->admin, config, restart_needed);
    config_unref(daemon->config);
    daemon->config = config;
}

void daemon_reload(struct daemon *daemon)
{
    scope_arena struct arena *arena = arena_new();
    struct faults faults;
    faults_init(&faults, arena, LOAD_FAULTS_SHOWN);
    usec_t began = clock_now();
    notify_reloading();
    struct config *config = load_config_to_serve(daemon->file, daemon->config, &faults);
    if (config)
        config = open_access_log(daemon, config, &faults);
    if (!config) {
        report_broken(daemon, &faults);
        admin_reloaded(daemon->admin, NULL, false);
        open_outlets_anew(daemon);
        notify_ready();
        return;
    }
    const char *waiting = config_needs_restart(daemon->started, config, arena);
    apply_config(daemon, config, waiting != NULL);
    if (waiting)
        log_warning("a restart is needed for changes to: %s", waiting);
    struct log_fields fields = event_fields(EVENT_RELOADED);
    log_add_number(&fields, "DURATION_US", clock_now() - began);
    log_event(LOG_LEVEL_INFO, &fields, "configuration reloaded");
    heartbeat_note(&daemon->heartbeat, waiting ? "a restart is needed for some changes" : "");
    notify_ready();
}

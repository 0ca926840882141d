/*
 * The composition root. The main thread serves nobody but who looks at the admin pages: it
 * waits for signals, and for the moment to ask all workers whether they live and to tell the
 * service manager.
 *
 * Workers and resolver threads are detached; two latches count them, because
 * the order of the end matters: workers first, then the resolver, whose
 * threads may still post to the workers' mailboxes, then the mailboxes.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "access_log.h"
#include "admin.h"
#include "back/curl_global.h"
#include "back/span_export.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli.h"
#include "core/config_changes.h"
#include "events.h"
#include "heartbeat.h"
#include "load.h"
#include "sys/journal.h"
#include "sys/limits.h"
#include "sys/notify.h"
#include "sys/signals.h"
#include "worker.h"

#define OVERRUN     (5 * USEC_PER_SEC) /* what ending may take beyond the drain time */
#define START_WAIT  (10 * USEC_PER_SEC)
#define BEAT_EVERY  (3 * USEC_PER_SEC)
#define STOP_POLL   (20 * USEC_PER_MSEC)
#define RELOAD_WAIT (2 * USEC_PER_SEC)

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

static void apply_log_level(const struct config *config)
{
    static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
                                            LOG_LEVEL_DEBUG};
    log_set_level(levels[config->log_level]);
}

static int make_identity(struct daemon *daemon)
{
    uint32_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return -errno;
    snprintf(daemon->identity, sizeof daemon->identity, "gatherd-%08x", number);
    return 0;
}

/* ---- start ---- */

static void report_unused(struct daemon *daemon, struct passed_sockets *passed)
{
    for (size_t i = 0; i < passed->count; i++) {
        const char *unused = listen_unused(&passed->items[i], daemon->arena);
        if (unused)
            log_warning("systemd passed the socket %s, and no entry of listen takes it: "
                        "nobody is served there",
                        unused);
    }
}

static int open_listeners(struct daemon *daemon)
{
    struct passed_sockets passed;
    int rc = passed_take(daemon->arena, &passed);
    if (rc != 0) {
        log_error("the sockets that systemd passed cannot be used: %s", strerror(-rc));
        return rc;
    }
    /* "systemd" among those of clients takes what is left. */
    const char *wrong =
        listeners_open(&daemon->config->admin, &passed, daemon->arena, &daemon->admin_listeners);
    if (!wrong)
        wrong = listeners_open(&daemon->config->listen, &passed, daemon->arena, &daemon->listeners);
    if (wrong) {
        log_error("%s", wrong);
        return -EADDRINUSE;
    }
    report_unused(daemon, &passed);
    return 0;
}

/* Where requests leave their records and spans. */
static int make_outlets(struct daemon *daemon, size_t workers)
{
    struct config *config = daemon->config;
    struct crew *crew = &daemon->crew;
    int rc = access_log_new(workers, config->access_log.ring, JOURNAL_SOCKET, &crew->access_log);
    if (rc == 0)
        rc = span_export_new(workers, config->tracing.queue, &crew->span_export);
    return rc == 0 ? span_export_configure(crew->span_export, config) : rc;
}

static int make_workers(struct daemon *daemon)
{
    struct crew *crew = &daemon->crew;
    size_t count = daemon->config->workers > 0 ? daemon->config->workers : limits_cpus();
    crew->listeners = &daemon->listeners;
    crew->identity = daemon->identity;
    crew->seats = arena_array(daemon->arena, count, sizeof *crew->seats);
    crew->siblings.items = arena_array(daemon->arena, count, sizeof *crew->siblings.items);
    crew->siblings.count = count;
    daemon->workers = arena_array(daemon->arena, count, sizeof(struct worker *));
    crew->count = count;
    int rc = make_outlets(daemon, count);
    if (rc == 0)
        rc = resolver_new(&daemon->config->resolver, daemon->resolvers_in, &crew->resolver);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = worker_new(crew, i, daemon->config, &daemon->workers[i]);
    return rc;
}

static void signals_ready(struct watch *watch, uint32_t events)
{
    (void)watch;
    (void)events; /* they are taken after the turn */
}

static int make_loop(struct daemon *daemon)
{
    int rc = loop_new(&daemon->loop);
    if (rc == 0)
        rc = loop_watch(daemon->loop, &daemon->signals, daemon->signal_fd, EPOLLIN, signals_ready);
    return rc;
}

static int open_access_log(struct daemon *daemon)
{
    int rc = access_log_configure(daemon->crew.access_log, daemon->config);
    if (rc != 0)
        log_error("accessLog: %s cannot be opened: %s", daemon->config->access_log.to,
                  access_log_refusal(daemon->config, rc));
    return rc;
}

static int open_admin(struct daemon *daemon)
{
    if (daemon->admin_listeners.count == 0)
        return 0;
    int rc = admin_new(daemon->loop, &daemon->admin_listeners, &daemon->admin);
    if (rc != 0) {
        log_error("cannot serve the admin pages: %s", strerror(-rc));
        return rc;
    }
    admin_watch(daemon->admin, &daemon->crew, &daemon->heartbeat, daemon->config);
    for (size_t i = 0; i < daemon->admin_listeners.count; i++)
        log_info("admin pages on %s", daemon->admin_listeners.items[i].name);
    return 0;
}

static int prepare(struct daemon *daemon)
{
    uint64_t descriptors;
    limits_keep_memory();
    int rc = limits_raise_open_files(&descriptors);
    if (rc == 0)
        rc = signals_open(&daemon->signal_fd);
    if (rc == 0)
        rc = make_identity(daemon);
    if (rc == 0)
        rc = curl_global_start();
    if (rc != 0) {
        log_error("cannot start: %s", strerror(-rc));
        return rc;
    }
    rc = open_listeners(daemon);
    if (rc != 0)
        return rc; /* said already */
    /* Later than passed sockets, whose numbers they might take. */
    log_open_stderr();
    rc = make_loop(daemon);
    if (rc == 0)
        rc = make_workers(daemon);
    if (rc != 0) {
        log_error("cannot start the workers: %s", strerror(-rc));
        return rc;
    }
    rc = open_access_log(daemon);
    return rc == 0 ? open_admin(daemon) : rc;
}

/* Runs what is due on the main thread; the moment to come back at the latest. */
static usec_t turn(struct daemon *daemon, usec_t until)
{
    int rc = loop_turn(daemon->loop, until);
    if (rc != 0)
        log_error("cannot wait for signals: %s", strerror(-rc));
    return admin_turn(daemon->admin);
}

static struct log_fields event(const char *id)
{
    struct log_fields fields = {.count = 0};
    log_add_text(&fields, LOG_MESSAGE_ID, id);
    return fields;
}

/* Until every worker has run a turn of its loop: from then on each of them accepts. */
static void await_workers(struct daemon *daemon)
{
    struct latch *greeted = latch_new();
    for (size_t i = 0; i < daemon->crew.count; i++)
        worker_greet(daemon->workers[i], greeted);
    usec_t until = clock_now() + START_WAIT;
    while (!latch_wait(greeted, STOP_POLL)) {
        if (clock_now() > until) {
            log_error("cannot start: a worker does not answer");
            _exit(EXIT_FAILED);
        }
        turn(daemon, 0);
    }
    latch_free(greeted);
}

static void report_listener(const struct listener *listener)
{
    if (listener->passed_as)
        log_info("listening on %s (systemd:%s)", listener->name, listener->passed_as);
    else
        log_info("listening on %s", listener->name);
}

/* Nobody was served yet, so there is nothing to end in order. */
static void start_workers(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->crew.count; i++) {
        int rc = worker_start(daemon->workers[i], daemon->workers_in);
        if (rc != 0) {
            log_error("cannot start a worker: %s", strerror(-rc));
            _exit(EXIT_FAILED);
        }
    }
    await_workers(daemon);
    for (size_t i = 0; i < daemon->listeners.count; i++)
        report_listener(&daemon->listeners.items[i]);
    struct log_fields fields = event(EVENT_READY);
    admin_enter(daemon->admin, ADMIN_SERVING);
    log_event(LOG_LEVEL_INFO, &fields, "ready: %zu workers", daemon->crew.count);
    notify_ready();
    heartbeat_start(&daemon->heartbeat, &daemon->crew, daemon->workers, BEAT_EVERY);
}

/* ---- while it runs ---- */

static void report_broken(struct daemon *daemon, const struct faults *faults)
{
    char note[HEARTBEAT_NOTE];
    struct log_fields fields = event(EVENT_RELOAD_FAILED);
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

static void apply_access_log(struct daemon *daemon, struct config *config)
{
    int rc = access_log_configure(daemon->crew.access_log, config);
    if (rc != 0)
        log_error("the access log stays where it was: %s cannot be opened: %s",
                  config->access_log.to, access_log_refusal(config, rc));
}

static void apply_tracing(struct daemon *daemon, struct config *config)
{
    int rc = span_export_configure(daemon->crew.span_export, config);
    if (rc != 0)
        log_error("tracing cannot be changed: %s", strerror(-rc));
}

/* What is on must run before the workers use it, and what is off until they no longer do. */
static void apply_outlets(struct daemon *daemon, struct config *config, bool on)
{
    if ((config->access_log.target != ACCESS_OFF) == on)
        apply_access_log(daemon, config);
    if (config->tracing.on == on)
        apply_tracing(daemon, config);
}

/* Returns once every worker has it, so that the log line afterwards tells the truth. */
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
    apply_log_level(config);
    admin_reloaded(daemon->admin, config, restart_needed);
    config_unref(daemon->config);
    daemon->config = config;
}

static void reload(struct daemon *daemon)
{
    scope_arena struct arena *arena = arena_new();
    struct faults faults;
    faults_init(&faults, arena, LOAD_FAULTS_SHOWN);
    usec_t began = clock_now();
    notify_reloading();
    struct config *config = load_config_to_serve(daemon->file, daemon->config, &faults);
    if (!config) {
        report_broken(daemon, &faults);
        admin_reloaded(daemon->admin, NULL, false);
        apply_outlets(daemon, daemon->config, true); /* a log may have been moved away */
        notify_ready();
        return;
    }
    const char *waiting = config_needs_restart(daemon->started, config, arena);
    apply_config(daemon, config, waiting != NULL);
    if (waiting)
        log_warning("a restart is needed for changes to: %s", waiting);
    struct log_fields fields = event(EVENT_RELOADED);
    log_add_number(&fields, "DURATION_US", clock_now() - began);
    log_event(LOG_LEVEL_INFO, &fields, "configuration reloaded");
    heartbeat_note(&daemon->heartbeat, waiting ? "a restart is needed for some changes" : "");
    notify_ready();
}

/* True when a signal says to stop. */
static bool take_signals(struct daemon *daemon)
{
    int number;
    bool stop = false;
    while (signals_next(daemon->signal_fd, &number) == 0) {
        if (number == SIGHUP && !stop)
            reload(daemon);
        stop = stop || number == SIGTERM || number == SIGINT;
    }
    return stop;
}

static void serve(struct daemon *daemon)
{
    usec_t admin_next = 0;
    while (!take_signals(daemon)) {
        usec_t next = heartbeat_turn(&daemon->heartbeat);
        admin_next = turn(daemon, admin_next < next ? admin_next : next);
    }
}

/* ---- stop ---- */

static void tell_workers(struct daemon *daemon, usec_t until)
{
    for (size_t i = 0; i < daemon->crew.count; i++)
        worker_stop(daemon->workers[i], until);
}

static void stop_workers(struct daemon *daemon)
{
    usec_t began = clock_now(), until = began + daemon->config->drain;
    bool open = true, hurried = false;
    struct log_fields fields = event(EVENT_STOPPING);
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
        turn(daemon, 0);
        if (!hurried && take_signals(daemon)) {
            hurried = true;
            until = clock_now();
            tell_workers(daemon, until);
        }
        if (clock_now() > until + OVERRUN) {
            log_error("stopped: workers did not end in time");
            _exit(EXIT_FAILED);
        }
    }
    fields = event(EVENT_STOPPED);
    log_add_number(&fields, "DURATION_US", clock_now() - began);
    log_event(LOG_LEVEL_INFO, &fields, "stopped: everything in flight has ended");
}

static void stop_resolver(struct daemon *daemon)
{
    daemon->crew.resolver = resolver_stop(daemon->crew.resolver);
    if (!latch_wait(daemon->resolvers_in, OVERRUN)) {
        log_error("stopped: a name lookup did not end in time");
        _exit(EXIT_FAILED);
    }
}

static void stop_outlets(struct daemon *daemon)
{
    if (!access_log_stop(daemon->crew.access_log) || !span_export_stop(daemon->crew.span_export)) {
        log_error("stopped: the access log or tracing did not end in time");
        _exit(EXIT_FAILED);
    }
}

static void take_apart(struct daemon *daemon)
{
    daemon->admin = admin_free(daemon->admin);
    listeners_close(&daemon->admin_listeners);
    stop_outlets(daemon);
    if (daemon->crew.resolver)
        stop_resolver(daemon);
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

int daemon_run(struct config *config, const char *file)
{
    struct daemon daemon = {
        .file = file,
        .config = config,
        .started = config_ref(config),
        .arena = arena_new(),
        .workers_in = latch_new(),
        .resolvers_in = latch_new(),
        .signal_fd = -1,
    };
    apply_log_level(config);
    if (!file)
        log_info("no configuration file: running with the built-in defaults");
    int rc = prepare(&daemon);
    if (rc == 0) {
        start_workers(&daemon);
        serve(&daemon);
        stop_workers(&daemon);
    }
    take_apart(&daemon);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

/*
 * The composition root. The main thread serves nobody but who looks at the admin pages: it
 * waits for signals, and for the moment to ask all workers whether they live and to tell the
 * service manager. Reloading is in reload.c, the end in stop.c.
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
#include "back/curl_global.h"
#include "back/span_export.h"
#include "cli.h"
#include "daemon_inner.h"
#include "events.h"
#include "sys/journal.h"
#include "sys/limits.h"
#include "sys/notify.h"
#include "sys/signals.h"
#include "worker.h"

#define START_WAIT (10 * USEC_PER_SEC)
#define START_POLL (20 * USEC_PER_MSEC)
#define BEAT_EVERY (3 * USEC_PER_SEC)

void daemon_apply_log_level(const struct config *config)
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

static int open_listeners(struct daemon *daemon, struct passed_sockets *passed)
{
    /* "systemd" among those of clients takes what is left. */
    const char *wrong =
        listeners_open(&daemon->config->admin, passed, daemon->arena, &daemon->admin_listeners);
    if (!wrong)
        wrong = listeners_open(&daemon->config->listen, passed, daemon->arena, &daemon->listeners);
    if (wrong) {
        log_error("%s", wrong);
        return -EADDRINUSE;
    }
    report_unused(daemon, passed);
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
    int rc = access_log_prepare(daemon->crew.access_log, daemon->config);
    if (rc == 0)
        access_log_commit(daemon->crew.access_log);
    else
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

static int prepare(struct daemon *daemon, struct passed_sockets *passed)
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
    rc = open_listeners(daemon, passed);
    if (rc != 0)
        return rc; /* said already */
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

usec_t daemon_turn(struct daemon *daemon, usec_t until)
{
    int rc = loop_turn(daemon->loop, until);
    if (rc != 0)
        log_error("cannot wait for signals: %s", strerror(-rc));
    return admin_turn(daemon->admin);
}

/* Until every worker has run a turn of its loop: from then on each of them accepts. */
static void await_workers(struct daemon *daemon)
{
    struct latch *greeted = latch_new();
    for (size_t i = 0; i < daemon->crew.count; i++)
        worker_greet(daemon->workers[i], greeted);
    usec_t until = clock_now() + START_WAIT;
    while (!latch_wait(greeted, START_POLL)) {
        if (clock_now() > until) {
            log_error("cannot start: a worker does not answer");
            _exit(EXIT_FAILED);
        }
        daemon_turn(daemon, 0);
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
    struct log_fields fields = event_fields(EVENT_READY);
    admin_enter(daemon->admin, ADMIN_SERVING);
    log_event(LOG_LEVEL_INFO, &fields, "ready: %zu workers", daemon->crew.count);
    notify_ready();
    heartbeat_start(&daemon->heartbeat, &daemon->crew, daemon->workers, BEAT_EVERY);
}

/* ---- while it runs ---- */

/* Each of the three can wait only once, so a few rounds see all; who sends more of them all
 * the time must not keep us here. */
struct asked daemon_asked(struct daemon *daemon)
{
    enum { ROUNDS = 8 };
    struct asked asked = {.stop = false};
    int number;
    for (int i = 0; i < ROUNDS && signals_next(daemon->signal_fd, &number) == 0; i++) {
        asked.reload = asked.reload || number == SIGHUP;
        asked.stop = asked.stop || number == SIGTERM || number == SIGINT;
    }
    return asked;
}

/* However often a reload is asked for, between two of them the watchdog, the admin pages and
 * the wish to stop get their turn. */
static void serve(struct daemon *daemon)
{
    usec_t admin_next = 0;
    for (;;) {
        struct asked asked = daemon_asked(daemon);
        if (asked.stop)
            return;
        if (asked.reload)
            daemon_reload(daemon);
        usec_t next = heartbeat_turn(&daemon->heartbeat);
        admin_next = daemon_turn(daemon, admin_next < next ? admin_next : next);
    }
}

int daemon_run(struct config *config, const char *file, struct passed_sockets *passed)
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
    daemon_apply_log_level(config);
    if (!file)
        log_info("no configuration file: running with the built-in defaults");
    int rc = prepare(&daemon, passed);
    int code = rc == 0 ? EXIT_SUCCESS : EXIT_FAILED;
    if (rc == 0) {
        start_workers(&daemon);
        serve(&daemon);
        daemon_stop(&daemon);
    }
    daemon_take_apart(&daemon, code);
    return code;
}

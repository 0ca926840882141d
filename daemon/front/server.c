/*
 * libmicrohttpd's epoll descriptor is watched in the thread's loop. Its inside is
 * edge-triggered, so the descriptor alone does not say everything: after each run
 * it is asked whether it wants to run again (a timeout of 0), and a resume marks
 * the server as due. Without that, resumed connections would stall.
 *
 * Memory of a connection holds the head of the request, libmicrohttpd's record
 * per field and query member and the reply's header all together. It clears all of it
 * for every request, so it is sized for the largest request head and the largest reply
 * header, but not for the records beside both: then the reply's header gets less.
 */
#include "front/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "front/connection.h"
#include "front/intake.h"
#include "front/reply.h"

enum {
    ROUNDS_MAX = 16,           /* per turn, so that the loop's other work gets its time */
    CONNECTIONS_MAX = 1 << 24, /* ours is enforced when accepting */
};

struct server {
    struct front front;
    struct MHD_Daemon *daemon;
    struct watch watch;
};

static void ready(struct watch *watch, uint32_t events)
{
    (void)events;
    container_of(watch, struct server, watch)->front.due = true;
}

static void notice_connection(void *cls, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = connection_open(cls, mhd);
        return;
    }
    struct connection *connection = *context;
    intake_closed(connection);
    connection_close(connection);
    *context = NULL;
}

/* Paths and query strings stay as they were sent. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static void log_panic(void *cls, const char *file, unsigned line, const char *reason)
{
    (void)cls;
    log_error("libmicrohttpd gave up at %s:%u: %s", file, line, reason ? reason : "no reason");
    abort();
}

/* Before 1.0 strictness adds only two checks that ours contain (Host, spaces in the
 * target), and breaks them with no reply or a doubled one. Later it means much more. */
static intptr_t strictness(void)
{
    return strncmp(MHD_get_version(), "0.", 2) == 0 ? 0 : 1;
}

static struct MHD_Daemon *start_daemon(struct server *server)
{
    size_t memory =
        (size_t)server->front.config->limits.request_header + REPLY_HEADER_MAX + FRONT_SPARE;
    server->front.memory = memory;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_STRICT_FOR_CLIENT, strictness(), NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)intake_begin, &server->front},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)notice_connection, &server->front},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)intake_completed, &server->front},
        {MHD_OPTION_END, 0, NULL},
    };
    MHD_set_panic_func(log_panic, NULL);
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, intake_handle, &server->front, MHD_OPTION_EXTERNAL_LOGGER, library_log,
        &server->front.replies, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

int server_new(struct loop *loop, const struct fanout_engine *engine, struct config *config,
               struct server **ret_server)
{
    struct server *server = mem_new(sizeof *server);
    server->front = (struct front){
        .loop = loop,
        .engine = engine,
        .config = config_ref(config),
        .client_left = intake_client_left,
    };
    errno = 0;
    server->daemon = start_daemon(server);
    int rc = errno > 0 ? -errno : -ENOMEM; /* it does not say why it failed */
    if (server->daemon) {
        const union MHD_DaemonInfo *info =
            MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        rc = loop_watch(loop, &server->watch, info->epoll_fd, EPOLLIN, ready);
    }
    if (rc != 0) {
        server_free(server);
        return rc;
    }
    *ret_server = server;
    return 0;
}

struct server *server_free(struct server *server)
{
    if (!server)
        return NULL;
    loop_unwatch(server->front.loop, &server->watch);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    assert(server->front.count == 0);
    config_unref(server->front.config);
    free(server);
    return NULL;
}

void server_observe(struct server *server, const struct outlets *outlets)
{
    server->front.outlets = outlets;
}

int server_add(struct server *server, int fd, const struct sockaddr *peer, socklen_t len)
{
    if (MHD_add_connection(server->daemon, fd, peer, len) != MHD_YES)
        return errno > 0 ? -errno : -EIO;
    server->front.due = true;
    if (server->front.engine->tally)
        tally_add(&server->front.engine->tally->accepted, 1);
    return 0;
}

bool server_turn(struct server *server)
{
    struct tally *tally = server->front.engine->tally;
    for (int round = 0; round < ROUNDS_MAX && server->front.due; round++) {
        MHD_UNSIGNED_LONG_LONG wait;
        server->front.due = false;
        if (tally)
            tally_add(&tally->turns, 1);
        if (MHD_run(server->daemon) != MHD_YES)
            log_error("libmicrohttpd could not run");
        if (MHD_get_timeout(server->daemon, &wait) == MHD_YES && wait == 0)
            server->front.due = true;
    }
    return server->front.due;
}

void server_configure(struct server *server, struct config *config)
{
    config_unref(server->front.config);
    server->front.config = config_ref(config);
}

size_t server_connections(const struct server *server)
{
    return server->front.count;
}

void server_count_requests(const struct server *server, uint64_t *ret_served,
                           uint64_t *ret_in_flight)
{
    *ret_served = server->front.ended;
    *ret_in_flight = server->front.begun - server->front.ended;
}

void server_drain(struct server *server)
{
    server->front.draining = true;
    for (struct connection *one = server->front.first; one; one = one->next)
        connection_hasten(one);
}

void server_give_up(struct server *server)
{
    server->front.gave_up = true;
    for (struct connection *one = server->front.first; one; one = one->next)
        intake_give_up(one);
}

uint64_t server_cut(const struct server *server)
{
    uint64_t cut = server->front.cut;
    for (const struct connection *one = server->front.first; one; one = one->next)
        cut += one->phase == CONNECTION_REPLY && !one->cut && !one->gone;
    return cut;
}

const char *server_library_version(void)
{
    return MHD_get_version();
}

/*
 * The same order of things as in front/server, without anything to wait for: the first call
 * of the access handler only notes the request, the last one answers it, so that
 * connections may be kept. A body is read up to a limit.
 *
 * Web pages must not read here what they cannot reach otherwise: requests that a page of
 * another site caused are refused, and no reply allows an origin.
 */
#include "front/admin_server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "front/checks.h"
#include "front/guests.h"
#include "front/reply.h"
#include "front/represent.h"

enum {
    CONNECTIONS_MAX = 64,
    LEAVING_MAX = 64,   /* beside them, shown out and not closed yet */
    MEMORY = 24 * 1024, /* of a connection */
    BODY_MAX = 64 * 1024,
    TIMEOUT = 10, /* seconds without a byte */
    ROUNDS_MAX = 16,
};

#define PATIENCE (20 * USEC_PER_SEC) /* from one reply to the next, bytes or not */

#define ALLOWED "GET, HEAD"

/* For pages with many endpoints and upstreams; the main thread has other things to do. */
static const struct compression compression = {
    .gzip = true, .level = 1, .min = 1024, .max = UINT64_MAX};

struct door {
    struct watch watch;
    struct admin_server *server;
    const struct listener *listener;
};

struct admin_server {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct watch watch;
    bool due;
    const char *paths;
    admin_answer_fn *answer;
    void *ctx;
    const struct strings *hosts;
    struct guests guests;
    int reserve; /* a descriptor to give up when there is no other */
    struct door *doors;
    size_t door_count;
};

struct visit {
    char *target; /* raw, with its query */
    struct buffer body;
    bool seen;
};

/* ---- accepting ---- */

static void accept_one(struct door *door)
{
    struct admin_server *server = door->server;
    struct sockaddr_storage peer;
    socklen_t len;
    int fd = listen_accept(door->listener, &peer, &len);
    if (fd == -EMFILE || fd == -ENFILE)
        listen_shed(door->listener, &server->reserve);
    if (fd < 0)
        return;
    if (server->guests.count >= CONNECTIONS_MAX && guests_show_out(&server->guests))
        server->due = true;
    if (server->guests.count >= CONNECTIONS_MAX + LEAVING_MAX)
        close(fd);
    else if (MHD_add_connection(server->daemon, fd, (struct sockaddr *)&peer, len) == MHD_YES)
        server->due = true;
}

static void listener_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    accept_one(container_of(watch, struct door, watch));
}

static void daemon_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    container_of(watch, struct admin_server, watch)->due = true;
}

static void notice_connection(void *cls, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    struct admin_server *server = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *context = guests_enter(&server->guests, fd, clock_now());
    } else {
        guests_leave(&server->guests, *context);
    }
}

/* ---- requests ---- */

struct gathering {
    struct arena *arena;
    struct header_list fields;
    struct wishes wishes;
};

static enum MHD_Result gather(void *cls, enum MHD_ValueKind kind, const char *name,
                              const char *value)
{
    struct gathering *gathering = cls;
    (void)kind;
    wishes_note(&gathering->wishes, name);
    header_add(gathering->arena, &gathering->fields, arena_string(gathering->arena, name),
               arena_string(gathering->arena, value ? value : ""));
    return MHD_YES;
}

/* No page can come by a unix socket, whatever its name is. */
static bool is_local(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info && info->client_addr && info->client_addr->sa_family == AF_UNIX;
}

static struct verdict judge(const struct admin_server *server, struct MHD_Connection *mhd,
                            const char *version, struct inbound *inbound, struct arena *arena,
                            struct wishes *ret_wishes)
{
    static const struct strings nobody;
    struct gathering gathering = {.arena = arena};
    struct body_framing framing;
    const char *origin;
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, gather, &gathering);
    inbound->headers = gathering.fields;
    *ret_wishes = gathering.wishes;
    const struct head head = {.method = inbound->method,
                              .version = version,
                              .target = inbound->target,
                              .fields = &inbound->headers};
    struct verdict verdict = check_message(&head, &framing);
    if (verdict.status == 0 && !is_local(mhd))
        verdict = check_admin_host(&head, server->hosts);
    if (verdict.status == 0)
        verdict = check_origin(&head, &nobody, &origin);
    return verdict;
}

static struct answer *answer_to(const struct admin_server *server, struct inbound *inbound,
                                const char *url, const struct verdict *verdict, struct arena *arena)
{
    const char *method = inbound->method;
    if (verdict->status != 0)
        return answer_problem(verdict->status, verdict->detail);
    struct answer *found = server->answer(server->ctx, inbound, url, arena);
    if (found)
        return found;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        struct answer *answer = answer_problem(
            405, arena_printf(arena, "%s is not allowed here; what is: " ALLOWED, method));
        answer_add_header(answer, "Allow", ALLOWED);
        return answer;
    }
    return answer_problem(404, arena_printf(arena,
                                            "the admin pages have nothing at this path; they have "
                                            "%s. Requests for endpoints go to `listen`",
                                            server->paths));
}

static enum MHD_Result send_answer(const struct admin_server *server, struct MHD_Connection *mhd,
                                   const char *url, const char *method, const char *version,
                                   const struct visit *visit, bool close_after)
{
    scope_arena struct arena *arena = arena_new();
    const char *mark = strchr(visit->target, '?');
    struct inbound inbound = {
        .method = method,
        .target = visit->target,
        .query = mark ? mark + 1 : "",
        .body = visit->body.data ? visit->body.data : "",
        .body_len = visit->body.len,
        .deadline = USEC_NEVER,
    };
    struct wishes wishes;
    struct verdict verdict = judge(server, mhd, version, &inbound, arena, &wishes);
    const struct reply_manner manner = {
        .header_max = REPLY_HEADER_MAX,
        .close = close_after || verdict.broken,
    };
    struct answer *answer = answer_to(server, &inbound, url, &verdict, arena);
    represent(answer, &wishes, &compression, mhd);
    return reply_send(mhd, answer, &manner);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    const struct admin_server *server = cls;
    struct visit *visit = *context;
    if (!visit->seen) {
        visit->seen = true;
        bool waits = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Expect") != NULL;
        return waits ? send_answer(server, mhd, url, method, version, visit, true) : MHD_YES;
    }
    if (*upload_size == 0)
        return send_answer(server, mhd, url, method, version, visit, false);
    buffer_append(&visit->body, upload, *upload_size);
    *upload_size = 0;
    return buffer_status(&visit->body) == 0 ? MHD_YES : MHD_NO;
}

/* The first there is of a request: its target as it was sent. */
static void *begin(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct visit *visit = mem_new(sizeof *visit);
    (void)cls;
    (void)mhd;
    visit->target = mem_string(target);
    buffer_init(&visit->body, BODY_MAX);
    return visit;
}

static void completed(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode code)
{
    struct admin_server *server = cls;
    struct visit *visit = *context;
    (void)code;
    *context = NULL;
    guests_serve(&server->guests,
                 MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context,
                 clock_now());
    if (!visit)
        return;
    free(visit->target);
    buffer_done(&visit->body);
    free(visit);
}

/* Paths stay as they were sent. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* ---- the server ---- */

static void log_library(void *cls, const char *format, va_list args) printf_like(2, 0);
static void log_library(void *cls, const char *format, va_list args)
{
    (void)cls;
    (void)format;
    (void)args; /* about single clients */
}

static int start(struct admin_server *server)
{
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX + LEAVING_MAX, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)begin, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)notice_connection, server},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, server},
        {MHD_OPTION_END, 0, NULL},
    };
    server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG,
                                      0, NULL, NULL, handle, server, MHD_OPTION_EXTERNAL_LOGGER,
                                      log_library, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!server->daemon)
        return -ENOMEM;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return loop_watch(server->loop, &server->watch, info->epoll_fd, EPOLLIN, daemon_ready);
}

int admin_server_new(struct loop *loop, const struct listeners *listeners, const char *paths,
                     admin_answer_fn *answer, void *ctx, struct admin_server **ret_server)
{
    static const struct strings no_hosts;
    struct admin_server *server = mem_new(sizeof *server);
    guests_init(&server->guests, PATIENCE);
    server->loop = loop;
    server->paths = paths;
    server->hosts = &no_hosts;
    server->answer = answer;
    server->ctx = ctx;
    server->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->doors = mem_new(listeners->count * sizeof *server->doors);
    server->door_count = listeners->count;
    int rc = start(server);
    for (size_t i = 0; i < server->door_count && rc == 0; i++) {
        struct door *door = &server->doors[i];
        door->server = server;
        door->listener = &listeners->items[i];
        rc = loop_watch(loop, &door->watch, door->listener->fd, EPOLLIN, listener_ready);
    }
    if (rc != 0) {
        admin_server_free(server);
        return rc;
    }
    *ret_server = server;
    return 0;
}

struct admin_server *admin_server_free(struct admin_server *server)
{
    if (!server)
        return NULL;
    for (size_t i = 0; i < server->door_count; i++)
        loop_unwatch(server->loop, &server->doors[i].watch);
    loop_unwatch(server->loop, &server->watch);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    if (server->reserve >= 0)
        close(server->reserve);
    free(server->doors);
    free(server);
    return NULL;
}

void admin_server_answer_to(struct admin_server *server, const struct strings *hosts)
{
    server->hosts = hosts;
}

static usec_t earlier(usec_t one, usec_t other)
{
    return one < other ? one : other;
}

usec_t admin_server_turn(struct admin_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait;
    usec_t expiry = guests_expire(&server->guests, clock_now());
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool timed = MHD_get_timeout(server->daemon, &wait) == MHD_YES;
        if (!server->due && (!timed || wait > 0))
            return earlier(expiry, timed ? clock_now() + wait * USEC_PER_MSEC : USEC_NEVER);
        server->due = false;
        if (MHD_run(server->daemon) != MHD_YES)
            log_error("libmicrohttpd could not run for the admin pages");
    }
    return clock_now();
}

/*
 * Deadlines move several times per request, mostly to later. So the timer is
 * left where it is unless it would fire too late; when it fires before the
 * deadline it is set again. A request costs no heap operation that way.
 *
 * The watch is edge-triggered and never asks for input, so it costs nothing
 * until the client leaves. While a request is suspended libmicrohttpd looks at
 * nothing, and this watch is all there is.
 *
 * libmicrohttpd does not notice the end of the stream when it came together with
 * a request, so it is our deadlines that end such a connection. They leave time to
 * read what came before the end, all of which is here already.
 *
 * Invariant: the watch is gone before libmicrohttpd closes the descriptor
 * (its end-of-connection call comes before the close).
 */
#include "front/connection.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/problem.h"

enum { LAST_WORDS_MAX = 4096 };

#define LINGER_TIME (2 * USEC_PER_SEC)
#define FRESH_TIME  (100 * USEC_PER_MSEC) /* for the first request, while the daemon stops */

/* For a client that has closed its side: for requests that are read already, and for
 * the rest of one that the socket still holds. */
#define GONE_GRACE     (10 * USEC_PER_MSEC)
#define GONE_READ_TIME (1 * USEC_PER_SEC)

struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* A reply of our own, outside libmicrohttpd: only where it has sent nothing yet. What
 * does not fit into the socket's buffer at once is not worth waiting for. Bytes of its body. */
static size_t send_last_words(const struct connection *connection, unsigned status,
                              const char *detail)
{
    scope_buffer struct buffer body;
    scope_buffer struct buffer reply;
    buffer_init(&body, LAST_WORDS_MAX);
    buffer_init(&reply, LAST_WORDS_MAX);
    problem_write(&body, status, detail, NULL);
    buffer_printf(&reply,
                  "HTTP/1.1 %u %s\r\nConnection: close\r\n"
                  "Content-Type: application/problem+json\r\nContent-Length: %zu\r\n",
                  status, problem_title(status), body.len);
    if (connection->request_id)
        buffer_printf(&reply, "X-Request-Id: %s\r\n", connection->request_id);
    buffer_string(&reply, "\r\n");
    buffer_append(&reply, body.data, body.len);
    if (buffer_status(&reply) != 0 || send(connection->fd, reply.data, reply.len,
                                           MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)reply.len)
        return 0;
    return body.len;
}

/* How much the client has taken so far: bytes that TCP has seen acknowledged. A unix
 * socket only tells what waits in it, which changes too when some of it is taken. */
static uint64_t taken_so_far(const struct connection *connection)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    int waiting = 0;
    if (getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
        len >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
        return info.tcpi_bytes_acked;
    return ioctl(connection->fd, SIOCOUTQ, &waiting) == 0 ? (uint64_t)waiting : 0;
}

bool connection_has_sent(const struct connection *connection)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    return getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
           len < offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof info.tcpi_bytes_sent ||
           info.tcpi_bytes_sent > 0 || info.tcpi_notsent_bytes > 0;
}

/* True when the client has taken some of its reply since the last time this was asked. */
static bool client_takes(struct connection *connection)
{
    uint64_t before = connection->taken;
    connection->taken = taken_so_far(connection);
    return connection->taken != before;
}

/* A request that has arrived while the connection was about to close for want of one, and
 * that libmicrohttpd has not read yet: timers run before it does. Closing now would lose
 * a request that was sent in time. */
static bool request_waits(const struct connection *connection)
{
    int waiting = 0;
    bool unused = connection->phase == CONNECTION_FRESH || connection->phase == CONNECTION_IDLE;
    return unused && !connection->gone && ioctl(connection->fd, FIONREAD, &waiting) == 0 &&
           waiting > 0;
}

static void count_limit(const struct connection *connection)
{
    struct tally *tally = connection->front->engine->tally;
    if (connection->timed_out)
        tally_limit(tally,
                    connection->phase == CONNECTION_HEAD ? TALLY_HEADER_TIME : TALLY_BODY_TIME);
    else if (connection->phase == CONNECTION_REPLY)
        tally_limit(tally, TALLY_SEND_TIME);
    else if (connection->gone || connection->front->draining)
        return;
    else if (connection->phase == CONNECTION_FRESH)
        tally_limit(tally, TALLY_HEADER_TIME);
    else if (connection->phase == CONNECTION_IDLE)
        tally_limit(tally, TALLY_IDLE_TIME);
}

static void deadline_passed(struct timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, timer);
    struct front *front = connection->front;
    if (connection->deadline > loop_now(front->loop)) {
        if (connection->deadline != USEC_NEVER)
            loop_set(front->loop, timer, connection->deadline, deadline_passed);
        return;
    }
    if (request_waits(connection) ||
        (connection->phase == CONNECTION_REPLY && client_takes(connection))) {
        connection_enter(connection, connection->phase);
        return;
    }
    bool unanswered = connection->phase == CONNECTION_HEAD || connection->phase == CONNECTION_BODY;
    connection->timed_out = unanswered && !connection->gone;
    connection->stalled = connection->phase == CONNECTION_REPLY && !connection->gone;
    if (connection->timed_out)
        connection->last_words =
            send_last_words(connection, 408, "the request did not arrive in time");
    count_limit(connection);
    shutdown(connection->fd, SHUT_RDWR); /* libmicrohttpd notices and closes */
}

static void set_deadline(struct connection *connection, usec_t at)
{
    connection->deadline = at;
    if (at == USEC_NEVER || (connection->timer.position != 0 && connection->timer.at <= at))
        return;
    loop_set(connection->front->loop, &connection->timer, at, deadline_passed);
}

static usec_t earlier(usec_t one, usec_t other)
{
    return one < other ? one : other;
}

static usec_t later(usec_t one, usec_t other)
{
    return one > other ? one : other;
}

static usec_t gone_time(const struct connection *connection, usec_t span)
{
    switch (connection->phase) {
    case CONNECTION_HEAD:
    case CONNECTION_BODY:
        return earlier(span, GONE_READ_TIME);
    case CONNECTION_IDLE:
        return earlier(span, GONE_GRACE);
    default:
        return span;
    }
}

static usec_t phase_time(const struct connection *connection)
{
    const struct front *front = connection->front;
    const struct limits *limits = &front->config->limits;
    switch (connection->phase) {
    case CONNECTION_FRESH:
        return front->draining ? later(front->config->drain_idle, FRESH_TIME) : limits->header_time;
    case CONNECTION_HEAD:
        return limits->header_time;
    case CONNECTION_BODY:
        return limits->body_time;
    case CONNECTION_REPLY:
        return limits->send_time;
    case CONNECTION_IDLE:
        return front->draining ? front->config->drain_idle : limits->idle_time;
    case CONNECTION_LINGER:
        return LINGER_TIME;
    case CONNECTION_WORK:
        break;
    }
    return USEC_NEVER;
}

void connection_enter(struct connection *connection, enum connection_phase phase)
{
    connection->phase = phase;
    usec_t span = phase_time(connection);
    if (connection->gone)
        span = gone_time(connection, span);
    usec_t now = loop_now(connection->front->loop);
    set_deadline(connection, span < USEC_NEVER - now ? now + span : USEC_NEVER);
}

size_t connection_refuse(struct connection *connection, unsigned status, const char *detail)
{
    size_t bytes = send_last_words(connection, status, detail);
    shutdown(connection->fd, SHUT_WR); /* libmicrohttpd 1.0 would add a reply of its own */
    connection_enter(connection, CONNECTION_LINGER);
    return bytes;
}

void connection_hasten(struct connection *connection)
{
    if (connection->phase == CONNECTION_FRESH || connection->phase == CONNECTION_IDLE)
        connection_enter(connection, connection->phase);
}

void connection_cut(struct connection *connection)
{
    connection->cut = true;
    connection->front->cut++;
}

void connection_end_unused(struct connection *connection)
{
    bool unused = connection->phase == CONNECTION_FRESH || connection->phase == CONNECTION_IDLE;
    if (unused && !request_waits(connection))
        shutdown(connection->fd, SHUT_RDWR);
}

static void side_closed(struct watch *watch, uint32_t events)
{
    (void)events;
    struct connection *connection = container_of(watch, struct connection, watch);
    if (connection->gone)
        return;
    connection->gone = true;
    connection->front->client_left(connection);
    usec_t span = gone_time(connection, USEC_NEVER);
    if (span != USEC_NEVER)
        set_deadline(connection,
                     earlier(connection->deadline, loop_now(connection->front->loop) + span));
}

struct connection *connection_open(struct front *front, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection = mem_new(sizeof *connection);
    connection->front = front;
    connection->mhd = mhd;
    connection->fd = info->connect_fd;
    connection->next = front->first;
    if (front->first)
        front->first->previous = connection;
    front->first = connection;
    front->count++;
    int rc = loop_watch(front->loop, &connection->watch, connection->fd, EPOLLRDHUP | EPOLLET,
                        side_closed);
    if (rc != 0)
        log_warning("cannot watch a client connection: %s", strerror(-rc));
    connection_enter(connection, CONNECTION_FRESH);
    return connection;
}

void connection_close(struct connection *connection)
{
    struct front *front = connection->front;
    assert(!connection->exchange);
    loop_unwatch(front->loop, &connection->watch);
    loop_clear(front->loop, &connection->timer);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        front->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    front->count--;
    free(connection);
}

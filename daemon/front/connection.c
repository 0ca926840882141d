/*
 * Deadlines move several times per request, mostly to later. So the timer is
 * left where it is unless it would fire too late; when it fires before the
 * deadline it is set again. A request costs no heap operation that way.
 *
 * The watch is edge-triggered and never asks for input, so it costs nothing
 * until the client leaves. While a request is suspended libmicrohttpd looks at
 * nothing, and this watch is all there is.
 *
 * Invariant: the watch is gone before libmicrohttpd closes the descriptor
 * (its end-of-connection call comes before the close).
 */
#include "front/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"

#define DRAIN_GRACE (100 * USEC_PER_MSEC) /* for a request that is already on its way */

struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* A reply of our own, outside libmicrohttpd: only where it has sent nothing yet. What
 * does not fit into the socket's buffer at once is not worth waiting for. */
static void send_last_words(const struct connection *connection, unsigned status)
{
    static const char timeout[] =
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
        "Content-Type: application/problem+json\r\nContent-Length: 61\r\n\r\n"
        "{\"type\":\"about:blank\",\"title\":\"Request Timeout\",\"status\":408}";
    static const char too_large[] =
        "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
        "Content-Type: application/problem+json\r\nContent-Length: 63\r\n\r\n"
        "{\"type\":\"about:blank\",\"title\":\"Content Too Large\",\"status\":413}";
    const char *words = status == 408 ? timeout : too_large;
    (void)send(connection->fd, words, strlen(words), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void connection_cut(struct connection *connection, unsigned status)
{
    if (status != 0)
        send_last_words(connection, status);
    shutdown(connection->fd, SHUT_RDWR);
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
    bool unanswered = connection->phase == CONNECTION_HEAD || connection->phase == CONNECTION_BODY;
    connection_cut(connection, unanswered ? 408 : 0);
}

static void set_deadline(struct connection *connection, usec_t at)
{
    connection->deadline = at;
    if (at == USEC_NEVER || (connection->timer.position != 0 && connection->timer.at <= at))
        return;
    loop_set(connection->front->loop, &connection->timer, at, deadline_passed);
}

static usec_t phase_time(const struct connection *connection)
{
    const struct front *front = connection->front;
    const struct limits *limits = &front->config->limits;
    switch (connection->phase) {
    case CONNECTION_FRESH:
        return front->draining ? DRAIN_GRACE : limits->header_time;
    case CONNECTION_HEAD:
        return limits->header_time;
    case CONNECTION_BODY:
        return limits->body_time;
    case CONNECTION_REPLY:
        return limits->send_time;
    case CONNECTION_IDLE:
        return front->draining ? DRAIN_GRACE : limits->idle_time;
    case CONNECTION_WORK:
        break;
    }
    return USEC_NEVER;
}

void connection_enter(struct connection *connection, enum connection_phase phase)
{
    connection->phase = phase;
    usec_t span = phase_time(connection);
    usec_t now = loop_now(connection->front->loop);
    set_deadline(connection, span < USEC_NEVER - now ? now + span : USEC_NEVER);
}

void connection_hasten(struct connection *connection)
{
    if (connection->phase == CONNECTION_FRESH || connection->phase == CONNECTION_IDLE)
        connection_enter(connection, connection->phase);
}

static void side_closed(struct watch *watch, uint32_t events)
{
    (void)events;
    struct connection *connection = container_of(watch, struct connection, watch);
    if (connection->gone)
        return;
    connection->gone = true;
    connection->front->client_left(connection);
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

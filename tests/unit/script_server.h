/*
 * An upstream for tests: a thread on a loopback port that plays a script. The
 * n-th request of all connections gets the n-th step; the last step repeats.
 */
#ifndef TESTS_SCRIPT_SERVER_H
#define TESTS_SCRIPT_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum script_end {
    SCRIPT_KEEP,  /* the connection stays */
    SCRIPT_CLOSE, /* FIN after the reply */
    SCRIPT_RESET, /* RST after the reply */
};

struct script_step {
    const char *reply; /* NULL: none */
    size_t len;        /* 0: strlen(reply) */
    enum script_end end;
};

#define SCRIPT_CONNECTIONS 128

struct script_connection {
    int fd; /* -1: free */
    size_t len;
    char request[32768];
};

struct script_server {
    unsigned short port;
    atomic_uint requests, connections, closed; /* `closed`: by the peer */
    const struct script_step *steps;
    size_t step_count;
    int listener, stop;
    pthread_t thread;
    pthread_mutex_t mutex;
    char last_request[32768]; /* under the mutex */
    struct script_connection slots[SCRIPT_CONNECTIONS];
};

static inline int script_listen(const char *address, unsigned short port, unsigned short *ret_port)
{
    bool six = strchr(address, ':') != NULL;
    struct sockaddr_in6 name6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in name4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr *name = six ? (struct sockaddr *)&name6 : (struct sockaddr *)&name4;
    socklen_t len = six ? sizeof name6 : sizeof name4;
    int one = 1;
    inet_pton(six ? AF_INET6 : AF_INET, address,
              six ? (void *)&name6.sin6_addr : (void *)&name4.sin_addr);
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, name, len) != 0 || listen(fd, 512) != 0 || getsockname(fd, name, &len) != 0)
        abort();
    *ret_port = ntohs(six ? name6.sin6_port : name4.sin_port);
    return fd;
}

static inline void script_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the client has gone: it may */
        data += sent;
        len -= (size_t)sent;
    }
}

static inline void script_close(struct script_connection *connection, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(connection->fd);
    connection->fd = -1;
}

/* Length of the complete request at the buffer's start, or 0. */
static inline size_t script_request_length(struct script_connection *connection)
{
    connection->request[connection->len] = '\0';
    if (connection->request[0] == 0x16) /* a TLS ClientHello */
        return connection->len;
    char *end = strstr(connection->request, "\r\n\r\n");
    if (!end)
        return 0;
    size_t len = (size_t)(end + 4 - connection->request);
    char *field = strcasestr(connection->request, "\r\nContent-Length:");
    if (field && field < end)
        len += strtoul(field + strlen("\r\nContent-Length:"), NULL, 10);
    return len <= connection->len ? len : 0;
}

static inline void script_play(struct script_server *server, struct script_connection *connection,
                               size_t len)
{
    pthread_mutex_lock(&server->mutex);
    memcpy(server->last_request, connection->request, len);
    server->last_request[len] = '\0';
    pthread_mutex_unlock(&server->mutex);
    connection->len -= len;
    memmove(connection->request, connection->request + len, connection->len);
    size_t number = atomic_fetch_add(&server->requests, 1);
    const struct script_step *step =
        &server->steps[number < server->step_count ? number : server->step_count - 1];
    if (step->reply)
        script_send(connection->fd, step->reply, step->len > 0 ? step->len : strlen(step->reply));
    if (step->end != SCRIPT_KEEP)
        script_close(connection, step->end == SCRIPT_RESET);
}

static inline void script_read(struct script_server *server, struct script_connection *connection)
{
    size_t room = sizeof connection->request - 1 - connection->len;
    ssize_t got = recv(connection->fd, connection->request + connection->len, room, 0);
    if (got <= 0) {
        script_close(connection, false);
        atomic_fetch_add(&server->closed, 1);
        return;
    }
    connection->len += (size_t)got;
    size_t len;
    while (connection->fd >= 0 && (len = script_request_length(connection)) > 0)
        script_play(server, connection, len);
}

static inline void script_accept(struct script_server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < SCRIPT_CONNECTIONS; i++) {
        if (server->slots[i].fd >= 0)
            continue;
        server->slots[i].fd = fd;
        server->slots[i].len = 0;
        atomic_fetch_add(&server->connections, 1);
        return;
    }
    abort();
}

static inline void *script_run(void *ctx)
{
    struct script_server *server = ctx;
    struct pollfd polls[SCRIPT_CONNECTIONS + 2];
    for (;;) {
        for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++)
            polls[i] = (struct pollfd){.fd = server->slots[i].fd, .events = POLLIN};
        polls[SCRIPT_CONNECTIONS] = (struct pollfd){.fd = server->listener, .events = POLLIN};
        polls[SCRIPT_CONNECTIONS + 1] = (struct pollfd){.fd = server->stop, .events = POLLIN};
        if (poll(polls, SCRIPT_CONNECTIONS + 2, -1) < 0)
            abort();
        if (polls[SCRIPT_CONNECTIONS + 1].revents)
            return NULL;
        for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++) {
            if (polls[i].revents && server->slots[i].fd >= 0)
                script_read(server, &server->slots[i]);
        }
        if (polls[SCRIPT_CONNECTIONS].revents)
            script_accept(server);
    }
}

static inline struct script_server *script_start_at(const char *address, unsigned short port,
                                                    const struct script_step *steps, size_t count)
{
    struct script_server *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    server->steps = steps;
    server->step_count = count;
    for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++)
        server->slots[i].fd = -1;
    server->listener = script_listen(address, port, &server->port);
    server->stop = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&server->mutex, NULL);
    if (server->stop < 0 || pthread_create(&server->thread, NULL, script_run, server) != 0)
        abort();
    return server;
}

#define script_start(steps) script_start_at("127.0.0.1", 0, steps, sizeof(steps) / sizeof *(steps))

static inline void script_stop(struct script_server *server)
{
    uint64_t one = 1;
    if (write(server->stop, &one, sizeof one) != sizeof one)
        abort();
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++) {
        if (server->slots[i].fd >= 0)
            close(server->slots[i].fd);
    }
    close(server->listener);
    close(server->stop);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

/* A copy of what came last; the caller frees it. */
static inline char *script_last_request(struct script_server *server)
{
    pthread_mutex_lock(&server->mutex);
    char *copy = strdup(server->last_request);
    pthread_mutex_unlock(&server->mutex);
    return copy;
}

/* Waits until a counter has reached a value; false after five seconds. */
static inline bool script_reached(atomic_uint *counter, unsigned value)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (atomic_load(counter) < value) {
        if (clock_now() > end)
            return false;
        usleep(500);
    }
    return true;
}

/* A port of 127.0.0.1 where nobody listens: bound, so nobody else can. */
static inline int script_dead_port(unsigned short *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        abort();
    *ret_port = ntohs(name.sin_port);
    return fd;
}

#endif

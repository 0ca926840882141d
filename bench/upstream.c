/*
 * The upstream of the benchmark for everything that takes time or misbehaves a little.
 * One epoll loop over any number of ports, so that ten thousand late replies cost the
 * machine little beside the aggregator that is measured.
 *
 *   /quick             a small JSON object
 *   /late200, /late300 the same after so many milliseconds
 *   /missing           404 with a JSON object
 *   /chunked           a chunked object whose last chunk comes 5 ms after the rest
 *   /opened            how many connections have been accepted so far
 *
 * A connection carries one request at a time (nobody here pipelines), so it stands in at
 * most one of the queues; each queue has one delay and is therefore in order of time.
 *
 *   upstream PORT...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD(status, length)                                                                       \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n\r\n"

static const char quick_reply[] = HEAD("200 OK", "17") "{\"answer\":\"here\"}";
static const char missing_reply[] = HEAD("404 Not Found", "19") "{\"error\":\"missing\"}";
static const char chunked_begin[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    "12\r\n{\"answer\":\"parts\"}\r\n";
static const char chunked_end[] = "0\r\n\r\n";

struct connection {
    int fd; /* -1: closed while it waits in a queue */
    bool listening, waiting;
    size_t len;
    uint64_t due;
    struct connection *next;
    const char *late;
    char request[1000];
};

struct queue {
    uint64_t delay;
    struct connection *first, *last;
};

enum { DELAY_200, DELAY_300, DELAY_5, QUEUES };

struct server {
    int epoll;
    unsigned long opened;
    struct queue queues[QUEUES];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void say(struct connection *connection, const char *text)
{
    const size_t len = strlen(text);
    if (send(connection->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len && errno != EPIPE &&
        errno != ECONNRESET)
        perror("upstream: send");
}

static void say_later(struct server *server, struct connection *connection, int number,
                      const char *text)
{
    struct queue *queue = &server->queues[number];
    connection->late = text;
    connection->waiting = true;
    connection->due = now_ns() + queue->delay;
    connection->next = NULL;
    if (queue->first == NULL)
        queue->first = connection;
    else
        queue->last->next = connection;
    queue->last = connection;
}

static void answer(struct server *server, struct connection *connection)
{
    const char *path = connection->request + 4;
    if (strncmp(path, "/late200 ", 9) == 0) {
        say_later(server, connection, DELAY_200, quick_reply);
    } else if (strncmp(path, "/late300 ", 9) == 0) {
        say_later(server, connection, DELAY_300, quick_reply);
    } else if (strncmp(path, "/chunked ", 9) == 0) {
        say(connection, chunked_begin);
        say_later(server, connection, DELAY_5, chunked_end);
    } else if (strncmp(path, "/quick ", 7) == 0) {
        say(connection, quick_reply);
    } else if (strncmp(path, "/opened ", 8) == 0) {
        char text[128];
        snprintf(text, sizeof text, HEAD("200 OK", "20") "%20lu", server->opened);
        say(connection, text);
    } else {
        say(connection, missing_reply);
    }
}

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
    if (!connection->waiting)
        free(connection);
}

static void receive(struct server *server, struct connection *connection)
{
    const ssize_t got = recv(connection->fd, connection->request + connection->len,
                             sizeof connection->request - 1 - connection->len, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || connection->waiting) {
        close_connection(connection);
        return;
    }
    connection->len += (size_t)got;
    connection->request[connection->len] = '\0';
    if (strstr(connection->request, "\r\n\r\n") == NULL)
        return;
    connection->len = 0;
    answer(server, connection);
}

static void accept_all(struct server *server, int listener)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL)
            abort();
        connection->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
        server->opened++;
    }
    if (errno != EAGAIN && errno != ECONNABORTED) {
        perror("upstream: accept");
        exit(1);
    }
}

static void listen_on(struct server *server, const char *port)
{
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct connection *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        abort();
    listener->listening = true;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener->fd, 8192) != 0) {
        perror("upstream: listen");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
    epoll_ctl(server->epoll, EPOLL_CTL_ADD, listener->fd, &event);
}

/* Says what is due; returns how long the rest may wait, or -1 if nothing waits. */
static int64_t say_due(struct server *server)
{
    int64_t wait = -1;
    for (int i = 0; i < QUEUES; i++) {
        struct queue *queue = &server->queues[i];
        const uint64_t now = now_ns();
        while (queue->first != NULL && queue->first->due <= now) {
            struct connection *connection = queue->first;
            queue->first = connection->next;
            connection->waiting = false;
            if (connection->fd < 0)
                free(connection);
            else
                say(connection, connection->late);
        }
        if (queue->first != NULL && (wait < 0 || (int64_t)(queue->first->due - now) < wait))
            wait = (int64_t)(queue->first->due - now);
    }
    return wait;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[256];
    struct server server = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
    server.queues[DELAY_200].delay = 200 * 1000000ull;
    server.queues[DELAY_300].delay = 300 * 1000000ull;
    server.queues[DELAY_5].delay = 5 * 1000000ull;
    for (int i = 1; i < argc; i++)
        listen_on(&server, argv[i]);
    for (;;) {
        const int64_t wait = say_due(&server);
        const struct timespec limit = {wait / 1000000000, wait % 1000000000};
        const int ready = epoll_pwait2(server.epoll, events, 256, wait < 0 ? NULL : &limit, NULL);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->listening)
                accept_all(&server, connection->fd);
            else
                receive(&server, connection);
        }
    }
}

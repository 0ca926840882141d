/*
 * The floor: about the least that a fan-out over loopback TCP can cost. One epoll loop
 * holds a bare HTTP server and bare keep-alive connections to the upstreams: one send
 * and one recv per call, the bodies go out with one sendmsg straight from the buffers
 * they came into. Nothing is validated, timed, limited or retried; any surprise from an
 * upstream ends the program. It knows only GET /body/K and merges {"r1":...,"rK":...}.
 *
 * A connection is held until its job is done, because the reply lives in its buffer.
 *
 *   floor PORT plain-port,plain-port... late-port,late-port...
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
#include <sys/uio.h>
#include <unistd.h>

enum { PORTS_MAX = 8, CALLS_MAX = 128, GROUPS = 2 };

enum kind { LISTENER, CLIENT, UPSTREAM };

struct upstream {
    enum kind kind; /* first in all three: what an epoll event points to */
    int fd;
    struct origin *origin;
    struct client *client;
    struct upstream *next; /* in the origin's idle list */
    char *data;
    size_t len, cap, head_len, total;
};

struct client {
    enum kind kind;
    int fd;
    bool gone; /* left while calls were in flight */
    unsigned calls, open;
    struct upstream **replies;
    char *rest; /* what the socket did not take of the reply */
    size_t rest_len, rest_sent;
    size_t len;
    char request[1024];
};

struct listener {
    enum kind kind;
    int fd;
};

struct origin {
    struct sockaddr_in address;
    struct upstream *idle;
};

struct group {
    struct origin origins[PORTS_MAX];
    unsigned count;
};

struct server {
    int epoll;
    struct group groups[GROUPS];
};

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grow(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (memory == NULL)
        fail("memory");
    return memory;
}

static void watch(struct server *server, int fd, void *what, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(server->epoll, operation, fd, &event) != 0)
        fail("epoll_ctl");
}

static struct upstream *take_connection(struct server *server, struct origin *origin)
{
    const int on = 1;
    struct upstream *upstream = origin->idle;
    if (upstream != NULL) {
        origin->idle = upstream->next;
        return upstream;
    }
    upstream = calloc(1, sizeof *upstream);
    if (upstream == NULL)
        fail("memory");
    upstream->kind = UPSTREAM;
    upstream->origin = origin;
    upstream->data = grow(NULL, upstream->cap = 1024);
    upstream->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (upstream->fd < 0 ||
        connect(upstream->fd, (struct sockaddr *)&origin->address, sizeof origin->address) != 0)
        fail("connect");
    setsockopt(upstream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(server, upstream->fd, upstream, EPOLL_CTL_ADD, EPOLLIN);
    return upstream;
}

static void start_calls(struct server *server, struct client *client, const char *body,
                        size_t body_len)
{
    struct group *group = &server->groups[strncmp(body, "late", 4) == 0];
    char request[256];
    const int len = snprintf(request, sizeof request,
                             "GET /%.*s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (int)body_len, body);
    client->open = client->calls;
    for (unsigned i = 0; i < client->calls; i++) {
        struct upstream *upstream = take_connection(server, &group->origins[i % group->count]);
        client->replies[i] = upstream;
        upstream->client = client;
        upstream->len = upstream->head_len = upstream->total = 0;
        if (send(upstream->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
            fail("send to an upstream");
    }
}

static void read_request(struct server *server, struct client *client)
{
    const ssize_t got = recv(client->fd, client->request + client->len,
                             sizeof client->request - 1 - client->len, MSG_DONTWAIT);
    if (got <= 0) {
        close(client->fd);
        client->fd = -1;
        client->gone = true;
        if (client->open == 0) {
            free(client->replies);
            free(client->rest);
            free(client);
        }
        return;
    }
    client->len += (size_t)got;
    client->request[client->len] = '\0';
    if (client->open > 0 || strstr(client->request, "\r\n\r\n") == NULL)
        return;
    char *body = client->request + strlen("GET /"), *slash = strchr(body, '/');
    client->calls = slash == NULL ? 0 : (unsigned)strtoul(slash + 1, NULL, 10);
    if (client->calls == 0 || client->calls > CALLS_MAX)
        fail("a strange request");
    client->len = 0;
    client->replies = grow(client->replies, client->calls * sizeof(struct upstream *));
    start_calls(server, client, body, (size_t)(slash - body));
}

static void keep_rest(struct server *server, struct client *client, const struct iovec *parts,
                      int count, size_t sent)
{
    size_t total = 0, at = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    if (sent == total)
        return;
    client->rest = grow(client->rest, total - sent);
    client->rest_sent = 0;
    client->rest_len = total - sent;
    for (int i = 0; i < count; i++) {
        const size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        sent -= skip;
        memcpy(client->rest + at, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
        at += parts[i].iov_len - skip;
    }
    watch(server, client->fd, client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void send_rest(struct server *server, struct client *client)
{
    const ssize_t sent = send(client->fd, client->rest + client->rest_sent,
                              client->rest_len - client->rest_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        client->rest_sent += (size_t)sent;
    if (client->rest_sent == client->rest_len || (sent < 0 && errno != EAGAIN)) {
        client->rest_len = client->rest_sent = 0;
        watch(server, client->fd, client, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void answer(struct server *server, struct client *client)
{
    char head[128], names[CALLS_MAX][16];
    struct iovec parts[2 * CALLS_MAX + 2];
    size_t len = 1;
    int count = 1;
    for (unsigned i = 0; i < client->calls; i++) {
        struct upstream *reply = client->replies[i];
        parts[count].iov_base = names[i];
        parts[count].iov_len =
            (size_t)snprintf(names[i], sizeof names[i], "%s\"r%u\":", i == 0 ? "{" : ",", i + 1);
        parts[count + 1].iov_base = reply->data + reply->head_len;
        parts[count + 1].iov_len = reply->total - reply->head_len;
        len += parts[count].iov_len + parts[count + 1].iov_len;
        count += 2;
    }
    parts[count].iov_base = "}";
    parts[count++].iov_len = 1;
    parts[0].iov_base = head;
    parts[0].iov_len = (size_t)snprintf(head, sizeof head,
                                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                        "Content-Length: %zu\r\n\r\n",
                                        len);
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    const ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0 || errno == EAGAIN)
        keep_rest(server, client, parts, count, sent < 0 ? 0 : (size_t)sent);
}

static void finish_job(struct server *server, struct client *client)
{
    if (!client->gone)
        answer(server, client);
    for (unsigned i = 0; i < client->calls; i++) {
        struct upstream *upstream = client->replies[i];
        upstream->client = NULL;
        upstream->next = upstream->origin->idle;
        upstream->origin->idle = upstream;
    }
    if (client->gone) {
        free(client->replies);
        free(client->rest);
        free(client);
    }
}

static void read_head(struct upstream *upstream)
{
    upstream->data[upstream->len] = '\0';
    const char *end = strstr(upstream->data, "\r\n\r\n");
    if (end == NULL)
        return;
    const char *length = strstr(upstream->data, "Content-Length: ");
    if (length == NULL || length > end || strncmp(upstream->data, "HTTP/1.1 200", 12) != 0)
        fail("a strange reply");
    upstream->head_len = (size_t)(end - upstream->data) + 4;
    upstream->total = upstream->head_len + strtoull(length + 16, NULL, 10);
    if (upstream->total + 1 > upstream->cap)
        upstream->data = grow(upstream->data, upstream->cap = upstream->total + 1);
}

static void read_reply(struct server *server, struct upstream *upstream)
{
    const ssize_t got = recv(upstream->fd, upstream->data + upstream->len,
                             upstream->cap - 1 - upstream->len, MSG_DONTWAIT);
    if (got <= 0 || upstream->client == NULL)
        fail("an upstream closed or spoke unasked");
    upstream->len += (size_t)got;
    if (upstream->total == 0)
        read_head(upstream);
    if (upstream->total == 0 || upstream->len < upstream->total)
        return;
    if (--upstream->client->open == 0)
        finish_job(server, upstream->client);
}

static void accept_client(struct server *server, int listener)
{
    const int on = 1;
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail("memory");
    client->kind = CLIENT;
    client->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(server, fd, client, EPOLL_CTL_ADD, EPOLLIN);
}

static void add_group(struct group *group, char *ports)
{
    for (char *port = strtok(ports, ","); port != NULL && group->count < PORTS_MAX;
         port = strtok(NULL, ",")) {
        struct sockaddr_in *address = &group->origins[group->count++].address;
        address->sin_family = AF_INET;
        address->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
        address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
}

static void listen_on(struct server *server, struct listener *listener, const char *port)
{
    const int on = 1;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener->fd, 4096) != 0)
        fail("listen");
    watch(server, listener->fd, listener, EPOLL_CTL_ADD, EPOLLIN);
}

static void serve(struct server *server, const struct epoll_event *event)
{
    enum kind *kind = event->data.ptr;
    if (*kind == UPSTREAM) {
        read_reply(server, event->data.ptr);
    } else if (*kind == CLIENT) {
        struct client *client = event->data.ptr;
        if (event->events & EPOLLOUT && client->rest_len > 0)
            send_rest(server, client);
        else
            read_request(server, client);
    } else {
        accept_client(server, ((struct listener *)event->data.ptr)->fd);
    }
}

int main(int argc, char **argv)
{
    static struct server server;
    static struct epoll_event events[256];
    struct listener listener = {.kind = LISTENER};
    if (argc != 4)
        return 2;
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    add_group(&server.groups[0], argv[2]);
    add_group(&server.groups[1], argv[3]);
    listen_on(&server, &listener, argv[1]);
    for (;;) {
        const int ready = epoll_wait(server.epoll, events, 256, -1);
        for (int i = 0; i < ready; i++)
            serve(&server, &events[i]);
    }
}

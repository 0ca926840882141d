/*
 * A closed-loop HTTP load generator for the benchmark: N keep-alive connections,
 * each sends the next request when the reply to the last one is complete, for a
 * given time. Prints one JSON line: requests, failures, and the latencies' p50 and
 * p99 in microseconds. A reply counts as good when its status is 200, it has a
 * Content-Length, and its body does not hold the text given with -n.
 *
 *   load -p PORT -t /path [-c connections] [-d milliseconds] [-n text]
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

enum { REPLY_MAX = 8 * 1024 * 1024, SAMPLES_MAX = 4 * 1024 * 1024 };

struct client {
    int fd;
    char *reply;
    size_t len, cap;
    size_t head_len, total; /* 0 while the head is incomplete */
    uint64_t sent_at;
};

struct load {
    struct sockaddr_in address;
    char request[1024];
    size_t request_len;
    const char *refuse; /* a body with this text is a failure */
    int epoll;
    uint64_t ends_at;
    uint32_t *samples;
    size_t sample_count, good, failed, open;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void send_request(struct load *load, struct client *client)
{
    client->len = client->head_len = client->total = 0;
    client->sent_at = now_us();
    if (send(client->fd, load->request, load->request_len, MSG_NOSIGNAL) !=
        (ssize_t)load->request_len) {
        perror("send");
        exit(1);
    }
}

static void open_client(struct load *load, struct client *client)
{
    const int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0 ||
        connect(client->fd, (struct sockaddr *)&load->address, sizeof load->address) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event);
    load->open++;
    send_request(load, client);
}

static void close_client(struct load *load, struct client *client)
{
    close(client->fd);
    client->fd = -1;
    load->open--;
}

/* Finds the end of the head and the length of the whole reply. False: not one we take. */
static bool read_head(struct client *client)
{
    const char *end = memmem(client->reply, client->len, "\r\n\r\n", 4);
    if (end == NULL)
        return true;
    client->head_len = (size_t)(end - client->reply) + 4;
    client->reply[client->head_len - 1] = '\0';
    const char *length = strcasestr(client->reply, "\r\nContent-Length:");
    client->reply[client->head_len - 1] = '\n';
    if (length == NULL)
        return false;
    client->total = client->head_len + strtoull(length + 17, NULL, 10);
    return client->total <= REPLY_MAX;
}

static bool good_reply(const struct load *load, const struct client *client)
{
    if (client->len != client->total || memcmp(client->reply, "HTTP/1.1 200", 12) != 0)
        return false;
    return load->refuse == NULL ||
           memmem(client->reply + client->head_len, client->len - client->head_len, load->refuse,
                  strlen(load->refuse)) == NULL;
}

static void finish(struct load *load, struct client *client, bool good)
{
    const uint64_t now = now_us();
    if (good && load->sample_count < SAMPLES_MAX)
        load->samples[load->sample_count++] = (uint32_t)(now - client->sent_at);
    load->good += good;
    load->failed += !good;
    if (!good || now >= load->ends_at) {
        close_client(load, client);
        if (now < load->ends_at)
            open_client(load, client);
    } else {
        send_request(load, client);
    }
}

static void receive(struct load *load, struct client *client)
{
    if (client->cap - client->len < 16384) {
        client->cap = client->cap * 2 + 65536;
        client->reply = realloc(client->reply, client->cap + 1);
    }
    const ssize_t got = recv(client->fd, client->reply + client->len, client->cap - client->len, 0);
    if (got <= 0) {
        finish(load, client, false);
        return;
    }
    client->len += (size_t)got;
    if (client->total == 0 && !read_head(client)) {
        finish(load, client, false);
        return;
    }
    if (client->total > 0 && client->len >= client->total)
        finish(load, client, good_reply(load, client));
}

static int by_value(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void report(struct load *load, uint64_t started)
{
    qsort(load->samples, load->sample_count, sizeof *load->samples, by_value);
    const size_t count = load->sample_count;
    printf("{\"requests\":%zu,\"failed\":%zu,\"seconds\":%.6f,\"p50\":%u,\"p99\":%u}\n", load->good,
           load->failed, (double)(now_us() - started) / 1e6, count ? load->samples[count / 2] : 0,
           count ? load->samples[count * 99 / 100] : 0);
}

static void run(struct load *load, struct client *clients, size_t count, uint64_t span)
{
    const uint64_t started = now_us();
    struct epoll_event events[256];
    load->ends_at = started + span;
    for (size_t i = 0; i < count; i++)
        open_client(load, &clients[i]);
    while (load->open > 0) {
        const int ready = epoll_wait(load->epoll, events, 256, 15000);
        if (ready == 0) { /* nothing for 15 s: what is still open has failed */
            load->failed += load->open;
            break;
        }
        for (int i = 0; i < ready; i++)
            receive(load, events[i].data.ptr);
    }
    report(load, started);
}

int main(int argc, char **argv)
{
    struct load load = {.address = {.sin_family = AF_INET}, .epoll = epoll_create1(0)};
    const char *target = "/";
    size_t connections = 16;
    uint64_t milliseconds = 250;
    int option;
    while ((option = getopt(argc, argv, "p:t:c:d:n:")) != -1) {
        switch (option) {
        case 'p':
            load.address.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10));
            break;
        case 't':
            target = optarg;
            break;
        case 'c':
            connections = strtoul(optarg, NULL, 10);
            break;
        case 'd':
            milliseconds = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            load.refuse = optarg;
            break;
        default:
            return 2;
        }
    }
    load.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load.request_len =
        (size_t)snprintf(load.request, sizeof load.request,
                         "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n", target);
    load.samples = calloc(SAMPLES_MAX, sizeof *load.samples);
    struct client *clients = calloc(connections, sizeof *clients);
    if (load.samples == NULL || clients == NULL || connections == 0)
        return 1;
    run(&load, clients, connections, milliseconds * 1000);
    return load.failed == 0 ? 0 : 1;
}

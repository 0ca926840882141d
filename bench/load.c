/*
 * An HTTP load generator for the benchmark: N keep-alive connections, each sends the next
 * request when the reply to the last one is complete; or, with -R, when its turn comes at
 * so many requests a second of all together. Then a latency begins when the request was
 * due, also if it had to wait for the reply before it; a turn that comes while one waits
 * already is skipped, and counted.
 *
 * Without -w everything from the first request to the last reply is counted: no request
 * is cut by an edge of the window. With -w the first milliseconds are a warm-up, and
 * only replies that end inside the window that follows are counted. The CPU time of the
 * processes given with -P is read at the same two moments, so that work and cost belong
 * together. -r spreads the opening of the connections, so that they do not march in step.
 *
 * A reply is good when its status is 200, its body has the length given with -l and does
 * not hold the text given with -n; one that came in chunks must have at least that length
 * with its framing. Prints one JSON line; latencies are in microseconds. Exit status 1:
 * something failed.
 *
 *   load -p PORT -t /path [-c connections] [-d ms] [-w ms] [-r ms] [-l bytes] [-n text]
 *        [-R requests/s] [-P pid,pid...]
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

enum { REPLY_MAX = 8 * 1024 * 1024, SAMPLES_MAX = 4 * 1024 * 1024, PIDS_MAX = 16 };
enum { SILENCE_MS = 15000 };

struct client {
    int fd;
    char *reply;
    size_t len, cap;
    size_t head_len, total; /* total: 0 while unknown */
    bool chunked;
    bool busy;
    uint64_t sent_at;
    uint64_t owed; /* when the request was due that waits for a reply; 0: none does */
};

struct load {
    struct sockaddr_in address;
    char request[1024];
    size_t request_len;
    const char *refuse; /* a body with this text is a failure */
    size_t expected;    /* the body's length; 0: any */
    clockid_t cpu_clocks[PIDS_MAX];
    size_t cpu_count;
    int epoll;
    uint64_t warm_ns, span_ns, ramp_ns;
    uint64_t pace_ns; /* between two requests; 0: a closed loop */
    uint64_t next_at; /* when the next is due */
    size_t next_client;
    uint64_t window_from, window_to;
    bool counting, stopped;
    uint64_t cpu_from, cpu_used;
    uint64_t counted_from, counted_to;
    uint32_t *samples; /* tenths of a microsecond */
    size_t sample_count, good, failed, open, skipped;
    double sum;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t cpu_ns(const struct load *load)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < load->cpu_count; i++)
        sum += clock_ns(load->cpu_clocks[i]);
    return sum;
}

static void start_counting(struct load *load)
{
    load->counting = true;
    load->cpu_from = cpu_ns(load);
    load->counted_from = now_ns();
}

static void stop_counting(struct load *load)
{
    load->counting = false;
    load->stopped = true;
    load->cpu_used = cpu_ns(load) - load->cpu_from;
    load->counted_to = now_ns();
}

static void send_request(struct load *load, struct client *client, uint64_t due)
{
    client->len = client->head_len = client->total = 0;
    client->chunked = false;
    client->busy = true;
    client->sent_at = due;
    client->owed = 0;
    if (send(client->fd, load->request, load->request_len, MSG_NOSIGNAL) !=
        (ssize_t)load->request_len) {
        perror("load: send");
        exit(1);
    }
}

static void open_client(struct load *load, struct client *client)
{
    const int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0 ||
        connect(client->fd, (struct sockaddr *)&load->address, sizeof load->address) != 0) {
        perror("load: connect");
        exit(1);
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event);
    load->open++;
    if (load->pace_ns == 0)
        send_request(load, client, now_ns());
}

static void close_client(struct load *load, struct client *client)
{
    close(client->fd);
    client->fd = -1;
    client->busy = false;
    client->owed = 0;
    load->open--;
}

/* Finds the end of the head and how the body ends. False: not a reply that we take. */
static bool read_head(struct client *client)
{
    const char *end = memmem(client->reply, client->len, "\r\n\r\n", 4);
    if (end == NULL)
        return true;
    client->head_len = (size_t)(end - client->reply) + 4;
    client->reply[client->head_len - 1] = '\0';
    const char *length = strcasestr(client->reply, "\r\nContent-Length:");
    client->chunked = strcasestr(client->reply, "\r\nTransfer-Encoding: chunked") != NULL;
    client->reply[client->head_len - 1] = '\n';
    if (length == NULL)
        return client->chunked;
    client->total = client->head_len + strtoull(length + 17, NULL, 10);
    return client->total <= REPLY_MAX;
}

static bool is_complete(const struct client *client)
{
    if (client->chunked)
        return client->len >= client->head_len + 5 &&
               memcmp(client->reply + client->len - 5, "0\r\n\r\n", 5) == 0;
    return client->total > 0 && client->len >= client->total;
}

static bool good_reply(const struct load *load, const struct client *client)
{
    const size_t body = client->len - client->head_len;
    if (memcmp(client->reply, "HTTP/1.1 200", 12) != 0)
        return false;
    if (client->chunked ? body < load->expected : client->len != client->total)
        return false;
    if (!client->chunked && load->expected != 0 && body != load->expected)
        return false;
    return load->refuse == NULL || memmem(client->reply + client->head_len, body, load->refuse,
                                          strlen(load->refuse)) == NULL;
}

/* The client is idle again: at once in a closed loop, else if its turn has come already. */
static void go_on(struct load *load, struct client *client, uint64_t now)
{
    client->busy = false;
    if (load->pace_ns == 0)
        send_request(load, client, now);
    else if (client->owed != 0)
        send_request(load, client, client->owed);
}

static void finish(struct load *load, struct client *client, bool good)
{
    const uint64_t now = now_ns();
    if (good && load->counting && load->sample_count < SAMPLES_MAX) {
        load->samples[load->sample_count++] = (uint32_t)((now - client->sent_at) / 100);
        load->sum += (double)(now - client->sent_at) / 1e3;
    }
    load->good += good && load->counting;
    load->failed += !good;
    if (!good || now >= load->window_to) {
        close_client(load, client);
        if (now < load->window_to)
            open_client(load, client);
    } else {
        go_on(load, client, now);
    }
}

/* Sends what is due; the clients take turns. After the end, closes those that rest. */
static void keep_pace(struct load *load, struct client *clients, size_t count, uint64_t now)
{
    for (; load->next_at <= now && load->next_at < load->window_to;
         load->next_at += load->pace_ns) {
        struct client *client = &clients[load->next_client];
        load->next_client = (load->next_client + 1) % count;
        if (client->fd < 0) /* a reply that came after the end has closed it */
            load->skipped += load->counting;
        else if (!client->busy)
            send_request(load, client, load->next_at);
        else if (client->owed == 0)
            client->owed = load->next_at;
        else
            load->skipped += load->counting;
    }
    for (size_t i = 0; now >= load->window_to && i < count; i++)
        if (!clients[i].busy && clients[i].fd >= 0)
            close_client(load, &clients[i]);
}

static int wait_for_events(const struct load *load, struct epoll_event *events, int room,
                           bool opening)
{
    if (load->pace_ns == 0 || opening)
        return epoll_wait(load->epoll, events, room, opening ? 1 : 50);
    const uint64_t now = now_ns();
    uint64_t wait = load->next_at > now ? load->next_at - now : 0;
    if (load->next_at >= load->window_to)
        wait = 50 * 1000000u;
    const struct timespec span = {.tv_sec = (time_t)(wait / 1000000000u),
                                  .tv_nsec = (long)(wait % 1000000000u)};
    return epoll_pwait2(load->epoll, events, room, &span, NULL);
}

static void receive(struct load *load, struct client *client)
{
    if (client->cap - client->len < 2048) {
        client->cap = client->cap == 0 ? 16384 : client->cap * 2;
        client->reply = realloc(client->reply, client->cap + 1);
        if (client->reply == NULL)
            abort();
    }
    const ssize_t got = recv(client->fd, client->reply + client->len, client->cap - client->len, 0);
    if (got <= 0 || client->len > 2 * (size_t)REPLY_MAX) {
        finish(load, client, false);
        return;
    }
    client->len += (size_t)got;
    if (client->head_len == 0 && !read_head(client)) {
        finish(load, client, false);
        return;
    }
    if (client->head_len > 0 && is_complete(client))
        finish(load, client, good_reply(load, client));
}

static int by_value(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double percentile(const struct load *load, size_t hundredths)
{
    const size_t count = load->sample_count;
    return count == 0 ? 0.0 : (double)load->samples[count * hundredths / 100] / 10.0;
}

static void report(struct load *load)
{
    qsort(load->samples, load->sample_count, sizeof *load->samples, by_value);
    printf("{\"requests\":%zu,\"failed\":%zu,\"seconds\":%.6f,\"cpu\":%.9f,\"p50\":%.1f,"
           "\"p99\":%.1f,\"mean\":%.1f,\"skipped\":%zu}\n",
           load->good, load->failed, (double)(load->counted_to - load->counted_from) / 1e9,
           (double)load->cpu_used / 1e9, percentile(load, 50), percentile(load, 99),
           load->sample_count > 0 ? load->sum / (double)load->sample_count : 0.0, load->skipped);
}

/* Opens the clients whose time has come; returns how many are open or were. */
static size_t open_due(struct load *load, struct client *clients, size_t opened, size_t count,
                       uint64_t elapsed)
{
    while (opened < count && load->ramp_ns * opened <= elapsed * count)
        open_client(load, &clients[opened++]);
    return opened;
}

static void run(struct load *load, struct client *clients, size_t count)
{
    struct epoll_event events[256];
    const uint64_t started = now_ns();
    uint64_t last_event = started;
    size_t opened = 0;
    load->window_from = started + load->warm_ns;
    load->window_to = load->window_from + load->span_ns;
    if (load->warm_ns == 0)
        start_counting(load);
    while (opened < count || load->open > 0) {
        uint64_t now = now_ns();
        if (!load->counting && !load->stopped && now >= load->window_from)
            start_counting(load);
        if (load->counting && load->warm_ns > 0 && now >= load->window_to)
            stop_counting(load);
        if (opened < count)
            opened = open_due(load, clients, opened, count, now - started);
        if (opened < count)
            load->next_at = now_ns();
        else if (load->pace_ns > 0)
            keep_pace(load, clients, count, now);
        const int ready = wait_for_events(load, events, 256, opened < count);
        for (int i = 0; i < ready; i++)
            receive(load, events[i].data.ptr);
        now = now_ns();
        if (ready > 0)
            last_event = now;
        if (now - last_event > SILENCE_MS * 1000000ull) { /* what is still open has failed */
            load->failed += load->open;
            break;
        }
    }
    if (!load->stopped)
        stop_counting(load);
    report(load);
}

static void add_pids(struct load *load, char *list)
{
    enum { PROCESS_CPU_SCHED = 2 }; /* the kind of clock, in the lowest bits of its id */
    for (char *pid = strtok(list, ","); pid != NULL && load->cpu_count < PIDS_MAX;
         pid = strtok(NULL, ","))
        load->cpu_clocks[load->cpu_count++] =
            (clockid_t)(~(unsigned)strtoul(pid, NULL, 10) << 3 | PROCESS_CPU_SCHED);
}

static uint64_t milliseconds(const char *text)
{
    return strtoull(text, NULL, 10) * 1000000u;
}

int main(int argc, char **argv)
{
    struct load load = {
        .address = {.sin_family = AF_INET}, .epoll = epoll_create1(0), .span_ns = 250 * 1000000ull};
    const char *target = "/";
    size_t connections = 16;
    int option;
    while ((option = getopt(argc, argv, "p:t:c:d:w:r:R:l:n:P:")) != -1) {
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
            load.span_ns = milliseconds(optarg);
            break;
        case 'w':
            load.warm_ns = milliseconds(optarg);
            break;
        case 'r':
            load.ramp_ns = milliseconds(optarg);
            break;
        case 'R':
            load.pace_ns = (uint64_t)(1e9 / strtod(optarg, NULL));
            break;
        case 'l':
            load.expected = strtoul(optarg, NULL, 10);
            break;
        case 'n':
            load.refuse = optarg;
            break;
        case 'P':
            add_pids(&load, optarg);
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
    run(&load, clients, connections);
    return load.failed == 0 ? 0 : 1;
}

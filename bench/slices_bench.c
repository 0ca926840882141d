/*
 * What a second worker brings to one fan-out: the same endpoint of K requests is run in
 * turns by one worker alone and by two that share it, in one process, with an upstream
 * thread on loopback that keeps connections alive. Prints the latencies' median of both,
 * the median of the ratios of neighbours in time, and the CPU time per fan-out: of the
 * worker alone, of the owner and of the sibling. The longer of these two is what a fan-out
 * keeps a client waiting when CPUs are free, which with an upstream on the same two
 * CPUs they are not.
 *
 * With a hold the upstream lets requests lie for so many milliseconds, as one does that
 * is far away or thinks; then sending and receiving are two bursts, and the upstream's
 * thread does not compete with the first one for the CPUs.
 *
 *   gcc -O2 -std=gnu11 -D_GNU_SOURCE -Idaemon -pthread bench/slices_bench.c
 *       build/libgatherd.a (and the libraries of the daemon)
 *   slices_bench [K] [body bytes] [hold ms] [pairs]
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "back/curl_global.h"
#include "back/fanout.h"
#include "base/mem.h"
#include "core/config_load.h"

enum { EVENTS = 512, PAIRS_MAX = 20000, WARM_UP = 20 };

/* ---- the upstream ---- */

struct upstream_thread {
    int listener, epoll;
    useconds_t hold;
    char *reply;
    size_t len;
};

static void answer(struct upstream_thread *server, int fd)
{
    char request[4096];
    ssize_t got = recv(fd, request, sizeof request, 0);
    if (got <= 0) {
        close(fd);
        return;
    }
    for (size_t sent = 0; sent < server->len;) {
        ssize_t now = send(fd, server->reply + sent, server->len - sent, MSG_NOSIGNAL);
        if (now <= 0)
            return;
        sent += (size_t)now;
    }
}

static void serve_ready(struct upstream_thread *server, const struct epoll_event *event)
{
    if (event->data.fd != server->listener) {
        answer(server, event->data.fd);
        return;
    }
    int fd = accept(server->listener, NULL, NULL);
    struct epoll_event readable = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &readable);
}

static void *serve(void *ctx)
{
    struct upstream_thread *server = ctx;
    struct epoll_event events[EVENTS];
    for (bool quiet = true;;) {
        int count = epoll_wait(server->epoll, events, EVENTS, quiet ? -1 : 0);
        if (count > 0 && quiet && server->hold > 0) {
            usleep(server->hold);
            count = epoll_wait(server->epoll, events, EVENTS, 0);
        }
        quiet = count <= 0;
        for (int i = 0; i < count; i++)
            serve_ready(server, &events[i]);
    }
    return NULL;
}

static unsigned short start_upstream(size_t body, unsigned hold_ms)
{
    static struct upstream_thread server;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    pthread_t thread;
    server.hold = hold_ms * 1000;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    server.epoll = epoll_create1(0);
    struct epoll_event readable = {.events = EPOLLIN, .data.fd = server.listener};
    if (bind(server.listener, (struct sockaddr *)&name, len) != 0 ||
        listen(server.listener, 4096) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&name, &len) != 0 ||
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &readable) != 0)
        abort();
    char head[128];
    int head_len = snprintf(head, sizeof head,
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            body);
    server.len = (size_t)head_len + body;
    server.reply = malloc(server.len + 1);
    memcpy(server.reply, head, (size_t)head_len);
    char *json = server.reply + head_len;
    static const char item[] = "{\"id\":1234,\"name\":\"a name\",\"price\":19.5},";
    for (size_t i = 0; i < body; i++)
        json[i] = item[i % (sizeof item - 1)];
    json[0] = '"'; /* one string, its quotes made spaces */
    for (size_t i = 1; i < body; i++)
        json[i] = json[i] == '"' ? ' ' : json[i];
    json[body - 1] = '"';
    pthread_create(&thread, NULL, serve, &server);
    return ntohs(name.sin_port);
}

/* ---- the workers ---- */

struct worker {
    struct loop *loop;
    struct mailbox *mailbox;
    struct watch watch;
    struct dispatch *dispatch;
};

static void mail_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    mailbox_drain(container_of(watch, struct worker, watch)->mailbox, NULL);
}

static void turn(struct worker *worker, bool more)
{
    if (loop_turn(worker->loop, more ? 0 : USEC_NEVER) != 0)
        abort();
}

static void *help(void *ctx)
{
    struct worker *worker = ctx;
    for (bool more = false;;) {
        turn(worker, more);
        more = dispatch_turn(worker->dispatch);
    }
    return NULL;
}

static void build(struct worker *worker, struct resolver *resolver)
{
    if (loop_new(&worker->loop) != 0 || mailbox_new(1 << 16, &worker->mailbox) != 0 ||
        loop_watch(worker->loop, &worker->watch, mailbox_fd(worker->mailbox), EPOLLIN,
                   mail_ready) != 0 ||
        dispatch_new(worker->loop, worker->mailbox, resolver, &worker->dispatch) != 0)
        abort();
}

/* ---- the measurement ---- */

struct bench {
    struct worker workers[2];
    struct sibling seats[2];
    struct siblings siblings;
    struct config *config;
    struct fanout_engine engine;
    bool done;
    clockid_t helper_clock;
    double cpu_alone, cpu_owner, cpu_sibling; /* us, of all fan-outs so far */
};

static void done(void *ctx, struct answer *result)
{
    struct bench *bench = ctx;
    if (result->status != 200) {
        fprintf(stderr, "a reply with %u: %.300s\n", result->status, result->body);
        exit(1);
    }
    answer_free(result);
    bench->done = true;
}

static double cpu(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* One fan-out; its time in microseconds. */
static double run_one(struct bench *bench, bool shared)
{
    struct dispatch *dispatch = bench->workers[0].dispatch;
    if (shared)
        dispatch_join(dispatch, &bench->siblings, 0);
    else
        dispatch_leave(dispatch);
    struct arena *arena = arena_new();
    struct inbound *inbound = arena_alloc(arena, sizeof *inbound);
    inbound->method = "GET";
    inbound->target = "/wide";
    inbound->query = "";
    inbound->deadline = USEC_NEVER;
    inbound->route = routes_find(bench->config->routes, "GET", "/wide", 5);
    double own = cpu(CLOCK_THREAD_CPUTIME_ID), other = cpu(bench->helper_clock);
    usec_t started = clock_now();
    bench->done = false;
    fanout_start(&bench->engine, bench->config, &inbound->route.endpoint->batch, inbound, arena,
                 done, bench);
    for (bool more = false; !bench->done;) {
        turn(&bench->workers[0], more);
        more = dispatch_turn(dispatch);
    }
    double taken = (double)(clock_now() - started);
    own = cpu(CLOCK_THREAD_CPUTIME_ID) - own;
    *(shared ? &bench->cpu_owner : &bench->cpu_alone) += own;
    bench->cpu_sibling += cpu(bench->helper_clock) - other;
    return taken;
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double quantile(double *values, size_t count, double part)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)((double)(count - 1) * part)];
}

static void measure(struct bench *bench, size_t calls, size_t body, unsigned hold, size_t pairs)
{
    static double alone[PAIRS_MAX], shared[PAIRS_MAX], ratio[PAIRS_MAX];
    const double n = (double)pairs;
    for (size_t i = 0; i < WARM_UP; i++)
        run_one(bench, i % 2 == 0);
    bench->cpu_alone = bench->cpu_owner = bench->cpu_sibling = 0;
    for (size_t i = 0; i < pairs; i++) { /* each goes first as often as the other */
        if (i % 2 == 0)
            alone[i] = run_one(bench, false);
        shared[i] = run_one(bench, true);
        if (i % 2 == 1)
            alone[i] = run_one(bench, false);
        ratio[i] = shared[i] / alone[i];
    }
    printf(
        "K=%zu body=%zu hold=%u ms: alone p50 %.0f us (p10 %.0f), shared p50 %.0f us (p10 %.0f), "
        "ratio %.2f (quartiles %.2f to %.2f); CPU alone %.0f us, owner %.0f, sibling %.0f\n",
        calls, body, hold, quantile(alone, pairs, 0.5), quantile(alone, pairs, 0.1),
        quantile(shared, pairs, 0.5), quantile(shared, pairs, 0.1), quantile(ratio, pairs, 0.5),
        quantile(ratio, pairs, 0.25), quantile(ratio, pairs, 0.75), bench->cpu_alone / n,
        bench->cpu_owner / n, bench->cpu_sibling / n);
}

static struct config *make_config(struct arena *arena, size_t calls, unsigned port)
{
    struct buffer text scope_buffer;
    struct faults faults;
    buffer_init(&text, 1 << 20);
    faults_init(&faults, arena, 1);
    buffer_printf(&text,
                  "limits: { requests: 1024 }\n"
                  "upstreams: { up: { url: \"http://127.0.0.1:%u\", timeout: 10s } }\n"
                  "endpoints:\n  - path: /wide\n    merge: keyed\n    requests:\n",
                  port);
    for (size_t i = 0; i < calls; i++)
        buffer_printf(&text, "      - { id: r%zu, upstream: up, url: /x, dedupe: false }\n", i);
    struct config *config = config_load_memory("bench", text.data, text.len, &faults);
    if (!config) {
        fprintf(stderr, "%s: %s\n", faults.first->place, faults.first->text);
        exit(1);
    }
    return config;
}

int main(int argc, char **argv)
{
    size_t calls = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    size_t body = argc > 2 ? strtoul(argv[2], NULL, 10) : 275;
    unsigned hold = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    size_t pairs = argc > 4 ? strtoul(argv[4], NULL, 10) : 300;
    if (pairs < 1 || pairs > PAIRS_MAX || body < 2 || calls < 1 || calls > 1024)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    static struct bench bench;
    struct arena *arena = arena_new();
    struct resolver *resolver;
    pthread_t helper;
    if (curl_global_start() != 0)
        return 1;
    bench.config = make_config(arena, calls, start_upstream(body, hold));
    if (resolver_new(&bench.config->resolver, latch_new(), &resolver) != 0)
        return 1;
    bench.siblings = (struct siblings){.items = bench.seats, .count = 2};
    for (size_t i = 0; i < 2; i++) {
        build(&bench.workers[i], resolver);
        bench.seats[i] = dispatch_sibling(bench.workers[i].dispatch);
        dispatch_join(bench.workers[i].dispatch, &bench.siblings, i);
    }
    bench.engine = (struct fanout_engine){
        .loop = bench.workers[0].loop,
        .dispatch = bench.workers[0].dispatch,
        .identity = "bench",
    };
    pthread_create(&helper, NULL, help, &bench.workers[1]);
    pthread_getcpuclockid(helper, &bench.helper_clock);
    measure(&bench, calls, body, hold, pairs);
    fflush(stdout);
    _exit(0); /* the threads are left where they are */
}

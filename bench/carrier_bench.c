/*
 * CPU per call of both carriers, side by side in one process: a thread serves
 * keep-alive connections on loopback, another calls it, N calls in flight, with one
 * carrier and the other in turns. Prints the calling thread's CPU per call, and the
 * ratio of each pair of turns.
 *
 * make bench-carriers, or
 *   build/carrier_bench [calls in flight] [body bytes] [pairs] [calls per turn]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "back/exchange.h"
#include "back/transfer.h"
#include "base/mem.h"

enum { EVENTS = 256, PAIRS_MAX = 64 };

/* ---- the upstream ---- */

struct upstream_thread {
    int listener, epoll;
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

static void *serve(void *ctx)
{
    struct upstream_thread *server = ctx;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(server->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != server->listener) {
                answer(server, events[i].data.fd);
                continue;
            }
            int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
            struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
            int one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
    return NULL;
}

static unsigned short start_upstream(struct upstream_thread *server, size_t body)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof name;
    pthread_t thread;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->reply = mem_new(body + 512);
    int head =
        snprintf(server->reply, 512,
                 "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\n"
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                 "Connection: keep-alive\r\n\r\n",
                 body);
    memset(server->reply + head, '1', body);
    server->len = (size_t)head + body;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server->listener};
    if (bind(server->listener, (struct sockaddr *)&name, len) != 0 ||
        listen(server->listener, 4096) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&name, &len) != 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event) != 0 ||
        pthread_create(&thread, NULL, serve, server) != 0)
        abort();
    return ntohs(name.sin_port);
}

/* ---- the caller ---- */

struct bench {
    struct loop *loop;
    struct carrier *transfers;
    struct exchanges *exchanges;
    bool exchange;
    struct call_spec spec;
    size_t to_start, done, failed;
};

static void phase(void *ctx, enum carry_phase phase)
{
    (void)ctx;
    (void)phase;
}

static void start_one(struct bench *bench);

static void done(void *ctx, struct outcome *outcome)
{
    struct bench *bench = ctx;
    bench->done++;
    bench->failed += outcome->code != OUTCOME_REPLY || outcome->status != 200;
    start_one(bench);
}

static void start_one(struct bench *bench)
{
    static const struct carry_events events = {.phase = phase, .done = done};
    bool sent;
    if (bench->to_start == 0)
        return;
    bench->to_start--;
    const void *call =
        bench->exchange ? (const void *)exchange_start(bench->exchanges, &bench->spec, "127.0.0.1",
                                                       USEC_NEVER, &events, bench, &sent)
                        : (const void *)transfer_start(bench->transfers, &bench->spec, "127.0.0.1",
                                                       USEC_NEVER, &events, bench);
    if (!call)
        abort();
}

static double cpu_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* CPU microseconds per call. */
static double run_turn(struct bench *bench, bool exchange, size_t in_flight, size_t calls)
{
    double before = cpu_now();
    bench->exchange = exchange;
    bench->to_start = calls;
    bench->done = 0;
    for (size_t i = 0; i < in_flight; i++)
        start_one(bench);
    while (bench->done < calls) {
        if (loop_turn(bench->loop, USEC_NEVER) != 0)
            abort();
        exchanges_turn(bench->exchanges);
        carrier_turn(bench->transfers);
    }
    return (cpu_now() - before) / (double)calls;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    size_t in_flight = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    size_t body = argc > 2 ? strtoul(argv[2], NULL, 10) : 275;
    size_t pairs = argc > 3 ? strtoul(argv[3], NULL, 10) : 9;
    size_t calls = argc > 4 ? strtoul(argv[4], NULL, 10) : 20000;
    const struct pool_limits limits = {4096, 16384, INT_MAX, 50 * USEC_PER_SEC, 300 * USEC_PER_SEC};
    struct upstream_thread server;
    struct bench bench = {.exchange = false};
    char authority[32];
    double ratios[PAIRS_MAX], transfers[PAIRS_MAX], exchanges[PAIRS_MAX];
    signal(SIGPIPE, SIG_IGN);
    pairs = pairs < PAIRS_MAX ? pairs : PAIRS_MAX;
    unsigned short port = start_upstream(&server, body);
    snprintf(authority, sizeof authority, "up.test:%u", (unsigned)port);
    struct origin origin = {.host = "up.test", .port = port, .authority = authority};
    struct header headers[] = {
        {"User-Agent", "bench"},
        {"Accept", "*/*"},
        {"Via", "1.1 bench"},
        {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}};
    bench.spec = (struct call_spec){.origin = &origin,
                                    .method = "GET",
                                    .target = "/users/1?x=2",
                                    .headers = {headers, 4, 4},
                                    .reply_body_max = 8 << 20,
                                    .reply_header_max = 32768};
    if (loop_new(&bench.loop) != 0 || carrier_new(bench.loop, &bench.transfers) != 0 ||
        exchanges_new(bench.loop, &limits, &bench.exchanges) != 0)
        abort();
    run_turn(&bench, true, in_flight, calls / 10); /* connections, warm caches */
    run_turn(&bench, false, in_flight, calls / 10);
    for (size_t i = 0; i < pairs; i++) {
        transfers[i] = run_turn(&bench, false, in_flight, calls);
        exchanges[i] = run_turn(&bench, true, in_flight, calls);
        ratios[i] = exchanges[i] / transfers[i];
    }
    qsort(ratios, pairs, sizeof *ratios, by_value);
    qsort(transfers, pairs, sizeof *transfers, by_value);
    qsort(exchanges, pairs, sizeof *exchanges, by_value);
    printf("in flight %zu, body %zu, %zu pairs of %zu calls, %zu failed\n", in_flight, body, pairs,
           calls, bench.failed);
    printf("transfer  %.2f us/call (%.2f to %.2f)\n", transfers[pairs / 2], transfers[0],
           transfers[pairs - 1]);
    printf("exchange  %.2f us/call (%.2f to %.2f)\n", exchanges[pairs / 2], exchanges[0],
           exchanges[pairs - 1]);
    printf("ratio     %.2f (%.2f to %.2f)\n", ratios[pairs / 2], ratios[0], ratios[pairs - 1]);
    return bench.failed > 0;
}

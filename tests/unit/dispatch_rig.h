/*
 * One thread's back side for tests: loop, mailbox, resolver with names of the
 * test's making, dispatch. Include cmocka first.
 */
#ifndef TESTS_DISPATCH_RIG_H
#define TESTS_DISPATCH_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>

#include "back/dispatch.h"
#include "back/lookup.h"
#include "unit/script_server.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct dispatch_rig {
    struct loop *loop;
    struct mailbox *mailbox;
    struct watch mail;
    struct latch *latch;
    struct resolver *resolver;
    struct dispatch *dispatch;
    sem_t hang; /* names that begin with "hang" wait for it */
};

/* "one": 127.0.0.1, "two": 127.0.0.2 and 127.0.0.1, "six": ::1 and 127.0.0.1. */
static inline int rig_lookup(void *ctx, const char *host, struct addresses **ret_addresses)
{
    struct dispatch_rig *rig = ctx;
    static const char *const first[] = {"127.0.0.1", "127.0.0.2", "::1"};
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found, *second = NULL;
    if (strncmp(host, "hang", 4) == 0) {
        while (sem_wait(&rig->hang) != 0)
            ;
        return LOOKUP_FAILED;
    }
    int which = strcmp(host, "one") == 0 ? 0 : strcmp(host, "two") == 0 ? 1 : 2;
    if (which == 2 && strcmp(host, "six") != 0)
        return LOOKUP_FAILED;
    if (getaddrinfo(first[which], NULL, &hints, &found) != 0 ||
        getaddrinfo("127.0.0.1", NULL, &hints, &second) != 0)
        abort();
    found->ai_next = second; /* addresses_new() drops the same one */
    *ret_addresses = addresses_new(found);
    found->ai_next = NULL;
    freeaddrinfo(found);
    freeaddrinfo(second);
    return 0;
}

static inline void rig_mail(struct watch *watch, uint32_t events)
{
    struct dispatch_rig *rig = container_of(watch, struct dispatch_rig, mail);
    (void)events;
    mailbox_drain(rig->mailbox, rig);
}

static inline void dispatch_rig_init(struct dispatch_rig *rig)
{
    static const struct resolver_options options = {
        .threads = 2,
        .queue = 100,
        .entries = 100,
        .ttl = 60 * USEC_PER_SEC,
        .negative_ttl = 60 * USEC_PER_SEC,
    };
    *rig = (struct dispatch_rig){.loop = NULL};
    assert_int_equal(sem_init(&rig->hang, 0, 0), 0);
    rig->latch = latch_new();
    assert_int_equal(loop_new(&rig->loop), 0);
    assert_int_equal(mailbox_new(4096, &rig->mailbox), 0);
    assert_int_equal(loop_watch(rig->loop, &rig->mail, mailbox_fd(rig->mailbox), EPOLLIN, rig_mail),
                     0);
    assert_int_equal(resolver_new_with(&options, rig->latch, rig_lookup, rig, &rig->resolver), 0);
    assert_int_equal(dispatch_new(rig->loop, rig->mailbox, rig->resolver, &rig->dispatch), 0);
}

static inline void dispatch_rig_done(struct dispatch_rig *rig)
{
    dispatch_free(rig->dispatch);
    for (int i = 0; i < 10; i++)
        sem_post(&rig->hang);
    resolver_stop(rig->resolver);
    assert_true(latch_wait(rig->latch, 5 * USEC_PER_SEC));
    mailbox_drain(rig->mailbox, rig);
    loop_unwatch(rig->loop, &rig->mail);
    mailbox_free(rig->mailbox);
    loop_free(rig->loop);
    latch_free(rig->latch);
    sem_destroy(&rig->hang);
}

static inline void dispatch_rig_turn(struct dispatch_rig *rig)
{
    assert_int_equal(loop_turn(rig->loop, clock_now() + 20 * USEC_PER_MSEC), 0);
    while (dispatch_turn(rig->dispatch))
        ;
}

/* Turns until *counter has reached `value`; fails after five seconds. */
static inline void dispatch_rig_until(struct dispatch_rig *rig, const unsigned *counter,
                                      unsigned value)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (*counter < value && clock_now() < end)
        dispatch_rig_turn(rig);
    assert_int_equal(*counter, value);
}

/* Until the server's counter has reached `value`. */
static inline void dispatch_rig_until_seen(struct dispatch_rig *rig, atomic_uint *counter,
                                           unsigned value)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (atomic_load(counter) < value && clock_now() < end)
        dispatch_rig_turn(rig);
    assert_int_equal(atomic_load(counter), value);
}

/* A port that takes no connection and refuses none: its queue is full. */
struct black_hole {
    int listener, fillers[3];
    unsigned short port;
};

static inline void black_hole_open(struct black_hole *hole, const char *address,
                                   unsigned short port)
{
    hole->listener = script_listen(address, port, &hole->port);
    assert_int_equal(listen(hole->listener, 0), 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(hole->port)};
    inet_pton(AF_INET, address, &name.sin_addr);
    for (size_t i = 0; i < 3; i++) {
        hole->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(hole->fillers[i] >= 0);
        (void)!connect(hole->fillers[i], (struct sockaddr *)&name, sizeof name);
    }
}

static inline void black_hole_close(struct black_hole *hole)
{
    for (size_t i = 0; i < 3; i++)
        close(hole->fillers[i]);
    close(hole->listener);
}

static inline size_t open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

#endif

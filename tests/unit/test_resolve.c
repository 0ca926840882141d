/* The resolver with lookups under the test's control: how many, how slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "back/lookup.h"
#include "back/resolve.h"

/* A gate: lookups wait until it is open. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open;
    atomic_uint entered, finished;
};

struct rig {
    struct latch *latch;
    struct mailbox *mailbox;
    struct resolver *resolver;
    struct gate gate;
    unsigned answered;
};

static struct addresses *addresses_of(const char *literal)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    assert(getaddrinfo(literal, NULL, &hints, &found) == 0);
    struct addresses *addresses = addresses_new(found);
    freeaddrinfo(found);
    return addresses;
}

/* "bad..." has no address, "broken..." cannot be asked for. */
static int lookup(void *ctx, const char *host, struct addresses **ret_addresses)
{
    struct gate *gate = ctx;
    atomic_fetch_add(&gate->entered, 1);
    pthread_mutex_lock(&gate->mutex);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    atomic_fetch_add(&gate->finished, 1);
    if (strncmp(host, "bad", 3) == 0)
        return LOOKUP_FAILED;
    if (strncmp(host, "broken", 6) == 0)
        return -EMFILE;
    *ret_addresses = addresses_of("192.0.2.1");
    return 0;
}

static void set_gate(struct rig *rig, bool open)
{
    pthread_mutex_lock(&rig->gate.mutex);
    rig->gate.open = open;
    pthread_cond_broadcast(&rig->gate.changed);
    pthread_mutex_unlock(&rig->gate.mutex);
}

static const struct resolver_options options = {
    .threads = 2,
    .queue = 3,
    .entries = 4,
    .ttl = 60 * USEC_PER_SEC,
    .negative_ttl = 60 * USEC_PER_SEC,
};

static void rig_init(struct rig *rig, const struct resolver_options *with, bool open)
{
    *rig = (struct rig){.gate = {.open = open}};
    pthread_mutex_init(&rig->gate.mutex, NULL);
    pthread_cond_init(&rig->gate.changed, NULL);
    rig->latch = latch_new();
    assert_int_equal(mailbox_new(100, &rig->mailbox), 0);
    assert_int_equal(resolver_new_with(with, rig->latch, lookup, &rig->gate, &rig->resolver), 0);
}

static void rig_done(struct rig *rig)
{
    set_gate(rig, true);
    resolver_stop(rig->resolver);
    assert_true(latch_wait(rig->latch, 5 * USEC_PER_SEC));
    mailbox_drain(rig->mailbox, rig);
    mailbox_free(rig->mailbox);
    latch_free(rig->latch);
    pthread_cond_destroy(&rig->gate.changed);
    pthread_mutex_destroy(&rig->gate.mutex);
}

static void answered(struct resolve_query *query, void *receiver)
{
    struct rig *rig = receiver;
    (void)query;
    rig->answered++;
}

static void prepare(struct rig *rig, struct resolve_query *query, const char *host, usec_t deadline)
{
    *query = (struct resolve_query){
        .deadline = deadline,
        .home = rig->mailbox,
        .answered = answered,
    };
    snprintf(query->host, sizeof query->host, "%s", host);
}

static int ask(struct rig *rig, struct resolve_query *query, const char *host)
{
    prepare(rig, query, host, USEC_NEVER);
    return resolver_ask(rig->resolver, query);
}

static void until_answered(struct rig *rig, unsigned count)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (rig->answered < count && clock_now() < end) {
        struct pollfd readable = {.fd = mailbox_fd(rig->mailbox), .events = POLLIN};
        poll(&readable, 1, 100);
        mailbox_drain(rig->mailbox, rig);
    }
    assert_int_equal(rig->answered, count);
}

static void until_entered(struct rig *rig, unsigned count)
{
    usec_t end = clock_now() + 5 * USEC_PER_SEC;
    while (atomic_load(&rig->gate.entered) < count && clock_now() < end)
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&rig->gate.entered), count);
}

static void expect_address(struct resolve_query *query)
{
    assert_non_null(query->addresses);
    assert_int_equal(addresses_count(query->addresses), 1);
    assert_string_equal(addresses_at(query->addresses, 0), "192.0.2.1");
    query->addresses = addresses_unref(query->addresses);
}

static void one_lookup_per_name(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query queries[10];
    rig_init(&rig, &options, false);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(ask(&rig, &queries[i], "a"), 0);
    until_entered(&rig, 1);
    set_gate(&rig, true);
    until_answered(&rig, 10);
    for (size_t i = 0; i < 10; i++)
        expect_address(&queries[i]);
    assert_int_equal(ask(&rig, &queries[0], "a"), RESOLVE_CACHED);
    expect_address(&queries[0]);
    assert_int_equal(atomic_load(&rig.gate.finished), 1);
    rig_done(&rig);
}

static void failures_are_remembered(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query query;
    rig_init(&rig, &options, true);
    assert_int_equal(ask(&rig, &query, "bad"), 0);
    until_answered(&rig, 1);
    assert_null(query.addresses);
    assert_int_equal(query.failure, OUTCOME_DNS_ERROR);
    assert_int_equal(ask(&rig, &query, "bad"), RESOLVE_CACHED);
    assert_int_equal(query.failure, OUTCOME_DNS_ERROR);
    /* What says nothing about the name is not. */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ask(&rig, &query, "broken"), 0);
        until_answered(&rig, 2 + i);
        assert_int_equal(query.failure, OUTCOME_DNS_ERROR);
    }
    rig_done(&rig);
}

static void answers_expire(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query query;
    struct resolver_options brief = options;
    brief.ttl = 1;          /* a microsecond */
    brief.negative_ttl = 0; /* not at all */
    rig_init(&rig, &brief, true);
    static const char *const names[] = {"a", "a", "bad", "bad"};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(ask(&rig, &query, names[i]), 0);
        until_answered(&rig, i + 1);
        addresses_unref(query.addresses);
    }
    assert_int_equal(atomic_load(&rig.gate.finished), 4);
    rig_done(&rig);
}

static void the_oldest_answer_goes(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query query;
    rig_init(&rig, &options, true);
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(ask(&rig, &query, names[i]), 0);
        until_answered(&rig, i + 1);
        expect_address(&query);
    }
    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(ask(&rig, &query, names[i]), RESOLVE_CACHED);
        expect_address(&query);
    }
    assert_int_equal(ask(&rig, &query, "a"), 0);
    until_answered(&rig, 6);
    expect_address(&query);
    resolver_reload(rig.resolver, &options);
    assert_int_equal(ask(&rig, &query, "e"), 0);
    until_answered(&rig, 7);
    expect_address(&query);
    rig_done(&rig);
}

static void the_queue_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query queries[8];
    char name[8];
    rig_init(&rig, &options, false);
    for (unsigned i = 0; i < 2; i++) { /* one for each thread */
        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(ask(&rig, &queries[i], name), 0);
        until_entered(&rig, i + 1);
    }
    for (unsigned i = 2; i < 5; i++) { /* and as many as the queue holds */
        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(ask(&rig, &queries[i], name), 0);
    }
    assert_int_equal(ask(&rig, &queries[5], "n5"), RESOLVE_BUSY);
    assert_int_equal(ask(&rig, &queries[5], "n4"), 0); /* joins one that is due */
    set_gate(&rig, true);
    until_answered(&rig, 6);
    for (unsigned i = 0; i < 6; i++)
        expect_address(&queries[i]);
    rig_done(&rig);
}

static void a_full_mailbox_is_busy(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query query;
    rig_init(&rig, &options, true);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(mailbox_reserve(rig.mailbox), 0);
    assert_int_equal(ask(&rig, &query, "a"), RESOLVE_BUSY);
    for (unsigned i = 0; i < 100; i++)
        mailbox_unreserve(rig.mailbox);
    assert_int_equal(ask(&rig, &query, "a"), 0);
    until_answered(&rig, 1);
    expect_address(&query);
    rig_done(&rig);
}

static void late_queries_are_not_looked_up(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query busy[2], late, timely;
    rig_init(&rig, &options, false);
    assert_int_equal(ask(&rig, &busy[0], "x"), 0);
    assert_int_equal(ask(&rig, &busy[1], "y"), 0);
    until_entered(&rig, 2);
    prepare(&rig, &late, "late", clock_now() + 1);
    assert_int_equal(resolver_ask(rig.resolver, &late), 0);
    assert_int_equal(ask(&rig, &timely, "timely"), 0);
    while (clock_now() <= late.deadline)
        poll(NULL, 0, 1);
    set_gate(&rig, true);
    until_answered(&rig, 4);
    assert_null(late.addresses);
    assert_int_equal(late.failure, OUTCOME_DNS_TIMEOUT);
    expect_address(&timely);
    expect_address(&busy[0]);
    expect_address(&busy[1]);
    assert_int_equal(atomic_load(&rig.gate.finished), 3);
    rig_done(&rig);
}

static void a_question_taken_back(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query queries[3];
    rig_init(&rig, &options, false);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ask(&rig, &queries[i], "hangs"), 0);
    until_entered(&rig, 1);
    assert_true(resolver_withdraw(rig.resolver, &queries[1]));
    assert_true(resolver_withdraw(rig.resolver, &queries[0]));
    set_gate(&rig, true);
    struct pollfd readable = {.fd = mailbox_fd(rig.mailbox), .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 5000), 1);
    assert_false(resolver_withdraw(rig.resolver, &queries[2])); /* it is in the mailbox */
    until_answered(&rig, 1);
    expect_address(&queries[2]);
    rig_done(&rig);
}

/* Whoever stops is not held up by a lookup that hangs, and what waits is answered. */
static void stopping_while_a_lookup_hangs(void **state)
{
    (void)state;
    struct rig rig;
    struct resolve_query hanging[2], waiting;
    rig_init(&rig, &options, false);
    assert_int_equal(ask(&rig, &hanging[0], "x"), 0);
    assert_int_equal(ask(&rig, &hanging[1], "y"), 0);
    until_entered(&rig, 2);
    assert_int_equal(ask(&rig, &waiting, "z"), 0);
    resolver_stop(rig.resolver);
    rig.resolver = NULL;
    assert_false(latch_wait(rig.latch, 1));
    until_answered(&rig, 1);
    assert_int_equal(waiting.failure, OUTCOME_DNS_ERROR);
    set_gate(&rig, true);
    until_answered(&rig, 3);
    expect_address(&hanging[0]);
    expect_address(&hanging[1]);
    rig_done(&rig);
}

static void the_system_knows_localhost(void **state)
{
    (void)state;
    struct addresses *addresses;
    assert_int_equal(lookup_system(NULL, "localhost", &addresses), 0);
    bool loopback = false;
    for (size_t i = 0; i < addresses_count(addresses); i++)
        loopback |= strcmp(addresses_at(addresses, i), "127.0.0.1") == 0 ||
                    strcmp(addresses_at(addresses, i), "::1") == 0;
    assert_true(loopback);
    assert_int_equal(addresses_preferred(addresses), 0);
    addresses_unref(addresses);
}

/* Asks a name server that is not there, in a thread of its own as the daemon does. */
static void *asks_and_leaves(void *ctx)
{
    bool *tidy = ctx;
    struct addresses *addresses;
    int zero = dup2(STDERR_FILENO, STDIN_FILENO); /* a descriptor 0 that may not be closed */
    lookup_leave_thread();
    bool unharmed = zero == 0 && fcntl(STDIN_FILENO, F_GETFD) >= 0;
    int rc = res_ninit(&_res);
    _res.nscount = 1;
    _res.retry = 1;
    _res.nsaddr_list[0] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(1)};
    _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (rc != 0 || lookup_system(NULL, "nobody.invalid", &addresses) == 0)
        return NULL;
    bool kept = _res._u._ext.nsaddrs[0] != NULL; /* what a process that ends now would leak */
    lookup_leave_thread();
    *tidy = unharmed && kept && !_res._u._ext.nsaddrs[0];
    return NULL;
}

static void a_thread_leaves_nothing_behind(void **state)
{
    (void)state;
    bool tidy = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, asks_and_leaves, &tidy), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(tidy);
}

static void addresses_keep_order_once_each(void **state)
{
    (void)state;
    struct sockaddr_in names[20];
    struct addrinfo found[20];
    for (unsigned i = 0; i < 20; i++) {
        names[i] = (struct sockaddr_in){.sin_family = AF_INET};
        names[i].sin_addr.s_addr = htonl(0x0a000000U + (i == 1 ? 0 : i)); /* the second again */
        found[i] = (struct addrinfo){
            .ai_addr = (struct sockaddr *)&names[i],
            .ai_next = i + 1 < 20 ? &found[i + 1] : NULL,
        };
    }
    struct addresses *addresses = addresses_new(found);
    assert_int_equal(addresses_count(addresses), RESOLVE_ADDRESSES_MAX);
    assert_string_equal(addresses_at(addresses, 0), "10.0.0.0");
    assert_string_equal(addresses_at(addresses, 1), "10.0.0.2");
    addresses_prefer(addresses, 3);
    assert_int_equal(addresses_preferred(addresses), 3);
    addresses_unref(addresses);
    assert_null(addresses_new(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lookup_per_name),
        cmocka_unit_test(failures_are_remembered),
        cmocka_unit_test(answers_expire),
        cmocka_unit_test(the_oldest_answer_goes),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(a_full_mailbox_is_busy),
        cmocka_unit_test(late_queries_are_not_looked_up),
        cmocka_unit_test(a_question_taken_back),
        cmocka_unit_test(stopping_while_a_lookup_hangs),
        cmocka_unit_test(the_system_knows_localhost),
        cmocka_unit_test(a_thread_leaves_nothing_behind),
        cmocka_unit_test(addresses_keep_order_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Waiting for a place: the order, the edges, and threads that hand places on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/gauge.h"

enum { PLACES = 8, MOST = 4 };

struct waiting {
    struct gauge_waiter waiter; /* first */
    struct rig *rig;
    unsigned let_in; /* the number of the mail that let it in; 0: none yet */
};

struct rig {
    struct gauge *gauge;
    struct mailbox *mailbox;
    unsigned mails;
    struct waiting waiting[MOST + 1];
};

static void let_in(struct mail *mail, void *receiver)
{
    struct waiting *waiting = (struct waiting *)(void *)mail;
    struct rig *rig = receiver;
    assert_int_equal(waiting->let_in, 0);
    waiting->let_in = ++rig->mails;
    gauge_unref(waiting->waiter.gauge);
}

static void rig_init(struct rig *rig)
{
    *rig = (struct rig){.gauge = gauge_new()};
    assert_int_equal(mailbox_new(PLACES, &rig->mailbox), 0);
}

static void rig_done(struct rig *rig)
{
    assert_int_equal(gauge_value(rig->gauge), 0);
    assert_int_equal(gauge_waiting(rig->gauge), 0);
    assert_true(gauge_enter(rig->gauge, 1)); /* nothing is left that says "waited for" */
    gauge_leave(rig->gauge);
    gauge_unref(rig->gauge);
    mailbox_free(rig->mailbox);
}

static int wait_for(struct rig *rig, size_t number, uint64_t limit, uint64_t most)
{
    struct waiting *waiting = &rig->waiting[number];
    *waiting = (struct waiting){.waiter = {.mail.deliver = let_in, .home = rig->mailbox}};
    return gauge_wait(rig->gauge, limit, most, &waiting->waiter);
}

static void drain(struct rig *rig)
{
    mailbox_drain(rig->mailbox, rig);
}

static void the_oldest_comes_first(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_true(gauge_enter(rig.gauge, 2));
    assert_int_equal(wait_for(&rig, 0, 2, MOST), GAUGE_ENTERED);
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(wait_for(&rig, i, 2, MOST), GAUGE_WAITS);
    assert_int_equal(wait_for(&rig, MOST, 2, MOST), GAUGE_FULL); /* the edge */
    assert_int_equal(gauge_waiting(rig.gauge), MOST);
    for (unsigned i = 0; i < MOST; i++) {
        gauge_leave(rig.gauge);
        assert_int_equal(gauge_value(rig.gauge), 2); /* the place went on at once */
        drain(&rig);
        assert_int_equal(rig.mails, i + 1);
        assert_int_equal(rig.waiting[i].let_in, i + 1);
        assert_false(gauge_enter(rig.gauge, 2));
    }
    gauge_leave(rig.gauge);
    gauge_leave(rig.gauge);
    rig_done(&rig);
}

/* Nobody passes those who wait, not even when a place is free by another's limit. */
static void newcomers_stand_behind(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_true(gauge_enter(rig.gauge, 1));
    assert_int_equal(wait_for(&rig, 0, 1, MOST), GAUGE_WAITS);
    assert_false(gauge_enter(rig.gauge, 5));
    assert_int_equal(wait_for(&rig, 1, 5, MOST), GAUGE_WAITS);
    assert_true(gauge_enter(rig.gauge, 0)); /* no limit: nothing to wait for */
    gauge_leave(rig.gauge);
    assert_int_equal(rig.mails, 0);
    gauge_leave(rig.gauge); /* the first, and by its own limit the second too */
    drain(&rig);
    assert_int_equal(rig.waiting[0].let_in, 1);
    assert_int_equal(rig.waiting[1].let_in, 2);
    gauge_leave(rig.gauge);
    gauge_leave(rig.gauge);
    rig_done(&rig);
}

static void withdrawing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_true(gauge_enter(rig.gauge, 1));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(wait_for(&rig, i, 1, MOST), GAUGE_WAITS);
    assert_true(gauge_withdraw(&rig.waiting[1].waiter)); /* from the middle */
    assert_int_equal(gauge_waiting(rig.gauge), 2);
    gauge_leave(rig.gauge);
    assert_false(gauge_withdraw(&rig.waiting[0].waiter)); /* its mail is on its way */
    drain(&rig);
    assert_int_equal(rig.waiting[0].let_in, 1);
    assert_true(gauge_withdraw(&rig.waiting[2].waiter)); /* the last one */
    gauge_leave(rig.gauge);
    drain(&rig);
    assert_int_equal(rig.mails, 1);
    rig_done(&rig);
}

/* Who withdraws may have stood before others that his limit alone kept back. */
static void withdrawing_lets_others_in(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_true(gauge_enter(rig.gauge, 1));
    assert_int_equal(wait_for(&rig, 0, 1, MOST), GAUGE_WAITS);
    assert_int_equal(wait_for(&rig, 1, 2, MOST), GAUGE_WAITS);
    assert_true(gauge_withdraw(&rig.waiting[0].waiter));
    drain(&rig);
    assert_int_equal(rig.waiting[1].let_in, 1);
    gauge_leave(rig.gauge);
    gauge_leave(rig.gauge);
    rig_done(&rig);
}

static void a_new_limit(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_true(gauge_enter(rig.gauge, 1));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(wait_for(&rig, i, 1, MOST), GAUGE_WAITS);
    gauge_set_limit(rig.gauge, 3); /* room for two of them */
    drain(&rig);
    assert_int_equal(rig.mails, 2);
    gauge_set_limit(rig.gauge, 2); /* three are in: for two nobody comes */
    gauge_leave(rig.gauge);
    drain(&rig);
    assert_int_equal(rig.mails, 2);
    gauge_set_limit(rig.gauge, 0); /* none: all come */
    drain(&rig);
    assert_int_equal(rig.mails, 4);
    assert_int_equal(rig.waiting[3].let_in, 4);
    for (size_t i = 0; i < 4; i++)
        gauge_leave(rig.gauge);
    rig_done(&rig);
}

static void a_full_mailbox_refuses(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_true(gauge_enter(rig.gauge, 1));
    assert_int_equal(mailbox_reserve_places(rig.mailbox, PLACES - 1), 0);
    assert_int_equal(wait_for(&rig, 0, 1, MOST), GAUGE_WAITS);
    assert_int_equal(wait_for(&rig, 1, 1, MOST), GAUGE_FULL);
    mailbox_unreserve_places(rig.mailbox, PLACES - 1);
    gauge_leave(rig.gauge);
    drain(&rig);
    gauge_leave(rig.gauge);
    rig_done(&rig);
}

/* ---- threads ---- */

enum { THREADS = 4, LIMIT = 2, ROUNDS = 4000 };

struct race {
    struct gauge *gauge;
    pthread_barrier_t start; /* else one may be through before the next one begins */
    _Atomic(int) inside, beyond, waited;
};

struct racer {
    struct gauge_waiter waiter; /* first */
    struct race *race;
    struct mailbox *mailbox;
    bool in;
};

static void racer_let_in(struct mail *mail, void *receiver)
{
    struct racer *racer = receiver;
    assert_ptr_equal(mail, &racer->waiter.mail);
    gauge_unref(racer->waiter.gauge);
    racer->in = true;
}

static void await_place(struct racer *racer)
{
    struct pollfd mail = {.fd = mailbox_fd(racer->mailbox), .events = POLLIN};
    while (!racer->in) {
        assert_int_equal(poll(&mail, 1, 10000), 1); /* nobody is forgotten */
        mailbox_drain(racer->mailbox, racer);
    }
}

/* Every third time it does not want to wait any longer. */
static bool come_in(struct racer *racer, int round)
{
    racer->in = false;
    racer->waiter = (struct gauge_waiter){.mail.deliver = racer_let_in, .home = racer->mailbox};
    int rc = gauge_wait(racer->race->gauge, LIMIT, THREADS, &racer->waiter);
    assert_int_not_equal(rc, GAUGE_FULL);
    if (rc == GAUGE_ENTERED)
        return true;
    atomic_fetch_add(&racer->race->waited, 1);
    if (round % 3 == 0 && gauge_withdraw(&racer->waiter))
        return false;
    await_place(racer);
    return true;
}

static void *run_race(void *ctx)
{
    struct racer racer = {.race = ctx};
    struct race *race = ctx;
    assert_int_equal(mailbox_new(PLACES, &racer.mailbox), 0);
    pthread_barrier_wait(&race->start);
    for (int i = 0; i < ROUNDS; i++) {
        if (!come_in(&racer, i))
            continue;
        if (atomic_fetch_add(&race->inside, 1) >= LIMIT)
            atomic_fetch_add(&race->beyond, 1);
        if (i % 5 == 0)
            sched_yield();
        atomic_fetch_sub(&race->inside, 1);
        gauge_leave(race->gauge);
    }
    return racer.mailbox; /* another may be about to return from posting */
}

static void places_go_from_thread_to_thread(void **state)
{
    (void)state;
    struct race race = {.gauge = gauge_new()};
    pthread_t threads[THREADS];
    void *mailboxes[THREADS];
    assert_int_equal(pthread_barrier_init(&race.start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_race, &race), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], &mailboxes[i]);
    for (int i = 0; i < THREADS; i++)
        mailbox_free(mailboxes[i]);
    pthread_barrier_destroy(&race.start);
    assert_int_equal(race.beyond, 0);
    assert_true(race.waited > 0);
    assert_int_equal(gauge_value(race.gauge), 0);
    assert_int_equal(gauge_waiting(race.gauge), 0);
    gauge_unref(race.gauge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_comes_first),
        cmocka_unit_test(newcomers_stand_behind),
        cmocka_unit_test(withdrawing),
        cmocka_unit_test(withdrawing_lets_others_in),
        cmocka_unit_test(a_new_limit),
        cmocka_unit_test(a_full_mailbox_refuses),
        cmocka_unit_test(places_go_from_thread_to_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

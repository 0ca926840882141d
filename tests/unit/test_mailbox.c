/* Capacity at its edge, order, wake-ups, and many senders at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mailbox.h"

struct letter {
    struct mail mail;
    int sender;
    int number;
};

struct reader {
    struct mailbox *mailbox;
    struct letter *again; /* posted from within a delivery */
    int count;
    int numbers[16];
};

static struct letter *letter_of(struct mail *mail)
{
    return (struct letter *)(void *)mail; /* its first member */
}

static void note(struct mail *mail, void *receiver)
{
    struct reader *reader = receiver;
    reader->numbers[reader->count++] = letter_of(mail)->number;
    free(mail); /* so that a later touch is seen */
    if (reader->again) {
        struct letter *again = reader->again;
        reader->again = NULL;
        assert_int_equal(mailbox_post(reader->mailbox, &again->mail), 0);
    }
}

static struct letter *letter_new(int number)
{
    struct letter *letter = calloc(1, sizeof *letter);
    letter->mail.deliver = note;
    letter->number = number;
    return letter;
}

static struct mailbox *mailbox_with(size_t capacity)
{
    struct mailbox *mailbox = NULL;
    assert_int_equal(mailbox_new(capacity, &mailbox), 0);
    return mailbox;
}

static bool readable(const struct mailbox *mailbox)
{
    struct pollfd wait = {.fd = mailbox_fd(mailbox), .events = POLLIN};
    return poll(&wait, 1, 0) == 1;
}

static void mail_arrives_in_order(void **state)
{
    (void)state;
    struct reader reader = {.mailbox = mailbox_with(10)};
    assert_false(readable(reader.mailbox));
    for (int i = 0; i < 10; i++)
        assert_int_equal(mailbox_post(reader.mailbox, &letter_new(i)->mail), 0);
    assert_true(readable(reader.mailbox));
    mailbox_drain(reader.mailbox, &reader);
    assert_false(readable(reader.mailbox));
    assert_int_equal(reader.count, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(reader.numbers[i], i);
    mailbox_drain(reader.mailbox, &reader); /* nothing there is fine */
    assert_int_equal(reader.count, 10);
    assert_null(mailbox_free(reader.mailbox));
    assert_null(mailbox_free(NULL));
}

static void the_capacity_holds_at_its_edge(void **state)
{
    (void)state;
    struct reader reader = {.mailbox = mailbox_with(3)};
    for (int i = 0; i < 3; i++)
        assert_int_equal(mailbox_post(reader.mailbox, &letter_new(i)->mail), 0);
    struct letter *refused = letter_new(3);
    assert_int_equal(mailbox_post(reader.mailbox, &refused->mail), MAILBOX_FULL);
    assert_int_equal(mailbox_reserve(reader.mailbox), MAILBOX_FULL);
    assert_int_equal(mailbox_refusals(reader.mailbox), 2);
    assert_int_equal(mailbox_waiting(reader.mailbox), 3);
    mailbox_drain(reader.mailbox, &reader);
    assert_int_equal(mailbox_waiting(reader.mailbox), 0);
    assert_int_equal(reader.count, 3);
    assert_int_equal(mailbox_post(reader.mailbox, &refused->mail), 0);
    mailbox_drain(reader.mailbox, &reader);
    assert_int_equal(reader.numbers[3], 3);
    mailbox_free(reader.mailbox);
}

static void a_reserved_place_is_certain(void **state)
{
    (void)state;
    struct reader reader = {.mailbox = mailbox_with(2)};
    assert_int_equal(mailbox_reserve(reader.mailbox), 0);
    assert_false(readable(reader.mailbox));
    assert_int_equal(mailbox_waiting(reader.mailbox), 0); /* a place is no mail */
    assert_int_equal(mailbox_post(reader.mailbox, &letter_new(1)->mail), 0);
    assert_int_equal(mailbox_waiting(reader.mailbox), 1);
    assert_int_equal(mailbox_reserve(reader.mailbox), MAILBOX_FULL);
    mailbox_post_reserved(reader.mailbox, &letter_new(2)->mail);
    assert_int_equal(mailbox_waiting(reader.mailbox), 2);
    mailbox_drain(reader.mailbox, &reader);
    assert_int_equal(reader.count, 2);
    assert_int_equal(mailbox_reserve(reader.mailbox), 0);
    assert_int_equal(mailbox_reserve(reader.mailbox), 0);
    assert_int_equal(mailbox_reserve(reader.mailbox), MAILBOX_FULL);
    mailbox_unreserve(reader.mailbox);
    assert_int_equal(mailbox_reserve(reader.mailbox), 0);
    mailbox_unreserve(reader.mailbox);
    mailbox_unreserve(reader.mailbox);
    mailbox_free(reader.mailbox);
}

static void a_mailbox_without_places_refuses(void **state)
{
    (void)state;
    struct mailbox *mailbox = mailbox_with(0);
    assert_int_equal(mailbox_reserve(mailbox), MAILBOX_FULL);
    mailbox_free(mailbox);
}

/* The only place is free again before deliver() runs; what it posts waits for
 * the next drain, and announces itself. */
static void a_delivery_may_post(void **state)
{
    (void)state;
    struct reader reader = {.mailbox = mailbox_with(1), .again = letter_new(2)};
    assert_int_equal(mailbox_post(reader.mailbox, &letter_new(1)->mail), 0);
    mailbox_drain(reader.mailbox, &reader);
    assert_int_equal(reader.count, 1);
    assert_true(readable(reader.mailbox));
    mailbox_drain(reader.mailbox, &reader);
    assert_int_equal(reader.count, 2);
    assert_int_equal(reader.numbers[1], 2);
    mailbox_free(reader.mailbox);
}

enum { SENDERS = 4, LETTERS = 25000, CAPACITY = 100 };

struct crowd {
    struct mailbox *mailbox;
    int next[SENDERS];
    int received;
    int disorder;
};

struct sender {
    struct crowd *crowd;
    int index;
};

static void receive(struct mail *mail, void *receiver)
{
    struct crowd *crowd = receiver;
    struct letter *letter = letter_of(mail);
    if (letter->number != crowd->next[letter->sender]++)
        crowd->disorder++;
    crowd->received++;
    free(letter);
}

/* Half of the mails are posted in one step, half on a place taken before. */
static void *send_all(void *ctx)
{
    struct sender *sender = ctx;
    struct mailbox *mailbox = sender->crowd->mailbox;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = letter_new(i);
        letter->mail.deliver = receive;
        letter->sender = sender->index;
        if (i % 2 == 0) {
            while (mailbox_post(mailbox, &letter->mail) != 0)
                sched_yield();
            continue;
        }
        while (mailbox_reserve(mailbox) != 0)
            sched_yield();
        mailbox_post_reserved(mailbox, &letter->mail);
    }
    return NULL;
}

/* The receiver sleeps in poll(): a lost wake-up shows as a timeout. */
static void no_mail_is_lost_among_threads(void **state)
{
    (void)state;
    struct crowd crowd = {.mailbox = mailbox_with(CAPACITY)};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.crowd = &crowd, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    while (crowd.received < SENDERS * LETTERS) {
        struct pollfd wait = {.fd = mailbox_fd(crowd.mailbox), .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 60000), 1);
        mailbox_drain(crowd.mailbox, &crowd);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowd.next[i], LETTERS);
    }
    assert_int_equal(crowd.disorder, 0);
    assert_int_equal(mailbox_waiting(crowd.mailbox), 0);
    assert_null(mailbox_free(crowd.mailbox)); /* asserts that no place is taken */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_arrives_in_order),
        cmocka_unit_test(the_capacity_holds_at_its_edge),
        cmocka_unit_test(a_reserved_place_is_certain),
        cmocka_unit_test(a_mailbox_without_places_refuses),
        cmocka_unit_test(a_delivery_may_post),
        cmocka_unit_test(no_mail_is_lost_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Senders push mails on a stack with compare-and-swap; the receiver takes the
 * whole stack with one exchange and reverses it, which restores the order and
 * cannot meet the ABA problem. Only the sender that found the stack empty
 * writes to the eventfd: whoever pushes on top of it rides along.
 *
 * The receiver clears the eventfd BEFORE it takes the stack. A mail pushed
 * after the taking finds an empty stack and signals anew, so no wake-up is
 * lost; a mail may be taken before its signal arrives, and then the receiver
 * wakes once for nothing.
 *
 * The lower half of `counts` are the places taken, by mails queued and by reservations; it
 * never passes `capacity`. The upper half are the mails queued alone: one word, so that a
 * mail costs one step on its way in and one on its way out.
 */
#include "base/mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

#define PLACE UINT64_C(1)
#define MAIL  (UINT64_C(1) << 32)

struct mailbox {
    _Atomic(struct mail *) newest;
    _Atomic(uint64_t) counts;
    _Atomic(uint64_t) refusals;
    size_t capacity;
    int event_fd;
};

int mailbox_new(size_t capacity, struct mailbox **ret_mailbox)
{
    int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_fd < 0)
        return -errno;
    assert(capacity < MAIL);
    struct mailbox *mailbox = mem_new(sizeof *mailbox);
    atomic_init(&mailbox->newest, NULL);
    atomic_init(&mailbox->counts, 0);
    mailbox->capacity = capacity;
    mailbox->event_fd = event_fd;
    *ret_mailbox = mailbox;
    return 0;
}

struct mailbox *mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return NULL;
    assert(!atomic_load(&mailbox->newest));
    assert(atomic_load(&mailbox->counts) == 0);
    close(mailbox->event_fd);
    free(mailbox);
    return NULL;
}

static size_t places_of(uint64_t counts)
{
    return counts & (MAIL - 1);
}

/* `more`: as many places, and a mail in it or none. */
static int take_places(struct mailbox *mailbox, size_t count, uint64_t more)
{
    uint64_t counts = atomic_load_explicit(&mailbox->counts, memory_order_relaxed);
    do {
        if (count > mailbox->capacity - places_of(counts)) {
            atomic_fetch_add_explicit(&mailbox->refusals, 1, memory_order_relaxed);
            return MAILBOX_FULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->counts, &counts, counts + more,
                                                    memory_order_acquire, memory_order_relaxed));
    return 0;
}

int mailbox_reserve_places(struct mailbox *mailbox, size_t count)
{
    return take_places(mailbox, count, count * PLACE);
}

static void give_places(struct mailbox *mailbox, size_t count, uint64_t less)
{
    uint64_t before = atomic_fetch_sub_explicit(&mailbox->counts, less, memory_order_release);
    assert(places_of(before) >= count);
}

void mailbox_unreserve_places(struct mailbox *mailbox, size_t count)
{
    give_places(mailbox, count, count * PLACE);
}

int mailbox_reserve(struct mailbox *mailbox)
{
    return mailbox_reserve_places(mailbox, 1);
}

void mailbox_unreserve(struct mailbox *mailbox)
{
    mailbox_unreserve_places(mailbox, 1);
}

/* EAGAIN means the counter is full of signals already, which is as good. */
static void signal_receiver(struct mailbox *mailbox)
{
    uint64_t one = 1;
    ssize_t written = write(mailbox->event_fd, &one, sizeof one);
    assert(written == sizeof one || errno == EAGAIN);
}

/* Counted as queued already. */
static void push(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *older = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do {
        mail->next = older;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &older, mail,
                                                    memory_order_release, memory_order_relaxed));
    /* From here on the mail may be gone. */
    if (!older)
        signal_receiver(mailbox);
}

void mailbox_post_reserved(struct mailbox *mailbox, struct mail *mail)
{
    atomic_fetch_add_explicit(&mailbox->counts, MAIL, memory_order_relaxed);
    push(mailbox, mail);
}

int mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    int rc = take_places(mailbox, 1, PLACE + MAIL);
    if (rc == 0)
        push(mailbox, mail);
    return rc;
}

uint64_t mailbox_refusals(const struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->refusals, memory_order_relaxed);
}

size_t mailbox_waiting(const struct mailbox *mailbox)
{
    return (size_t)(atomic_load_explicit(&mailbox->counts, memory_order_relaxed) / MAIL);
}

int mailbox_fd(const struct mailbox *mailbox)
{
    return mailbox->event_fd;
}

static struct mail *oldest_first(struct mail *newest)
{
    struct mail *reversed = NULL;
    while (newest) {
        struct mail *older = newest->next;
        newest->next = reversed;
        reversed = newest;
        newest = older;
    }
    return reversed;
}

void mailbox_drain(struct mailbox *mailbox, void *receiver)
{
    uint64_t signals;
    ssize_t got = read(mailbox->event_fd, &signals, sizeof signals);
    assert(got == sizeof signals || errno == EAGAIN);
    struct mail *mail =
        oldest_first(atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire));
    while (mail) {
        struct mail *next = mail->next; /* deliver() may free the mail */
        give_places(mailbox, 1, PLACE + MAIL);
        mail->deliver(mail, receiver);
        mail = next;
    }
}

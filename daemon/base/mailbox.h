/*
 * How one thread hands something to another: a bounded queue of mails for one
 * receiving thread, with an eventfd that its loop watches. Posting moves
 * ownership of the mail and of what it is embedded in; the sender touches
 * neither afterwards. Many senders, one receiver, no lock.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"

struct mailbox;
struct mail;

typedef void mail_fn(struct mail *mail, void *receiver);

struct mail {
    struct mail *next;
    mail_fn *deliver; /* runs on the receiving thread; takes the mail */
};

enum { MAILBOX_FULL = 1 };

/* `capacity` below 2^32. */
int must_check mailbox_new(size_t capacity, struct mailbox **ret_mailbox);
/* The receiver, with no sender left. Asserts that nothing is queued or reserved. */
struct mailbox *mailbox_free(struct mailbox *mailbox);

/* Any thread. Takes a place in advance, so that a later post cannot be refused;
 * 0 or MAILBOX_FULL. An unused place is given back with mailbox_unreserve(). */
int must_check mailbox_reserve(struct mailbox *mailbox);
void mailbox_unreserve(struct mailbox *mailbox);
/* The same for several places in one step: all or none. */
int must_check mailbox_reserve_places(struct mailbox *mailbox, size_t count);
void mailbox_unreserve_places(struct mailbox *mailbox, size_t count);
void mailbox_post_reserved(struct mailbox *mailbox, struct mail *mail);

/* Any thread. Reserve and post in one; on MAILBOX_FULL the mail stays the caller's. */
int must_check mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* Any thread. How often there was no place; how many mails wait now. */
uint64_t mailbox_refusals(const struct mailbox *mailbox);
size_t mailbox_waiting(const struct mailbox *mailbox);

/* Receiver only. Readable when mail waits. */
int mailbox_fd(const struct mailbox *mailbox);
/* Delivers what is there now, oldest first, calling deliver(mail, receiver). */
void mailbox_drain(struct mailbox *mailbox, void *receiver);

#endif

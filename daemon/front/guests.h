/*
 * Who is connected to the admin pages, the one that has been without a reply for longest
 * first. A guest has a time in which to get one; when there are too many guests, the first
 * makes room. So nobody can keep the others out by being slow. One thread.
 */
#ifndef FRONT_GUESTS_H
#define FRONT_GUESTS_H

#include "base/clock.h"
#include "base/list.h"

struct guest {
    struct link link; /* in no list: it was shown out */
    usec_t since;     /* it came, or had its last reply */
    int fd;           /* borrowed */
};

struct guests {
    struct link all;
    size_t count; /* with those that were shown out and have not left yet */
    usec_t patience;
};

void guests_init(struct guests *guests, usec_t patience);

struct guest *guests_enter(struct guests *guests, int fd, usec_t now)
    __attribute__((returns_nonnull));
/* It has its reply, and its time begins anew. */
void guests_serve(struct guests *guests, struct guest *guest, usec_t now);
/* Its connection is closed. */
void guests_leave(struct guests *guests, struct guest *guest);

/* Shuts down the connection of the first; whoever owns that will see it end. False: there is
 * none that was not shown out already. */
bool guests_show_out(struct guests *guests);
/* The same for all whose time is over. When the next one's will be; USEC_NEVER: there is none. */
usec_t guests_expire(struct guests *guests, usec_t now);

#endif

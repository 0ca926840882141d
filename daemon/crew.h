/*
 * What the workers share: read-only but for a few counters, and outliving them
 * all. Every worker has a seat, through which the others reach it.
 */
#ifndef DAEMON_CREW_H
#define DAEMON_CREW_H

#include <stdatomic.h>

#include "back/dispatch.h"
#include "base/mailbox.h"
#include "core/tally.h"
#include "front/listen.h"

struct seat {
    struct mailbox *mailbox;
    struct tally *tally;                 /* written by the worker */
    _Atomic(uint64_t) thread;            /* gettid() of the worker; 0: it does not run */
    _Atomic(uint64_t) connections;       /* its own, and those on their way to it */
    _Atomic(uint64_t) served, in_flight; /* requests, as of its last answer to worker_ask() */
};

struct crew {
    const struct listeners *listeners;
    struct resolver *resolver;
    struct access_log *access_log; /* both or none of them */
    struct span_export *span_export;
    const char *identity; /* this process in Via and CDN-Loop */
    struct seat *seats;   /* one per worker */
    size_t count;
    struct siblings siblings;      /* as dispatch sees the seats */
    _Atomic(uint64_t) connections; /* of all seats */
    _Atomic(size_t) accepting;     /* workers that may still hand over connections or calls */
    _Atomic(uint64_t) cut;         /* requests that the end of the drain has cut off */
    _Atomic(usec_t) complained;    /* when a lack of descriptors was last logged; 0: never */
};

#endif

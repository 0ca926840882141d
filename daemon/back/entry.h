/*
 * Who may look for a connection that calls share: one call at a time, in the order in
 * which they came. Knows neither handles nor bytes; transfer.c says what happened.
 */
#ifndef BACK_ENTRY_H
#define BACK_ENTRY_H

#include <stdbool.h>

#include "base/errors.h"
#include "base/list.h"
#include "base/loop.h"

struct entrant;

struct entry {                /* one per set of connections */
    struct entrant *entering; /* looks for a connection, or makes one; all others wait */
    struct link waiting;
    bool connected; /* there is a connection, or was a moment ago */
    bool serial;    /* the upstream chose HTTP/1.1: nothing is shared, nobody waits */
    bool late;      /* a connection can be joined only when a reply has begun on it */
    struct loop *loop;
    struct timer patience; /* set while the others wait for the first reply */
};

struct entrant { /* one per call; zero at first */
    struct entry *entry;
    struct link *admitted; /* where to put it when its turn has come */
    struct link turn;      /* in one of the two lists, or none */
    bool joins;            /* may use a connection, but not make one */
    bool alone;            /* there was none to join */
    bool refused;          /* libcurl would have sent it twice */
    bool used;             /* its connection served others before it */
    bool repeated;
    unsigned sendings;
};

/* `loop` is for `late`, which otherwise does without. Nothing is left to free once all
 * entrants are over. */
void entry_init(struct entry *entry, struct loop *loop, bool late);

/* True: it may look now. False: it waits, and will be found in `admitted`. */
bool must_check entry_ask(struct entrant *entrant);
/* It has a connection, or is over: the next one's turn. Nothing if it was not its turn,
 * or if it has no entry. */
void entry_passed(struct entrant *entrant);
/* It must look once more, before those who wait. */
void entry_again(struct entrant *entrant);
/* A reply has begun: what version the upstream chose. */
void entry_learn(struct entrant *entrant, bool serial);

/* Asked each time before the call goes out: `alone` or `refused` otherwise. */
bool must_check entrant_may_send(struct entrant *entrant, bool idempotent, bool made_connection);
/* Nothing of a reply came. May it look again? Once. `unsent`: its last sending never left
 * the process; otherwise the connection died under it. */
bool must_check entrant_may_repeat(struct entrant *entrant, bool idempotent, bool unsent);
/* Takes it out of its list, if it is in one. */
void entrant_withdraw(struct entrant *entrant);

#endif

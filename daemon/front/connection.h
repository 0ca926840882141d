/*
 * One client's connection, from accept to close: the deadline of what it is
 * doing, the watch that tells when its client leaves, and the exchange that is
 * under way on it. libmicrohttpd owns the descriptor; we only watch it, write a
 * last reply that libmicrohttpd cannot write any more, and shut it down.
 * All on the owning thread.
 *
 * A client that closes its side (a half-close; it cannot be told from leaving) still
 * gets the replies that are available at once to what it has sent, and then the
 * connection ends. Work that needs upstreams is cancelled: its reply may have no reader.
 */
#ifndef FRONT_CONNECTION_H
#define FRONT_CONNECTION_H

#include <microhttpd.h>

#include "back/fanout.h"
#include "base/loop.h"
#include "front/library_log.h"

struct exchange;
struct connection;
struct outlets;

/* Of a connection's memory: status line, libmicrohttpd's own fields, read-ahead. */
#define FRONT_SPARE 4096

/* What the connections of one thread share. */
struct front {
    struct loop *loop;
    const struct fanout_engine *engine;
    struct config *config; /* in force now; a reference of its own */
    struct connection *first;
    size_t count;                  /* of connections */
    size_t memory;                 /* libmicrohttpd's for each of them */
    uint64_t begun, ended;         /* requests */
    const struct outlets *outlets; /* NULL: nobody may observe */
    struct library_replies replies;
    uint64_t cut; /* requests, since `gave_up` */
    bool draining;
    bool gave_up; /* the drain time is over: nothing is begun any more */
    bool due;     /* libmicrohttpd has work that its descriptor does not show */
    void (*client_left)(struct connection *connection);
};

enum connection_phase {
    CONNECTION_FRESH, /* nothing of a request seen yet */
    CONNECTION_HEAD,  /* request line seen, fields awaited */
    CONNECTION_BODY,
    CONNECTION_WORK,   /* the fan-out keeps its own deadline */
    CONNECTION_REPLY,  /* bytes of the reply wait for the client */
    CONNECTION_IDLE,   /* kept alive between two requests */
    CONNECTION_LINGER, /* refused; the rest of the request is read and dropped */
};

struct connection {
    struct front *front;
    struct MHD_Connection *mhd;
    struct connection *previous, *next;
    struct exchange *exchange; /* NULL between two */
    enum connection_phase phase;
    int fd;                 /* libmicrohttpd's */
    bool gone;              /* the client has closed its side, or all; see connection.c */
    bool cut;               /* its request is counted in the front's `cut` */
    bool timed_out;         /* its request did not arrive in time: 408 */
    bool stalled;           /* its client did not take the reply in time */
    bool refused;           /* libmicrohttpd has answered itself */
    size_t last_words;      /* bytes of the body of that 408 */
    const char *request_id; /* of the exchange, which owns it; NULL: it has none */
    usec_t deadline;        /* of the phase */
    uint64_t taken;         /* of the reply, as of the last look; see connection.c */
    struct timer timer;     /* fires at the deadline or before: then it is set anew */
    struct watch watch;
};

/* From libmicrohttpd's start and end of a connection. */
struct connection *connection_open(struct front *front, struct MHD_Connection *mhd);
void connection_close(struct connection *connection);

struct connection *connection_of(struct MHD_Connection *mhd);

/* Enters a phase and sets its deadline by the limits in force. */
void connection_enter(struct connection *connection, enum connection_phase phase);

/* Answers a request while it is still being sent, past libmicrohttpd, which cannot reply
 * in the middle. Nothing else may have been sent for it. What the client goes on sending
 * must be read for a moment, or the reply is lost to a reset. Bytes of the reply's body. */
size_t connection_refuse(struct connection *connection, unsigned status, const char *detail);

/* Whether anything was sent on it; true where the system does not tell. */
bool connection_has_sent(const struct connection *connection);

/* While the daemon stops, what is not in use gets only a moment more. */
void connection_hasten(struct connection *connection);
/* Counts its request among those that the end of the drain time has cut off. */
void connection_cut(struct connection *connection);
/* The drain time is over: it closes if it is not in use, unless a request waits to be read. */
void connection_end_unused(struct connection *connection);

#endif

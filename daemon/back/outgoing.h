/*
 * A request on its way out: its bytes, and how many of them have gone. The buffers
 * are recycled: a call that waits for its reply holds none.
 */
#ifndef BACK_OUTGOING_H
#define BACK_OUTGOING_H

#include "back/connect.h"
#include "core/plan.h"

enum { SPARE_REQUESTS = 16 };

struct spare_requests { /* one per worker; zero-initialised: none */
    struct buffer items[SPARE_REQUESTS];
    size_t count;
};

struct outgoing { /* zero-initialised: nothing goes out */
    const struct call_spec *spec;
    struct buffer bytes; /* the head, and a small body */
    size_t sent;         /* of them and of a body that follows apart */
};

void spare_requests_done(struct spare_requests *spare);

/* Prepares it, for the first time or `again`; 0 or, for a head beyond all measure, -E2BIG. */
int must_check outgoing_begin(struct outgoing *outgoing, struct spare_requests *spare,
                              const struct call_spec *spec, usec_t deadline, bool again);
/* Sends what goes: 0 all of it is out; -EAGAIN some is left; another -errno: the
 * connection takes no more. */
int must_check outgoing_send(struct outgoing *outgoing, struct channel *channel);
/* Gives the buffer back; nothing if there is none. */
void outgoing_end(struct outgoing *outgoing, struct spare_requests *spare);

#endif

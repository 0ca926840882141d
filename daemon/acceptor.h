/*
 * One worker's share of accepting: takes connections from the listeners and
 * hands each to the worker with the fewest.
 */
#ifndef DAEMON_ACCEPTOR_H
#define DAEMON_ACCEPTOR_H

#include "base/loop.h"
#include "crew.h"

struct acceptor;

/* Gives a connection to a worker, on its own thread; `receiver` is what its mailbox is
 * drained with. The descriptor is the worker's, counted at its seat and in the crew
 * until acceptor_release(). */
typedef void accepted_fn(void *receiver, int fd, const struct sockaddr *peer, socklen_t len);

/* Begins at once; `receiver` is this worker's own. 0 or -errno. */
int must_check acceptor_new(struct loop *loop, struct crew *crew, size_t seat,
                            accepted_fn *accepted, void *receiver, struct acceptor **ret_acceptor);
struct acceptor *acceptor_free(struct acceptor *acceptor); /* NULL is fine */

/* How many connections the whole daemon may have. */
void acceptor_limit(struct acceptor *acceptor, uint64_t most);
/* For good; counts itself out of crew->accepting. */
void acceptor_stop(struct acceptor *acceptor);

/* `count` connections of a seat have closed. */
void acceptor_release(struct crew *crew, size_t seat, uint64_t count);

#endif

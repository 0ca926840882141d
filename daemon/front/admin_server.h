/*
 * A small HTTP server for the main thread: a libmicrohttpd instance of its own, without a
 * thread, on a loop of its own listeners. Each request is answered at once. Slow and silent clients
 * are cut off and make room for others.
 */
#ifndef FRONT_ADMIN_SERVER_H
#define FRONT_ADMIN_SERVER_H

#include "base/loop.h"
#include "core/answer.h"
#include "core/inbound.h"
#include "front/listen.h"

struct admin_server;

/* The answer to a request; `path` is its target without a query, `arena` lives until the
 * reply is queued. NULL: nothing is there for this method. */
typedef struct answer *admin_answer_fn(void *ctx, struct inbound *inbound, const char *path,
                                       struct arena *arena);

/* Accepts on `listeners` (borrowed) from now on; `paths` names what there is, for the
 * answer when nothing is. 0 or -errno. */
int must_check admin_server_new(struct loop *loop, const struct listeners *listeners,
                                const char *paths, admin_answer_fn *answer, void *ctx,
                                struct admin_server **ret_server);
struct admin_server *admin_server_free(struct admin_server *server); /* NULL is fine */

/* The names it answers to, as check_admin_host() takes them; borrowed until the next call. */
void admin_server_answer_to(struct admin_server *server, const struct strings *hosts);

/* After every turn of the loop: runs what is due. The moment to come back at the latest. */
usec_t admin_server_turn(struct admin_server *server);

#endif

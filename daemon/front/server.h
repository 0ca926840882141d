/*
 * The HTTP server of one thread: a libmicrohttpd instance without a listener and
 * without a thread, driven by the thread's loop. It is given connections and
 * turns them into fan-outs and replies. All on the owning thread.
 */
#ifndef FRONT_SERVER_H
#define FRONT_SERVER_H

#include <sys/socket.h>

#include "back/fanout.h"
#include "base/loop.h"

struct server;
struct outlets;

/* Takes a reference to `config`; `engine` is borrowed. 0 or -errno. */
int must_check server_new(struct loop *loop, const struct fanout_engine *engine,
                          struct config *config, struct server **ret_server);
/* Only after server_give_up(): nothing may be suspended any more. NULL is fine. */
struct server *server_free(struct server *server);

/* Where records and spans of its requests go; borrowed. Before the first connection, and
 * needed if a configuration asks for them. */
void server_observe(struct server *server, const struct outlets *outlets);

/* Takes the descriptor: served until it closes, or closed at once on failure. */
int must_check server_add(struct server *server, int fd, const struct sockaddr *peer,
                          socklen_t len);
/* Runs libmicrohttpd while it has something to do; once per turn of the loop, after
 * what may have completed fan-outs. True: call again before waiting. */
bool server_turn(struct server *server);

/* For exchanges that begin from now on. */
void server_configure(struct server *server, struct config *config);
size_t server_connections(const struct server *server);
/* Requests that ended, whatever came of them, and those between their first line and
 * their end. */
void server_count_requests(const struct server *server, uint64_t *ret_served,
                           uint64_t *ret_in_flight);

/* From now on every reply is the last on its connection, and idle connections end. */
void server_drain(struct server *server);
/* Cancels all fan-outs; their clients get 503, and so does who still sends a request. What
 * is not in use is closed. */
void server_give_up(struct server *server);
/* After server_give_up(), when nothing more is waited for: requests that were cut off by it,
 * or whose replies have not left. */
uint64_t server_cut(const struct server *server);

/* "0.9.75": the library that runs. */
const char *server_library_version(void);

#endif

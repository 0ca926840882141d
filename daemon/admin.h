/*
 * The admin pages: what they say of the daemon, and the server that says it, on the main
 * thread. Workers are looked at from outside, so one that is stuck cannot hide.
 */
#ifndef DAEMON_ADMIN_H
#define DAEMON_ADMIN_H

#include "base/loop.h"
#include "crew.h"
#include "front/listen.h"

struct admin;
struct heartbeat;

enum admin_state { ADMIN_STARTING, ADMIN_SERVING, ADMIN_DRAINING };

/* Serves on `listeners` (borrowed). 0 or -errno. */
int must_check admin_new(struct loop *loop, const struct listeners *listeners,
                         struct admin **ret_admin);
struct admin *admin_free(struct admin *admin); /* NULL is fine */

/* What is watched, borrowed until admin_free(). Before the first turn. */
void admin_watch(struct admin *admin, const struct crew *crew, const struct heartbeat *heartbeat,
                 const struct config *config);
void admin_enter(struct admin *admin, enum admin_state state);
/* After a reload: what is in force now (borrowed), or NULL when it failed; whether some of it
 * waits for a restart. */
void admin_reloaded(struct admin *admin, const struct config *config, bool restart_needed);

/* After every turn of the loop. The moment to come back at the latest. */
usec_t admin_turn(struct admin *admin);

#endif

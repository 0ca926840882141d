/*
 * The signals the daemon answers, as a descriptor that a loop can watch. They
 * are blocked instead of caught: no code of ours ever runs inside a handler.
 */
#ifndef SYS_SIGNALS_H
#define SYS_SIGNALS_H

#include "base/errors.h"

enum { SIGNALS_NONE = 1 };

/* Blocks SIGHUP, whose default is to end the process: one that comes before signals_open()
 * is read from its descriptor later. Call it first of all. 0 or -errno. */
int must_check signals_hold_reload(void);

/* Blocks SIGTERM, SIGINT and SIGHUP for this thread and all it will start, and
 * ignores SIGPIPE for the process. Call it before the first thread starts.
 * The caller closes the descriptor; the signals stay blocked. 0 or -errno. */
int must_check signals_open(int *ret_fd);

/* The next signal that waits; 0, SIGNALS_NONE or -errno. Never blocks. Several
 * of the same kind may count as one. */
int must_check signals_next(int fd, int *ret_signal);

#endif

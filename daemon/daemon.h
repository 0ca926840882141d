/* The whole daemon, from a configuration to its exit code. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "core/config.h"
#include "sys/passed.h"

/* Serves until SIGTERM or SIGINT, on the calling thread's watch. Takes the reference to
 * `config`; `file` is read again at SIGHUP (NULL: there is none). SIGHUP is blocked already,
 * and `passed` are all sockets of the service manager. Leaves with _exit(1) when the drain
 * time and five seconds were not enough. */
int daemon_run(struct config *config, const char *file, struct passed_sockets *passed);

#endif

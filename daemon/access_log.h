/*
 * Writes the access log and warns of slow requests, on a detached thread. Workers leave
 * records in rings; a log that cannot keep up loses lines, which are counted and reported.
 * The functions are for the main thread.
 */
#ifndef DAEMON_ACCESS_LOG_H
#define DAEMON_ACCESS_LOG_H

#include "base/ring.h"
#include "core/config.h"

struct access_log;

/* With a ring for each of `workers`. `journal` is the path of the journal's socket. 0 or
 * -errno. */
int must_check access_log_new(size_t workers, uint64_t places, const char *journal,
                              struct access_log **ret_log);
/* After access_log_stop(). NULL is fine. */
struct access_log *access_log_free(struct access_log *log);

struct ring *access_log_ring(struct access_log *log, size_t worker);

/* Opens what `config` says, a file anew, and starts the thread when it is first needed. 0 or
 * -errno, and then nothing has changed. */
int must_check access_log_prepare(struct access_log *log, struct config *config);
/* What such an error means, in words. */
const char *access_log_refusal(const struct config *config, int rc);
/* What workers leave from now on goes where the last access_log_prepare() said, which did
 * not fail. */
void access_log_commit(struct access_log *log);

/* Lines lost since the start; any thread. */
uint64_t access_log_dropped(const struct access_log *log);

/* The workers have ended: writes what is left. False: it did not end in time, and must not
 * be freed. NULL is fine. */
bool must_check access_log_stop(struct access_log *log);

#endif

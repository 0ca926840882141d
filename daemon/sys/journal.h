/*
 * The journal's native socket: a line with its fields is one datagram. It never blocks:
 * with a journal that hangs or is gone, lines are lost and counted instead of stopping the
 * threads that serve. Any thread.
 */
#ifndef SYS_JOURNAL_H
#define SYS_JOURNAL_H

#include <stdbool.h>

#include "base/log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct journal;

/* True when stderr is a stream of the journal ($JOURNAL_STREAM names its inode). */
bool journal_has_stderr(void);

/* NULL when there is no descriptor for it. `path` is the journal's socket. */
struct journal *journal_open(const char *path);
struct journal *journal_free(struct journal *journal); /* NULL is fine */

/* 0 or -errno; -EAGAIN: the journal does not keep up. What was lost since the last line
 * that got through is in the field LINES_LOST of the next one. */
int journal_send(struct journal *journal, enum log_level level, const char *line,
                 const struct log_fields *fields);

#endif

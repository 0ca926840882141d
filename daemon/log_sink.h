/* Where log lines go: the journal with their fields when stderr is the journal's, otherwise
 * stderr, the fields as key=value behind the text. */
#ifndef DAEMON_LOG_SINK_H
#define DAEMON_LOG_SINK_H

struct journal;

/* Before the first thread starts. The result is what log_sink_remove() frees; may be NULL. */
struct journal *log_sink_install(void);
/* After the last thread ended. */
struct journal *log_sink_remove(struct journal *journal);

#endif

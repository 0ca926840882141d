/* Where log lines go: stderr, in the journal's form when the journal reads it. */
#ifndef DAEMON_LOG_SINK_H
#define DAEMON_LOG_SINK_H

/* Before the first thread starts. */
void log_sink_install(void);

#endif

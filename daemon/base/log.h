/*
 * The log: one line per event to a sink that the composition root installs.
 * Thread-safe; a line is one write. Only front/, back/, sys/ and daemon/ log;
 * base/, json/ and core/ return what they know.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/errors.h"
#include "base/log_fields.h"
#include "base/outlet.h"

/* Values as in syslog(3), so that a sink can write the journal's <N> prefix. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* `line` has no control characters and is valid only during the call, like `fields` (NULL:
 * none), whose values are as the caller gave them; may run on any thread. */
typedef void log_sink_fn(void *ctx, enum log_level level, const char *line,
                         const struct log_fields *fields);

/* Before the first thread starts; without a sink lines go to stderr. */
void log_install(log_sink_fn *sink, void *ctx);
void log_set_level(enum log_level level); /* any thread */

void log_line(enum log_level level, const char *format, ...) printf_like(2, 3);
/* The same with fields for programs. Below the level in force it costs one load. */
void log_event(enum log_level level, const struct log_fields *fields, const char *format, ...)
    printf_like(3, 4);

/* For sinks: a line on standard error, with its fields as key=value behind the text. It never
 * waits for a reader: a line that finds no room is lost, and the next that goes out says how
 * many were, as lines_lost=N. Any thread. */
void log_write_stderr(const char *prefix, const char *line, const struct log_fields *fields);
/* While there is one thread: how standard error is written to is found out, and forgotten.
 * Before the first it is polled. */
void log_open_stderr(void);
void log_close_stderr(void);
struct outlet *log_stderr(void) __attribute__((returns_nonnull)); /* any thread */

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif

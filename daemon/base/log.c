/*
 * Formats a line on the caller's stack and hands it to the sink. Control
 * characters become spaces, so that nothing a peer sent can begin a line of its
 * own; a longer text is cut and ends in "...". errno survives, so that logging
 * an error does not change it.
 *
 * The variables are this module's allowed file-scope state. The sink and its context are
 * installed before there are threads, so they need not change together.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, FIELDS_SIZE = 2048, LOST_SIZE = 40 };

static void write_plain(void *ctx, enum log_level level, const char *line,
                        const struct log_fields *fields);

static _Atomic(log_sink_fn *) installed_sink = write_plain;
static _Atomic(void *) installed_ctx;
static _Atomic(int) highest_level = LOG_LEVEL_INFO;
static struct outlet standard_error = OUTLET_ON(STDERR_FILENO);
static _Atomic(uint64_t) lines_lost; /* since the last that got through */

/* ---- standard error ---- */

void log_open_stderr(void)
{
    outlet_open(&standard_error, STDERR_FILENO);
}

void log_close_stderr(void)
{
    outlet_close(&standard_error);
    standard_error = (struct outlet)OUTLET_ON(STDERR_FILENO);
}

struct outlet *log_stderr(void)
{
    return &standard_error;
}

/* The fields stay whole and the text is cut. */
void log_write_stderr(const char *prefix, const char *line, const struct log_fields *fields)
{
    char bytes[OUTLET_WHOLE], tail[FIELDS_SIZE + LOST_SIZE];
    uint64_t lost = atomic_exchange(&lines_lost, 0);
    size_t tail_len = log_fields_write(fields, tail, FIELDS_SIZE);
    if (lost > 0)
        tail_len += (size_t)snprintf(tail + tail_len, LOST_SIZE, " lines_lost=%" PRIu64, lost);
    size_t room = sizeof bytes - tail_len - 1;
    int len = snprintf(bytes, room + 1, "%s%s", prefix, line);
    assert(len >= 0);
    if ((size_t)len > room) {
        memcpy(bytes + room - 3, "...", 3);
        len = (int)room;
    }
    memcpy(bytes + len, tail, tail_len);
    bytes[(size_t)len + tail_len] = '\n';
    ssize_t whole = len + (ssize_t)tail_len + 1;
    if (outlet_write(&standard_error, bytes, (size_t)whole, true) != whole)
        atomic_fetch_add(&lines_lost, lost + 1);
}

static void write_plain(void *ctx, enum log_level level, const char *line,
                        const struct log_fields *fields)
{
    (void)ctx;
    (void)level;
    log_write_stderr("", line, fields);
}

/* ---- lines ---- */

void log_install(log_sink_fn *sink, void *ctx)
{
    atomic_store(&installed_ctx, ctx);
    atomic_store(&installed_sink, sink ? sink : write_plain);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&highest_level, (int)level, memory_order_relaxed);
}

static bool is_hidden(enum log_level level)
{
    return (int)level > atomic_load_explicit(&highest_level, memory_order_relaxed);
}

static void emit(enum log_level level, const struct log_fields *fields, const char *format,
                 va_list args) printf_like(3, 0);
static void emit(enum log_level level, const struct log_fields *fields, const char *format,
                 va_list args)
{
    int saved_errno = errno;
    char line[LINE_SIZE];
    int len = vsnprintf(line, sizeof line, format, args);
    assert(len >= 0);
    if ((size_t)len >= sizeof line)
        memcpy(line + sizeof line - 4, "...", 4);
    for (char *byte = line; *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = ' ';
    log_sink_fn *sink = atomic_load_explicit(&installed_sink, memory_order_acquire);
    sink(atomic_load(&installed_ctx), level, line, fields);
    errno = saved_errno;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (is_hidden(level))
        return;
    va_list args;
    va_start(args, format);
    emit(level, NULL, format, args);
    va_end(args);
}

void log_event(enum log_level level, const struct log_fields *fields, const char *format, ...)
{
    if (is_hidden(level))
        return;
    va_list args;
    va_start(args, format);
    emit(level, fields, format, args);
    va_end(args);
}

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
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, FIELDS_SIZE = 2048 };

static void write_stderr(void *ctx, enum log_level level, const char *line,
                         const struct log_fields *fields);

static _Atomic(log_sink_fn *) installed_sink = write_stderr;
static _Atomic(void *) installed_ctx;
static _Atomic(int) highest_level = LOG_LEVEL_INFO;

static void write_stderr(void *ctx, enum log_level level, const char *line,
                         const struct log_fields *fields)
{
    (void)ctx;
    (void)level;
    char bytes[LINE_SIZE + FIELDS_SIZE + 1];
    size_t len = strnlen(line, LINE_SIZE);
    memcpy(bytes, line, len);
    len += log_fields_write(fields, bytes + len, FIELDS_SIZE);
    bytes[len] = '\n';
    if (write(STDERR_FILENO, bytes, len + 1) < 0)
        return; /* a log that cannot be written has nobody to tell */
}

void log_install(log_sink_fn *sink, void *ctx)
{
    atomic_store(&installed_ctx, ctx);
    atomic_store(&installed_sink, sink ? sink : write_stderr);
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

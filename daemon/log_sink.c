/*
 * Under systemd lines go to the journal's own socket, where fields can be filtered by. If
 * that socket cannot be reached they go to stderr, whose <N> prefixes the journal reads. A
 * line is one write, so that lines of different threads do not mix.
 */
#include "log_sink.h"

#include <errno.h>

#include "base/log.h"
#include "sys/journal.h"

static void write_journal(void *ctx, enum log_level level, const char *line,
                          const struct log_fields *fields)
{
    struct journal *journal = ctx;
    char prefix[] = "<0>";
    int rc = journal ? journal_send(journal, level, line, fields) : -ENOENT;
    if (rc == 0 || rc == -EAGAIN) /* the stream would be as full as the socket */
        return;
    prefix[1] = (char)('0' + (int)level);
    log_write_stderr(prefix, line, fields);
}

static void write_plain(void *ctx, enum log_level level, const char *line,
                        const struct log_fields *fields)
{
    (void)ctx;
    const char *prefix = "gatherd: ";
    if (level == LOG_LEVEL_ERROR)
        prefix = "gatherd: error: ";
    else if (level == LOG_LEVEL_WARNING)
        prefix = "gatherd: warning: ";
    else if (level == LOG_LEVEL_DEBUG)
        prefix = "gatherd: debug: ";
    log_write_stderr(prefix, line, fields);
}

struct journal *log_sink_install(void)
{
    if (!journal_has_stderr()) {
        log_install(write_plain, NULL);
        return NULL;
    }
    struct journal *journal = journal_open(JOURNAL_SOCKET);
    log_install(write_journal, journal);
    return journal;
}

struct journal *log_sink_remove(struct journal *journal)
{
    log_install(NULL, NULL);
    log_close_stderr();
    return journal_free(journal);
}

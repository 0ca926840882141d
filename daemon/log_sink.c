/*
 * systemd names the journal's stream by device and inode in JOURNAL_STREAM; only
 * when stderr is that very file does somebody read the <N> prefixes. A line is
 * one write, so that lines of different threads do not mix.
 */
#include "log_sink.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
        return false;
    return fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static void write_line(const char *prefix, const char *line)
{
    struct iovec parts[] = {
        {(void *)prefix, strlen(prefix)},
        {(void *)line, strlen(line)},
        {(void *)"\n", 1},
    };
    if (writev(STDERR_FILENO, parts, 3) < 0)
        return; /* a log that cannot be written has nobody to tell */
}

static void write_journal(enum log_level level, const char *line)
{
    char prefix[] = "<0>";
    prefix[1] = (char)('0' + (int)level);
    write_line(prefix, line);
}

static void write_plain(enum log_level level, const char *line)
{
    const char *prefix = "gatherd: ";
    if (level == LOG_LEVEL_ERROR)
        prefix = "gatherd: error: ";
    else if (level == LOG_LEVEL_WARNING)
        prefix = "gatherd: warning: ";
    else if (level == LOG_LEVEL_DEBUG)
        prefix = "gatherd: debug: ";
    write_line(prefix, line);
}

void log_sink_install(void)
{
    log_install(stderr_is_journal() ? write_journal : write_plain);
}

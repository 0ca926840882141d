/*
 * Lines are gathered and go out in one write: to a file a large one; to a pipe or a socket at
 * most what is atomic there, and only when it takes it, so that a reader that has stopped
 * never holds the end of the daemon. Only this thread ever waits for the log.
 *
 * Where lines go is a target. The main thread makes it and later leaves it in `next`; the log's
 * thread takes it from there and has it for itself.
 */
#include "access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/collector.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/access_format.h"
#include "events.h"
#include "sys/journal.h"

enum { FILE_PIECE = 64 * 1024, OUT_MAX = 1 << 20, POLL_MS = 100 };

#define GATHER       (10 * USEC_PER_MSEC)
#define REPORT_EVERY (1 * USEC_PER_SEC)
#define LAST_TRIES   (1 * USEC_PER_SEC) /* for a reader that has stopped */
#define STOP_WAIT    (3 * USEC_PER_SEC)

struct target {
    struct config *config; /* a reference */
    int fd;                /* -1: none */
    size_t piece;          /* the most that is written at once */
    bool regular;
};

struct access_log {
    struct collector *collector;
    struct journal *journal; /* may be NULL */
    struct target *prepared; /* the main thread's */
    _Atomic(struct target *) next;
    _Atomic(uint64_t) lost; /* beside those that a ring dropped */
    /* The thread's. */
    struct target *target;
    struct buffer out;
    size_t lines; /* in `out` */
    usec_t offset, give_up;
    uint64_t reported;
    usec_t reported_at;
    int failure; /* errno of the last write that failed */
};

/* ---- targets ---- */

static struct target *target_free(struct target *target)
{
    if (!target)
        return NULL;
    if (target->fd > STDERR_FILENO)
        close(target->fd);
    config_unref(target->config);
    free(target);
    return NULL;
}

/* 0 or -errno. */
static int open_target(const struct access_log_options *options, int *ret_fd)
{
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    *ret_fd = options->target == ACCESS_STDERR ? STDERR_FILENO : -1;
    if (options->target != ACCESS_FILE)
        return 0;
    *ret_fd = open(options->to, flags, 0640);
    return *ret_fd < 0 ? -errno : 0;
}

static struct target *target_new(struct config *config, int fd)
{
    struct target *target = mem_new(sizeof *target);
    struct stat status;
    target->config = config_ref(config);
    target->fd = fd;
    target->regular = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    target->piece = target->regular ? FILE_PIECE : PIPE_BUF;
    return target;
}

/* ---- writing ---- */

static void lose(struct access_log *log, size_t lines, int failure)
{
    atomic_fetch_add(&log->lost, lines);
    log->failure = failure;
}

/* False: whoever reads has stopped, and the daemon is to end. */
static bool may_write(struct access_log *log)
{
    struct pollfd ready = {.fd = log->target->fd, .events = POLLOUT};
    while (!log->target->regular && poll(&ready, 1, POLL_MS) == 0) {
        if (!collector_is_stopping(log->collector))
            continue;
        usec_t now = clock_now();
        if (log->give_up == 0)
            log->give_up = now + LAST_TRIES;
        if (now >= log->give_up)
            return false;
    }
    return true;
}

/* Whole lines, the first `len` bytes of `out`. */
static void write_lines(struct access_log *log, size_t len)
{
    size_t done = 0;
    while (done < len && may_write(log)) {
        ssize_t wrote = write(log->target->fd, log->out.data + done, len - done);
        if (wrote < 0 && errno != EINTR && errno != EAGAIN)
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    if (done < len)
        lose(log, log->lines, errno);
    memmove(log->out.data, log->out.data + len, log->out.len - len);
    log->out.len -= len;
    log->lines = 0;
}

static void add_line(struct access_log *log, const struct access_record *record)
{
    const struct target *target = log->target;
    size_t before = log->out.len;
    access_format_write(target->config->access_log.format, record, log->offset, &log->out);
    if (buffer_status(&log->out) != 0) {
        buffer_done(&log->out);
        lose(log, log->lines + 1, ENOMEM);
        log->lines = 0;
        return;
    }
    if (log->out.len > target->piece && before > 0)
        write_lines(log, before);
    log->lines++;
    if (log->out.len > target->piece)
        write_lines(log, log->out.len);
}

/* ---- the journal, and warnings ---- */

struct texts { /* of a record, terminated */
    char items[ACCESS_TEXTS][ACCESS_TARGET_MAX + 1];
};

static struct log_fields fields_of(const struct access_record *record, struct texts *texts)
{
    struct log_fields fields = {.count = 0};
    for (size_t i = 0; i < ACCESS_TEXTS; i++) {
        size_t len;
        const char *text = access_get(record, (enum access_text)i, &len);
        memcpy(texts->items[i], text, len);
        texts->items[i][len] = '\0';
    }
    log_add_text(&fields, LOG_MESSAGE_ID, record->slow ? EVENT_SLOW_REQUEST : EVENT_REQUEST);
    if (texts->items[ACCESS_REQUEST_ID][0])
        log_add_text(&fields, "REQUEST_ID", texts->items[ACCESS_REQUEST_ID]);
    if (texts->items[ACCESS_ENDPOINT][0])
        log_add_text(&fields, "ENDPOINT", texts->items[ACCESS_ENDPOINT]);
    if (texts->items[ACCESS_UPSTREAM][0])
        log_add_text(&fields, "UPSTREAM", texts->items[ACCESS_UPSTREAM]);
    log_add_number(&fields, "STATUS", record->status);
    log_add_number(&fields, "DURATION_US", record->duration);
    return fields;
}

static void put_sentence(char *out, size_t size, const struct access_record *record,
                         const struct texts *texts)
{
    int len =
        snprintf(out, size, "%s%.32s %.512s: %u in %.1f ms", record->slow ? "slow request: " : "",
                 texts->items[ACCESS_METHOD], texts->items[ACCESS_TARGET], record->status,
                 (double)record->duration / 1000);
    if (record->slow && texts->items[ACCESS_PART][0] && len > 0 && (size_t)len < size)
        snprintf(out + len, size - (size_t)len,
                 ", the slowest call \"%.128s\" to %.128s in %.1f ms", texts->items[ACCESS_PART],
                 texts->items[ACCESS_UPSTREAM], (double)record->slowest / 1000);
}

static void say(struct access_log *log, const struct access_record *record, bool to_journal)
{
    struct texts texts;
    char client[ACCESS_ADDRESS_TEXT], sentence[3 * ACCESS_TARGET_MAX];
    struct log_fields fields = fields_of(record, &texts);
    put_sentence(sentence, sizeof sentence, record, &texts);
    if (!to_journal) {
        log_event(LOG_LEVEL_WARNING, &fields, "%s", sentence);
        return;
    }
    access_client_write(record, client);
    log_add_text(&fields, "CLIENT", client);
    log_add_number(&fields, "BYTES", record->bytes);
    int rc = log->journal
                 ? journal_send(log->journal, record->slow ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
                                sentence, &fields)
                 : -EBADF;
    if (rc != 0)
        lose(log, 1, -rc);
}

/* ---- the thread ---- */

static void take_target(struct access_log *log)
{
    struct target *next = atomic_exchange(&log->next, NULL);
    if (!next)
        return;
    if (log->target && log->out.len > 0)
        write_lines(log, log->out.len);
    target_free(log->target);
    log->target = next;
}

static void take_record(void *ctx, const void *data)
{
    struct access_log *log = ctx;
    const struct access_record *record = data;
    if (atomic_load_explicit(&log->next, memory_order_relaxed))
        take_target(log);
    bool to_journal = log->target->config->access_log.target == ACCESS_JOURNAL;
    if (record->slow || to_journal)
        say(log, record, to_journal);
    if (log->target->fd >= 0 && (record->sampled || record->slow))
        add_line(log, record);
}

static void report(struct access_log *log, bool last)
{
    uint64_t dropped = access_log_dropped(log);
    usec_t now = clock_now();
    if (dropped == log->reported || (!last && now < log->reported_at + REPORT_EVERY))
        return;
    log_warning("the access log lost %llu lines%s%s", (unsigned long long)(dropped - log->reported),
                log->failure ? ": " : "", log->failure ? strerror(log->failure) : "");
    log->reported = dropped;
    log->reported_at = now;
    log->failure = 0;
}

static struct collector_times emptied(void *ctx, bool last)
{
    struct access_log *log = ctx;
    if (log->out.len > 0)
        write_lines(log, log->out.len);
    take_target(log);
    log->offset = clock_epoch_offset();
    report(log, last);
    bool more = access_log_dropped(log) != log->reported;
    return (struct collector_times){.idle = more ? REPORT_EVERY : USEC_NEVER, .pause = GATHER};
}

/* ---- on the main thread ---- */

int access_log_new(size_t workers, uint64_t places, const char *journal,
                   struct access_log **ret_log)
{
    struct collector *collector;
    int rc = collector_new(workers, places, sizeof(struct access_record), &collector);
    if (rc != 0)
        return rc;
    struct access_log *log = mem_new(sizeof *log);
    log->collector = collector;
    log->journal = journal_open(journal);
    log->offset = clock_epoch_offset();
    buffer_init(&log->out, OUT_MAX);
    *ret_log = log;
    return 0;
}

struct access_log *access_log_free(struct access_log *log)
{
    if (!log)
        return NULL;
    collector_free(log->collector);
    target_free(log->prepared);
    target_free(atomic_load(&log->next));
    target_free(log->target);
    journal_free(log->journal);
    buffer_done(&log->out);
    free(log);
    return NULL;
}

struct ring *access_log_ring(struct access_log *log, size_t worker)
{
    return collector_ring(log->collector, worker);
}

int access_log_prepare(struct access_log *log, struct config *config)
{
    static const struct collector_work work = {.take = take_record, .emptied = emptied};
    const struct access_log_options *options = &config->access_log;
    int fd;
    int rc = open_target(options, &fd);
    if (rc != 0)
        return rc;
    log->prepared = target_free(log->prepared);
    log->prepared = target_new(config, fd);
    if (options->target == ACCESS_OFF && options->slow == 0)
        return 0;
    return collector_start(log->collector, "access-log", &work, log);
}

void access_log_commit(struct access_log *log)
{
    target_free(atomic_exchange(&log->next, log->prepared));
    log->prepared = NULL;
    collector_wake(log->collector);
}

uint64_t access_log_dropped(const struct access_log *log)
{
    return collector_dropped(log->collector) + atomic_load(&log->lost);
}

bool access_log_stop(struct access_log *log)
{
    return !log || collector_stop(log->collector, STOP_WAIT);
}

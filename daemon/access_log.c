/*
 * Lines are gathered and go out in one write: to a file a large one, elsewhere at most what a
 * pipe takes as a whole. A reader that is behind is waited for, but only for a moment in every
 * pass over the rings, and not at all once it has taken nothing for that long: what is else to
 * do is done in time. Lines wait for it in `out`, and are lost when that is full.
 *
 * Where lines go is a target. The main thread makes it and later leaves it in `next`; the log's
 * thread takes it from there and has it for itself. One that is nowhere is put off until a
 * pass has shown everything that was left before.
 */
#include "access_log.h"

#include <errno.h>
#include <fcntl.h>
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
#include "core/access_sentence.h"
#include "core/trace_context.h"
#include "events.h"
#include "sys/journal.h"

enum { FILE_PIECE = 64 * 1024, OUT_MAX = 1 << 20 };

#define GATHER       (10 * USEC_PER_MSEC)
#define PATIENCE     (100 * USEC_PER_MSEC) /* with a reader, in one pass */
#define TRY_EVERY    (100 * USEC_PER_MSEC) /* while it has stopped */
#define REPORT_EVERY (1 * USEC_PER_SEC)
#define LAST_TRIES   (1 * USEC_PER_SEC) /* at a stop */
#define STOP_WAIT    (3 * USEC_PER_SEC)

/* Why lines were lost, beside errno. */
enum { READER_STOPPED = EAGAIN, TURNED_OFF = ECANCELED };

struct target {
    struct config *config; /* a reference */
    struct outlet *outlet; /* NULL: none */
    struct outlet file;
    size_t piece; /* the most that is written at once */
};

struct access_log {
    struct collector *collector;
    struct journal *journal; /* may be NULL */
    struct target *prepared; /* the main thread's */
    _Atomic(struct target *) next;
    _Atomic(uint64_t) lost; /* beside those that a ring dropped */
    /* The thread's. */
    struct target *target, *coming; /* coming: NULL mostly */
    unsigned passes;                /* that end before it counts */
    struct buffer out;              /* whole lines that have not gone out */
    struct buffer line;
    usec_t patience; /* what is left of it in this pass */
    bool stalled;    /* the reader has stopped */
    usec_t offset;
    uint64_t reported;
    usec_t reported_at;
    int failure; /* why lines were lost last; 0: a ring was full */
};

/* ---- targets ---- */

static struct target *target_free(struct target *target)
{
    if (!target)
        return NULL;
    if (target->outlet == &target->file)
        outlet_close(&target->file);
    config_unref(target->config);
    free(target);
    return NULL;
}

/* 0 or -errno. */
static int open_file(const char *name, struct outlet *outlet)
{
    int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return -errno;
    outlet_take(outlet, fd);
    return 0;
}

/* 0 or -errno. */
static int target_new(struct config *config, struct target **ret_target)
{
    const struct access_log_options *options = &config->access_log;
    struct target *target = mem_new(sizeof *target);
    int rc = options->target == ACCESS_FILE ? open_file(options->to, &target->file) : 0;
    if (rc != 0) {
        free(target);
        return rc;
    }
    if (options->target == ACCESS_FILE)
        target->outlet = &target->file;
    else if (options->target == ACCESS_STDERR)
        target->outlet = log_stderr();
    target->piece = target->outlet && target->outlet->regular ? FILE_PIECE : OUTLET_WHOLE;
    target->config = config_ref(config);
    *ret_target = target;
    return 0;
}

const char *access_log_refusal(const struct config *config, int rc)
{
    struct stat status;
    if (rc != -ENXIO || stat(config->access_log.to, &status) != 0)
        return strerror(-rc);
    return S_ISFIFO(status.st_mode)   ? "it is a FIFO that nobody reads"
           : S_ISSOCK(status.st_mode) ? "it is a socket"
                                      : strerror(-rc);
}

/* ---- writing ---- */

static void lose(struct access_log *log, size_t lines, int failure)
{
    if (lines == 0)
        return;
    atomic_fetch_add(&log->lost, lines);
    log->failure = failure;
}

static size_t count_lines(const char *data, size_t len)
{
    size_t lines = 0;
    const char *end = data + len;
    while (data < end && (data = memchr(data, '\n', (size_t)(end - data)))) {
        lines++;
        data++;
    }
    return lines;
}

/* Everything that waits. */
static void lose_rest(struct access_log *log, int failure)
{
    lose(log, count_lines(log->out.data, log->out.len), failure);
    log->out.len = 0;
}

static bool may_wait(const struct access_log *log)
{
    return !log->stalled && log->patience > 0;
}

/* True: there is room. */
static bool await_room(struct access_log *log)
{
    if (!may_wait(log))
        return false;
    usec_t began = clock_now();
    log->stalled = !outlet_await(log->target->outlet, log->patience);
    usec_t spent = clock_now() - began + 1; /* something, so that this ends */
    log->patience = spent < log->patience ? log->patience - spent : 0;
    return !log->stalled;
}

/* How many of these bytes are written at once: whole lines, one at least. */
static size_t piece_len(const struct access_log *log, const char *data, size_t len)
{
    size_t most = log->target->piece;
    if (len <= most)
        return len;
    const char *last = memrchr(data, '\n', most);
    if (!last)
        last = memchr(data + most, '\n', len - most);
    return (size_t)(last + 1 - data);
}

/* How many of these bytes are done with, which is up to the end of a line. *ret_rc: 0, or why
 * it was not all of them. */
static size_t write_piece(struct access_log *log, const char *data, size_t len, int *ret_rc)
{
    size_t done = 0;
    ssize_t wrote = 0;
    while (done < len) {
        bool begins = done == 0 || data[done - 1] == '\n';
        wrote = outlet_write(log->target->outlet, data + done, len - done, begins);
        if (wrote > 0)
            log->stalled = false;
        else if (wrote != -EAGAIN || !await_room(log))
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    *ret_rc = done == len ? 0 : wrote < 0 ? (int)wrote : -EIO;
    if (done == 0 || data[done - 1] == '\n')
        return done;
    lose(log, 1, -*ret_rc); /* half of it is out, and a half cannot be taken back */
    const char *last = memchr(data + done, '\n', len - done);
    return (size_t)(last + 1 - data);
}

/* Writes what goes out. */
static void write_lines(struct access_log *log)
{
    struct buffer *out = &log->out;
    size_t at = 0;
    int rc = 0;
    while (at < out->len && rc == 0)
        at += write_piece(log, out->data + at, piece_len(log, out->data + at, out->len - at), &rc);
    if (at > 0 && at < out->len)
        memmove(out->data, out->data + at, out->len - at);
    out->len -= at;
    if (rc != 0 && rc != -EAGAIN)
        lose_rest(log, -rc);
}

static void add_line(struct access_log *log, const struct access_record *record)
{
    const struct target *target = log->target;
    struct buffer *out = &log->out, *line = &log->line;
    line->len = 0;
    access_format_write(target->config->access_log.format, record, log->offset, line);
    if (buffer_status(line) != 0) {
        buffer_done(line);
        lose(log, 1, ENOMEM);
    } else if (line->len > OUT_MAX - out->len) {
        lose(log, 1, READER_STOPPED);
    } else if (buffer_reserve(out, line->len) != 0) {
        lose_rest(log, ENOMEM);
        lose(log, 1, ENOMEM);
        buffer_done(out);
    } else {
        buffer_append(out, line->data, line->len);
    }
    if (out->len >= target->piece && may_wait(log))
        write_lines(log);
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

/* What an entry has beside the fields of any line about a request. */
static void add_entry_fields(const struct access_record *record, const char *client,
                             const char *trace, struct log_fields *fields)
{
    log_add_text(fields, "CLIENT", client);
    log_add_number(fields, "BYTES", record->bytes);
    log_add_text(fields, "END", access_end_text(record->end));
    log_add_number(fields, "READ_US", record->read);
    log_add_number(fields, "WORK_US", record->work);
    if (record->traced)
        log_add_text(fields, "TRACE_ID", trace);
}

static void say(struct access_log *log, const struct access_record *record, bool to_journal)
{
    struct texts texts;
    char client[ACCESS_ADDRESS_TEXT], trace[TRACE_ID_TEXT + 1], sentence[ACCESS_SENTENCE_MAX];
    struct log_fields fields = fields_of(record, &texts);
    access_sentence_write(record, sentence);
    if (!to_journal) {
        log_event(LOG_LEVEL_WARNING, &fields, "%s", sentence);
        return;
    }
    access_address_write(record->client, record->address, client);
    trace_id_write(record->trace_id, trace);
    add_entry_fields(record, client, trace, &fields);
    int rc = log->journal
                 ? journal_send(log->journal, record->slow ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
                                sentence, &fields)
                 : -EBADF;
    if (rc != 0)
        lose(log, 1, -rc);
}

/* ---- the thread ---- */

/* Lines that wait go on to the same place opened anew, and nowhere else. */
static void use_target(struct access_log *log)
{
    const struct target *coming = log->coming;
    if (log->target) {
        write_lines(log);
        if (!coming->outlet ||
            strcmp(log->target->config->access_log.to, coming->config->access_log.to) != 0)
            lose_rest(log, READER_STOPPED);
    }
    target_free(log->target);
    log->target = log->coming;
    log->coming = NULL;
    log->stalled = false;
}

static void look_for_target(struct access_log *log)
{
    if (!atomic_load_explicit(&log->next, memory_order_relaxed))
        return;
    target_free(log->coming);
    log->coming = atomic_exchange(&log->next, NULL);
    log->passes = 2; /* this one may be over some rings already */
    if (!log->target || log->coming->config->access_log.target != ACCESS_OFF)
        use_target(log);
}

static bool take_record(void *ctx, const void *data)
{
    struct access_log *log = ctx;
    const struct access_record *record = data;
    look_for_target(log);
    bool to_journal = log->target->config->access_log.target == ACCESS_JOURNAL;
    if (record->slow || to_journal)
        say(log, record, to_journal);
    if (log->target->outlet && (record->sampled || record->slow))
        add_line(log, record);
    else if (record->sampled && !to_journal)
        lose(log, 1, TURNED_OFF);
    return true;
}

static const char *reason(int failure)
{
    if (failure == READER_STOPPED)
        return "its reader has stopped";
    return failure == TURNED_OFF ? "it was turned off" : strerror(failure);
}

static void report(struct access_log *log, bool last)
{
    uint64_t dropped = access_log_dropped(log);
    usec_t now = clock_now();
    if (dropped == log->reported || (!last && now < log->reported_at + REPORT_EVERY))
        return;
    log_warning("the access log lost %llu lines%s%s", (unsigned long long)(dropped - log->reported),
                log->failure ? ": " : "", log->failure ? reason(log->failure) : "");
    log->reported = dropped;
    log->reported_at = now;
    log->failure = 0;
}

static void between(void *ctx)
{
    report(ctx, false);
}

static struct collector_times passed(void *ctx, bool last)
{
    struct access_log *log = ctx;
    look_for_target(log);
    log->patience = last ? LAST_TRIES : PATIENCE;
    log->stalled = log->stalled && !last;
    write_lines(log);
    if (log->coming && --log->passes == 0)
        use_target(log);
    if (last)
        lose_rest(log, READER_STOPPED);
    log->offset = clock_epoch_offset();
    report(log, last);
    struct collector_times times = {.idle = USEC_NEVER, .pause = GATHER};
    if (log->coming)
        times = (struct collector_times){.idle = 0, .pause = 0};
    else if (log->out.len > 0)
        times.idle = TRY_EVERY;
    else if (access_log_dropped(log) != log->reported)
        times.idle = REPORT_EVERY;
    return times;
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
    log->patience = PATIENCE;
    buffer_init(&log->out, OUT_MAX);
    buffer_init(&log->line, OUT_MAX);
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
    target_free(log->coming);
    journal_free(log->journal);
    buffer_done(&log->out);
    buffer_done(&log->line);
    free(log);
    return NULL;
}

struct ring *access_log_ring(struct access_log *log, size_t worker)
{
    return collector_ring(log->collector, worker);
}

int access_log_prepare(struct access_log *log, struct config *config)
{
    static const struct collector_work work = {
        .take = take_record, .between = between, .passed = passed};
    const struct access_log_options *options = &config->access_log;
    struct target *target;
    int rc = target_new(config, &target);
    if (rc != 0)
        return rc;
    log->prepared = target_free(log->prepared);
    log->prepared = target;
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

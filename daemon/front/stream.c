/*
 * Lines wait in a list until libmicrohttpd asks for bytes. When it asks and there are
 * none, the connection is suspended, and resumed when the next line comes; all of it on
 * one thread, so nothing can come in between.
 *
 * `waiting` is what libmicrohttpd has not taken. While it is above the limit the fan-out
 * is paused. A client has a deadline for taking bytes only while some wait for it.
 *
 * Invariants: `fanout` is set while it runs; `ended` once the summary is in the list;
 * `suspended` exactly between suspending and resuming, and then the list is empty.
 */
#include "front/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/stream_format.h"

enum { ITEM_REST = 1024 }; /* of a part's text besides its bytes, about */

struct line {
    struct line *next;
    char *data;
    size_t len;
};

struct stream {
    struct connection *connection;
    struct config *config; /* borrowed from the exchange */
    enum reply_form form;
    struct fanout *fanout;
    struct answer *refusal;
    struct line *first, *last;
    size_t taken;             /* of the first line */
    size_t waiting;           /* bytes in the list */
    uint64_t bytes;           /* given to libmicrohttpd */
    enum reply_result result; /* of the job, once it has ended */
    bool paused, suspended, ended, broken, flushed;
    enum access_end end;
    usec_t paused_at, held; /* since when it is paused; how long it was before */
    usec_t beat;            /* when there was a line last */
    struct timer heartbeat;
};

/* ---- waking ---- */

static void wake(struct stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    stream->connection->front->due = true;
    MHD_resume_connection(stream->connection->mhd);
}

static void break_off(struct stream *stream, enum access_end why)
{
    stream->broken = true;
    stream->end = why;
    wake(stream);
}

/* ---- the list ---- */

static void pause_if_full(struct stream *stream)
{
    if (stream->paused || !stream->fanout ||
        stream->waiting <= stream->config->limits.client_buffer)
        return;
    stream->paused = true;
    stream->paused_at = loop_now(stream->connection->front->loop);
    tally_limit(stream->connection->front->engine->tally, TALLY_CLIENT_BUFFER);
    fanout_pause(stream->fanout, true);
}

usec_t stream_held(const struct stream *stream)
{
    usec_t now = loop_now(stream->connection->front->loop);
    return stream->held + (stream->paused ? now - stream->paused_at : 0);
}

static void go_on_if_drained(struct stream *stream)
{
    if (!stream->paused || stream->waiting >= stream->config->limits.client_buffer / 2)
        return;
    stream->held = stream_held(stream);
    stream->paused = false;
    if (stream->fanout)
        fanout_pause(stream->fanout, false);
}

/* Takes the buffer's bytes. */
static void append(struct stream *stream, struct buffer *text)
{
    if (buffer_status(text) != 0) {
        log_warning("a stream is cut off: no memory for a part");
        buffer_done(text);
        break_off(stream, END_ERROR);
        return;
    }
    if (text->len == 0)
        return;
    struct line *line = mem_new(sizeof *line);
    line->data = buffer_take(text, &line->len);
    if (stream->last)
        stream->last->next = line;
    else
        stream->first = line;
    stream->last = line;
    if (stream->waiting == 0) /* the client's time begins */
        connection_enter(stream->connection, CONNECTION_REPLY);
    stream->waiting += line->len;
    stream->beat = loop_now(stream->connection->front->loop);
    pause_if_full(stream);
    wake(stream);
}

static void drop_first(struct stream *stream)
{
    struct line *line = stream->first;
    stream->first = line->next;
    if (!stream->first)
        stream->last = NULL;
    stream->taken = 0;
    free(line->data);
    free(line);
}

static size_t take(struct stream *stream, char *place, size_t room)
{
    size_t done = 0;
    while (stream->first && done < room) {
        struct line *line = stream->first;
        size_t left = line->len - stream->taken;
        size_t size = left < room - done ? left : room - done;
        memcpy(place + done, line->data + stream->taken, size);
        stream->taken += size;
        done += size;
        if (stream->taken == line->len)
            drop_first(stream);
    }
    stream->waiting -= done;
    stream->bytes += done;
    return done;
}

/* ---- heartbeats ---- */

static void set_heartbeat(struct stream *stream);

static void heartbeat_due(struct timer *timer)
{
    struct stream *stream = container_of(timer, struct stream, heartbeat);
    struct buffer text;
    usec_t now = loop_now(stream->connection->front->loop);
    if (stream->waiting == 0 && now - stream->beat >= stream->config->stream.heartbeat) {
        buffer_init(&text, SIZE_MAX / 2);
        stream_put_heartbeat(stream->form, &text);
        append(stream, &text);
    }
    set_heartbeat(stream);
}

/* Lines only move `beat`, not the timer. */
static void set_heartbeat(struct stream *stream)
{
    struct loop *loop = stream->connection->front->loop;
    usec_t every = stream->config->stream.heartbeat;
    usec_t now = loop_now(loop);
    usec_t at = stream->beat + every > now ? stream->beat + every : now + every;
    if (stream->form == FORM_SERVER_EVENTS && every > 0)
        loop_set(loop, &stream->heartbeat, at, heartbeat_due);
}

/* ---- the fan-out ---- */

static void part_done(void *ctx, const struct job *job, size_t index)
{
    struct stream *stream = ctx;
    struct buffer text;
    if (stream->broken)
        return;
    buffer_init(&text, SIZE_MAX / 2);
    const struct outcome *outcome = &job->parts[index].outcome;
    (void)buffer_reserve(&text, outcome->body_len + outcome->head_len + ITEM_REST);
    stream_put_part(stream->form, job, &job->parts[index], &text);
    append(stream, &text);
}

static void all_done(void *ctx, const struct job *job)
{
    struct stream *stream = ctx;
    struct buffer text;
    stream->fanout = NULL;
    loop_clear(stream->connection->front->loop, &stream->heartbeat);
    buffer_init(&text, SIZE_MAX / 2);
    stream_put_summary(stream->form, job, &text);
    stream->ended = true;
    stream->result = answer_job_result(job);
    append(stream, &text);
}

static void refused(void *ctx, struct answer *answer)
{
    struct stream *stream = ctx;
    stream->refusal = answer;
}

struct stream *stream_start(struct connection *connection, struct config *config,
                            const struct batch *batch, const struct inbound *inbound,
                            struct arena *arena, enum reply_form form, struct answer **ret_refusal)
{
    static const struct fanout_parts parts = {.part_done = part_done, .all_done = all_done};
    struct stream *stream = mem_new(sizeof *stream);
    struct batch *changed = arena_alloc(arena, sizeof *changed);
    *changed = stream_batch(batch);
    stream->connection = connection;
    stream->config = config;
    stream->form = form;
    stream->beat = loop_now(connection->front->loop);
    struct fanout *fanout = fanout_start_stream(connection->front->engine, config, changed, inbound,
                                                arena, refused, &parts, stream);
    if (stream->refusal) {
        *ret_refusal = stream->refusal;
        free(stream);
        return NULL;
    }
    stream->fanout = fanout;
    pause_if_full(stream);
    if (fanout)
        set_heartbeat(stream);
    return stream;
}

/* ---- the reply ---- */

/* libmicrohttpd keeps the header back for the bytes that follow; setting the option
 * again sends what is kept back. */
static void flush_header(struct stream *stream)
{
    int on = 1;
    if (stream->flushed)
        return;
    stream->flushed = true;
    (void)setsockopt(stream->connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static ssize_t read_lines(void *cls, uint64_t position, char *place, size_t room)
{
    struct stream *stream = cls;
    (void)position;
    if (stream->broken)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t size = take(stream, place, room);
    if (size > 0) {
        go_on_if_drained(stream);
        stream->flushed = true;
        return (ssize_t)size;
    }
    if (stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    flush_header(stream);
    connection_enter(stream->connection, CONNECTION_WORK);
    stream->suspended = true;
    MHD_suspend_connection(stream->connection->mhd);
    return 0;
}

enum MHD_Result stream_send(struct stream *stream, const struct reply_manner *manner)
{
    connection_enter(stream->connection, CONNECTION_REPLY);
    return reply_send_stream(stream->connection->mhd, accept_media(stream->form), read_lines,
                             stream, manner);
}

enum MHD_Result stream_send_head(struct connection *connection, enum reply_form form,
                                 const struct reply_manner *manner)
{
    connection_enter(connection, CONNECTION_REPLY);
    return reply_send_stream(connection->mhd, accept_media(form), NULL, NULL, manner);
}

bool stream_cut(struct stream *stream, enum access_end why)
{
    if (!stream->fanout)
        return false;
    fanout_cancel(stream->fanout);
    stream->fanout = NULL;
    loop_clear(stream->connection->front->loop, &stream->heartbeat);
    break_off(stream, why);
    return true;
}

enum access_end stream_end(const struct stream *stream)
{
    return stream->end;
}

uint64_t stream_bytes(const struct stream *stream)
{
    return stream->bytes;
}

/* It is the client that has left unless it was us who broke off. */
enum reply_result stream_result(const struct stream *stream)
{
    if (stream->ended && stream->waiting == 0 && !stream->broken)
        return stream->result;
    return stream->connection->gone || !stream->broken ? RESULT_ABANDONED : RESULT_FAILED;
}

struct stream *stream_free(struct stream *stream)
{
    if (!stream)
        return NULL;
    assert(!stream->suspended);
    stream_cut(stream, END_CLIENT);
    while (stream->first)
        drop_first(stream);
    free(stream);
    return NULL;
}

/*
 * The record is filled while the request runs, since most of what it says lives in memory
 * that is gone at the end. Only who was slowest is known last and kept apart until then.
 *
 * A new trace is sampled or not when it begins; one that a client began stays as it was.
 */
#include "front/observe.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "core/access_format.h"
#include "front/spans.h"

enum { METHOD_MAX = 32, PROTOCOL_MAX = 16, ID_MAX = 128 };

struct observed {
    char request_id[ID_MAX + 1];
    char part[2 * ACCESS_NAME_MAX + 1], upstream[ACCESS_NAME_MAX]; /* of the slowest call */
    size_t part_len, upstream_len; /* first of what is cleared; see new_observed() */
    struct observer observer;
    const struct front *front;
    const struct config *config;
    struct trace_context trace; /* its parent is our span */
    uint64_t parent;            /* of our span; 0: none */
    usec_t complete, decided;   /* when the request was, and the reply; 0: not */
    usec_t held;                /* in between: how long the client held up a stream */
    bool head_seen;
    bool spans;                  /* they are wanted */
    char *state;                 /* of `trace` */
    enum outcome_code failure;   /* what decided that there is no full reply; or OUTCOME_NONE */
    const char *endpoint;        /* NULL: none */
    struct access_record record; /* last: its end is rarely touched */
};

/* ---- while calls run ---- */

static size_t keep(char *place, const char *text)
{
    size_t len = strlen(text);
    len = len < ACCESS_NAME_MAX ? len : ACCESS_NAME_MAX;
    memcpy(place, text, len);
    return len;
}

static void note_slowest(struct observed *observed, const struct call_spec *spec,
                         const struct part *part, const char *outer, usec_t elapsed)
{
    struct access_record *record = &observed->record;
    if (part->state == PART_SKIPPED || (observed->part_len > 0 && elapsed <= record->slowest))
        return;
    record->slowest = elapsed;
    record->upstream_status = part->outcome.status;
    observed->part_len = 0;
    if (outer) {
        observed->part_len = keep(observed->part, outer);
        observed->part[observed->part_len++] = '/';
    }
    observed->part_len += keep(observed->part + observed->part_len, spec->id);
    observed->upstream_len =
        keep(observed->upstream, spec->upstream ? spec->upstream->name : spec->origin->authority);
}

static void call_ended(struct observer *observer, const struct call_spec *spec,
                       const struct part *part, const char *outer, usec_t started)
{
    struct observed *observed = container_of(observer, struct observed, observer);
    usec_t now = clock_now();
    note_slowest(observed, spec, part, outer, now - started);
    if (observed->spans)
        spans_leave_call(observed->front->outlets->spans, &observed->trace, spec, part, started,
                         now);
}

static void job_ended(struct observer *observer, const struct job *job)
{
    struct observed *observed = container_of(observer, struct observed, observer);
    observed->record.total = (unsigned)job->count;
    observed->record.ok = (unsigned)job->ok;
    observed->record.failed = (unsigned)job->failed;
    observed->failure = job->decider ? job->decider->failure : OUTCOME_NONE;
    observed->decided = clock_now(); /* of a stream; a whole reply is made of it yet */
}

/* ---- the beginning ---- */

static void note_client(struct access_record *record, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    if (!address)
        return;
    if (address->sa_family == AF_INET) {
        record->client = CLIENT_IPV4;
        memcpy(record->address, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        record->client = CLIENT_IPV6;
        memcpy(record->address, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
               16);
    } else if (address->sa_family == AF_UNIX) {
        record->client = CLIENT_UNIX;
    }
}

static void make_request_id(struct observed *observed)
{
    struct random *random = observed->front->engine->random;
    span_id_write(random_next(random), observed->request_id);
    span_id_write(random_next(random), observed->request_id + SPAN_ID_TEXT);
}

/* The texts at both ends are not cleared: that would cost more than all the rest. */
static struct observed *new_observed(void)
{
    struct observed *observed = mem_resize(NULL, 1, sizeof *observed);
    size_t begin = offsetof(struct observed, part_len);
    size_t end = offsetof(struct observed, record) + offsetof(struct access_record, bytes_of_texts);
    memset((char *)observed + begin, 0, end - begin);
    return observed;
}

struct observed *observe_begin(const struct connection *connection, const struct config *config)
{
    struct observed *observed = new_observed();
    observed->observer = (struct observer){.call_ended = call_ended, .job_ended = job_ended};
    observed->front = connection->front;
    observed->config = config;
    observed->record.started = clock_now();
    note_client(&observed->record, connection->mhd);
    make_request_id(observed);
    return observed;
}

static void begin_trace(struct observed *observed, const struct trace_context *theirs)
{
    struct random *random = observed->front->engine->random;
    struct trace_context *trace = &observed->trace;
    if (theirs) {
        *trace = *theirs;
        if (theirs->state)
            trace->state = observed->state = mem_string(theirs->state);
        observed->parent = theirs->parent;
    } else {
        uint64_t id[2] = {random_next(random), random_next(random) | 1};
        memcpy(trace->trace_id, id, sizeof trace->trace_id);
        trace->flags = TRACE_RANDOM;
        if (random_hits(random, observed->config->tracing.sample))
            trace->flags |= TRACE_SAMPLED;
    }
    trace->parent = random_derive(random_next(random), 0);
    observed->spans = trace->flags & TRACE_SAMPLED;
}

static void place_in_trace(struct observed *observed, struct inbound *inbound, struct arena *arena)
{
    const struct trace_context *theirs = trace_read(&inbound->headers, arena);
    struct access_record *record = &observed->record;
    inbound->trace = theirs;
    if (observed->config->tracing.on) {
        begin_trace(observed, theirs);
        struct trace_context *ours = arena_alloc(arena, sizeof *ours);
        *ours = observed->trace;
        inbound->trace = ours;
    }
    record->traced = inbound->trace;
    if (record->traced)
        memcpy(record->trace_id, inbound->trace->trace_id, sizeof record->trace_id);
}

static void set_request_id(struct observed *observed, const struct inbound *inbound)
{
    const char *theirs = header_get(&inbound->headers, "X-Request-Id");
    const struct access_record *record = &observed->record;
    size_t len = theirs ? strlen(theirs) : 0;
    if (len > 0 && len <= ID_MAX && header_name_valid(theirs)) /* a token */
        memcpy(observed->request_id, theirs, len + 1);
    else if (record->traced)
        trace_id_write(record->trace_id, observed->request_id);
}

static void put_target(struct observed *observed, const struct inbound *inbound)
{
    const char *target = inbound->target;
    size_t len = observed->config->access_log.query ? strlen(target) : strcspn(target, "?");
    access_put(&observed->record, ACCESS_TARGET, target, len, ACCESS_TARGET_MAX);
}

static void put_request_id(struct observed *observed)
{
    access_put(&observed->record, ACCESS_REQUEST_ID, observed->request_id,
               strlen(observed->request_id), ID_MAX);
}

static void put_field(struct observed *observed, enum access_text text, const char *value,
                      size_t max)
{
    if (value)
        access_put(&observed->record, text, value, strlen(value), max);
}

static void put_host(struct observed *observed, const struct inbound *inbound)
{
    const char *host =
        inbound->authority ? inbound->authority : header_get(&inbound->headers, "Host");
    put_field(observed, ACCESS_HOST, host, ACCESS_NAME_MAX);
}

/* A Referer's query is as private as the target's. */
static void put_referer(struct observed *observed, const struct inbound *inbound)
{
    const char *value = header_get(&inbound->headers, "Referer");
    if (value)
        access_put(&observed->record, ACCESS_REFERER, value,
                   observed->config->access_log.query ? strlen(value) : strcspn(value, "?"),
                   ACCESS_FIELD_MAX);
}

static void put_named(struct observed *observed, const struct inbound *inbound,
                      const struct access_shown *shown)
{
    struct access_record *record = &observed->record;
    size_t limit = record->used + ACCESS_HEADERS_BYTES;
    record->format = shown->format;
    for (size_t i = 0; i < shown->count; i++) {
        size_t room = limit - record->used;
        put_field(observed, ACCESS_HEADERS + (enum access_text)i,
                  header_get(&inbound->headers, shown->names[i]),
                  room < ACCESS_FIELD_MAX ? room : ACCESS_FIELD_MAX);
    }
}

/* Only what somebody looks at. */
static void put_fields(struct observed *observed, const struct inbound *inbound)
{
    static const struct access_shown nothing;
    const struct access_log_options *log = &observed->config->access_log;
    const struct access_shown *shown =
        log->target == ACCESS_OFF ? &nothing : access_format_shown(log->format);
    if (shown->host || observed->spans)
        put_host(observed, inbound);
    if (shown->user_agent || observed->spans)
        put_field(observed, ACCESS_USER_AGENT, header_get(&inbound->headers, "User-Agent"),
                  ACCESS_FIELD_MAX);
    if (shown->referer)
        put_referer(observed, inbound);
    if (shown->count > 0)
        put_named(observed, inbound, shown);
}

void observe_head(struct observed *observed, struct inbound *inbound, const char *version,
                  struct arena *arena)
{
    struct access_record *record = &observed->record;
    place_in_trace(observed, inbound, arena);
    set_request_id(observed, inbound);
    inbound->request_id = arena_string(arena, observed->request_id);
    inbound->observer = &observed->observer;
    put_request_id(observed);
    access_put(record, ACCESS_METHOD, inbound->method, strlen(inbound->method), METHOD_MAX);
    put_target(observed, inbound);
    put_field(observed, ACCESS_PROTOCOL, version, PROTOCOL_MAX);
    put_fields(observed, inbound);
    observed->head_seen = true;
}

void observe_endpoint(struct observed *observed, const char *path)
{
    observed->endpoint = path;
}

void observe_complete(struct observed *observed)
{
    observed->complete = clock_now();
}

void observe_stream(struct observed *observed, uint64_t bytes, usec_t held)
{
    observed->record.status = 200;
    observed->record.bytes = bytes;
    observed->held = held;
}

void observe_reply(struct observed *observed, unsigned status, uint64_t bytes)
{
    observed->decided = clock_now();
    observed->record.status = status;
    observed->record.bytes = bytes;
}

const char *observe_request_id(const struct observed *observed)
{
    return observed->request_id;
}

/* ---- the end ---- */

static void leave_span(const struct observed *observed)
{
    struct request_span span = {
        .trace = &observed->trace,
        .parent = observed->parent,
        .record = &observed->record,
        .endpoint = observed->endpoint,
        .failure = observed->failure,
    };
    spans_leave_request(observed->front->outlets->spans, &span);
}

/* What never came to pass was cut short by the end, or left out by a refusal. */
static void divide_time(struct observed *observed, usec_t end)
{
    struct access_record *record = &observed->record;
    usec_t decided = observed->decided ? observed->decided : end;
    usec_t complete = observed->complete ? observed->complete : decided;
    record->duration = end - record->started;
    record->read = complete - record->started;
    record->work = decided - complete;
    record->work -= observed->held < record->work ? observed->held : record->work;
}

static void leave_line(struct observed *observed)
{
    struct access_record *record = &observed->record;
    if (observed->endpoint)
        access_put(record, ACCESS_ENDPOINT, observed->endpoint, strlen(observed->endpoint),
                   ACCESS_NAME_MAX);
    access_put(record, ACCESS_PART, observed->part, observed->part_len, sizeof observed->part);
    access_put(record, ACCESS_UPSTREAM, observed->upstream, observed->upstream_len,
               ACCESS_NAME_MAX);
    (void)ring_put(observed->front->outlets->lines, record, access_record_size(record));
}

void observe_end(struct observed *observed, const struct inbound *inbound, uint64_t received,
                 enum access_end end)
{
    struct access_record *record = &observed->record;
    const struct access_log_options *log = &observed->config->access_log;
    divide_time(observed, clock_now());
    record->end = end;
    record->received = received;
    if (!observed->head_seen) {
        put_request_id(observed);
        if (inbound)
            put_target(observed, inbound);
    }
    if (observed->spans)
        leave_span(observed);
    record->slow = log->slow > 0 && record->duration > log->slow;
    record->sampled =
        log->target != ACCESS_OFF && random_hits(observed->front->engine->random, log->sample);
    if (record->sampled || record->slow)
        leave_line(observed);
    free(observed->state);
    free(observed);
}

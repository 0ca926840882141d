/*
 * Written with appends only, because every reply of every batch carries these.
 * Server-Timing shares its bytes between parts in declared order; what the total
 * needs is set aside first, so that it is there however many parts there are.
 */
#include "core/answer_headers.h"

#include <string.h>

#include "core/decimal.h"
#include "core/merge.h"
#include "core/reply_fields.h"

enum { LINE_MAX_LENGTH = 512, TOTAL_ROOM = 96 };

/* Microseconds as milliseconds with one decimal, rounded. */
static void put_duration(struct buffer *out, usec_t span)
{
    usec_t tenths = span / 100 + (span % 100 >= 50 ? 1 : 0);
    decimal_put(out, tenths / 10);
    buffer_byte(out, '.');
    buffer_byte(out, (char)('0' + tenths % 10));
}

static void add_line(struct arena *arena, struct header_list *headers, const char *name,
                     struct buffer *line)
{
    if (line->len > 0)
        header_add(arena, headers, name, arena_copy(arena, line->data, line->len));
    buffer_done(line);
}

static void add_default(struct arena *arena, struct header_list *headers, const char *name,
                        const char *value)
{
    if (!header_get(headers, name))
        header_add(arena, headers, name, value);
}

void answer_headers_common(struct arena *arena, struct header_list *headers, unsigned status,
                           const char *media)
{
    if (media)
        add_default(arena, headers, "Content-Type", media);
    add_default(arena, headers, "Cache-Control", "no-store");
    if (status == 503)
        add_default(arena, headers, "Retry-After", "1");
}

static void add_aggregate_status(struct arena *arena, struct header_list *headers,
                                 const struct job *job)
{
    struct buffer line;
    buffer_init(&line, LINE_MAX_LENGTH);
    bool failed = job->decider || job->unmerged;
    buffer_string(&line, failed ? "failed" : job_is_partial(job) ? "partial" : "complete");
    buffer_string(&line, "; total=");
    decimal_put(&line, job->count);
    buffer_string(&line, "; ok=");
    decimal_put(&line, job->ok);
    buffer_string(&line, "; failed=");
    decimal_put(&line, job->failed);
    buffer_string(&line, "; skipped=");
    decimal_put(&line, job->skipped);
    add_line(arena, headers, "Aggregate-Status", &line);
}

static void put_timing(struct buffer *out, const struct part *part)
{
    buffer_string(out, part->request->id);
    buffer_string(out, ";dur=");
    put_duration(out, part->outcome.elapsed);
    if (part->state != PART_OK) {
        buffer_string(out, ";desc=\"");
        buffer_string(out, outcome_text(part->failure));
        buffer_byte(out, '"');
    }
    buffer_string(out, ", ");
}

static void add_server_timing(struct arena *arena, struct header_list *headers,
                              const struct job *job, usec_t merged)
{
    struct buffer line;
    buffer_init(&line, SERVER_TIMING_MAX);
    for (size_t i = 0; i < job->count; i++) {
        size_t before = line.len;
        put_timing(&line, &job->parts[i]);
        if (buffer_status(&line) != 0 || line.len > SERVER_TIMING_MAX - TOTAL_ROOM) {
            line.len = before;
            line.status = 0;
            break;
        }
    }
    buffer_string(&line, "_merge;dur=");
    put_duration(&line, merged);
    buffer_string(&line, ", _total;dur=");
    put_duration(&line, job->ended - job->started + merged);
    add_line(arena, headers, "Server-Timing", &line);
}

void answer_headers_job(struct arena *arena, struct header_list *headers, const struct job *job,
                        usec_t merged)
{
    if (job->count < 2)
        return;
    add_aggregate_status(arena, headers, job);
    add_server_timing(arena, headers, job, merged);
}

void answer_headers_decider(struct arena *arena, struct header_list *headers, const struct job *job)
{
    const struct part *part = job->decider;
    if (!part)
        return;
    struct buffer line;
    buffer_init(&line, LINE_MAX_LENGTH);
    buffer_string(&line, "gatherd");
    if (outcome_registered(part->failure)) {
        buffer_string(&line, "; error=");
        buffer_string(&line, outcome_text(part->failure));
    }
    if (part->outcome.status != 0) {
        buffer_string(&line, "; received-status=");
        decimal_put(&line, part->outcome.status);
    }
    /* Ids and codes are tokens, sentences plain ASCII without quotes: nothing to escape. */
    buffer_string(&line, "; details=\"");
    buffer_string(&line, part->request->id);
    buffer_string(&line, ": ");
    if (!outcome_registered(part->failure)) {
        buffer_string(&line, outcome_text(part->failure));
        buffer_string(&line, ", ");
    }
    buffer_string(&line, outcome_sentence(part->failure));
    buffer_byte(&line, '"');
    add_line(arena, headers, "Proxy-Status", &line);
}

void answer_headers_raw(struct arena *arena, struct header_list *headers,
                        const struct outcome *outcome)
{
    struct reply_fields fields = reply_fields_read(outcome, arena);
    for (size_t i = 0; i < fields.count; i++) {
        const struct reply_field *field = &fields.items[i];
        if (reply_field_is_the_origins(field))
            continue;
        const char *name = arena_copy(arena, field->name, field->name_len);
        const char *value = arena_copy(arena, field->value, field->value_len);
        if (header_name_valid(name) && header_value_valid(value, field->value_len))
            header_add(arena, headers, name, value);
    }
}

/*
 * Merging is copying: every value was checked when its part was settled, so the
 * body is commas, keys and spliced bytes in a buffer that is made large enough
 * before the first byte is written.
 */
#include "core/merge.h"

#include "core/decimal.h"
#include "core/merge_tree.h"
#include "core/problem.h"
#include "json/write.h"

/* A part's share besides its value and reply header: key or envelope members. */
enum { OVERHEAD = 64, ENVELOPE_OVERHEAD = 160 };
enum { PLACE_MAX = 200 }; /* of the name of a place; a longer one is cut */

bool merge_is_partial(const struct job *job)
{
    return job_is_partial(job);
}

void merge_write_counts(const struct job *job, struct buffer *out)
{
    buffer_string(out, "\"partial\":");
    buffer_string(out, merge_is_partial(job) ? "true" : "false");
    buffer_string(out, ",\"total\":");
    decimal_put(out, job->count);
    buffer_string(out, ",\"ok\":");
    decimal_put(out, job->ok);
    buffer_string(out, ",\"failed\":");
    decimal_put(out, job->failed);
    buffer_string(out, ",\"skipped\":");
    decimal_put(out, job->skipped);
    buffer_string(out, ",\"errors\":");
    problem_write_errors(out, job);
}

static void put_meta(const struct job *job, struct buffer *out)
{
    buffer_string(out, "\"_meta\":{");
    merge_write_counts(job, out);
    buffer_byte(out, '}');
}

static bool wants_meta(const struct job *job)
{
    return job->batch->meta == META_ALWAYS ||
           (job->batch->meta == META_AUTO && merge_is_partial(job));
}

static void put_value_or_null(const struct part *part, struct buffer *out)
{
    struct json_span value = part_value(part);
    if (value.len > 0)
        json_splice(out, value);
    else
        buffer_string(out, "null");
}

static void write_keyed(const struct job *job, struct buffer *out)
{
    bool first = true;
    buffer_byte(out, '{');
    for (size_t i = 0; i < job->count; i++) {
        if (job->parts[i].request->hidden)
            continue;
        if (!first)
            buffer_byte(out, ',');
        first = false;
        json_put_text(out, job->parts[i].request->id);
        buffer_byte(out, ':');
        put_value_or_null(&job->parts[i], out);
    }
    if (wants_meta(job)) {
        if (!first)
            buffer_byte(out, ',');
        put_meta(job, out);
    }
    buffer_byte(out, '}');
}

static void write_array(const struct job *job, struct buffer *out)
{
    bool first = true;
    buffer_byte(out, '[');
    for (size_t i = 0; i < job->count; i++) {
        if (job->parts[i].request->hidden)
            continue;
        if (!first)
            buffer_byte(out, ',');
        first = false;
        put_value_or_null(&job->parts[i], out);
    }
    buffer_byte(out, ']');
}

static void write_concat(const struct job *job, struct buffer *out)
{
    bool first = true;
    buffer_byte(out, '[');
    for (size_t i = 0; i < job->count; i++) {
        struct json_span value = part_value(&job->parts[i]);
        struct json_item item;
        if (json_span_type(value) != JSON_ARRAY)
            continue;
        struct json_cursor cursor = json_open(value);
        if (!json_next(&cursor, &item))
            continue;
        if (!first)
            buffer_byte(out, ',');
        first = false;
        buffer_append(out, value.data + 1, value.len - 2);
    }
    buffer_byte(out, ']');
}

/* The first value that is not null; a `default` only when no part that succeeded has one. */
static void write_coalesced(const struct job *job, struct buffer *out)
{
    struct json_span chosen = {"null", strlen("null")};
    bool found = false;
    for (size_t i = 0; i < job->count; i++) {
        const struct part *part = &job->parts[i];
        struct json_span value = part_value(part);
        if (value.len == 0 || json_span_type(value) == JSON_NULL)
            continue;
        if (part->state == PART_OK || !found)
            chosen = value;
        found = true;
        if (part->state == PART_OK)
            break;
    }
    json_splice(out, chosen);
}

static enum outcome_code write_object(const struct job *job, struct buffer *out,
                                      struct merge_refusal *ret_refusal)
{
    bool meta = wants_meta(job);
    struct merged_object object;
    buffer_byte(out, '{');
    enum outcome_code code = job->batch->merge == MERGE_SHALLOW
                                 ? merge_object_members(job, meta, out, &object, ret_refusal)
                                 : merge_tree_members(job, meta, out, &object, ret_refusal);
    if (code != OUTCOME_NONE)
        return code;
    if (meta && !object.has_meta) {
        if (!object.empty)
            buffer_byte(out, ',');
        put_meta(job, out);
    }
    buffer_byte(out, '}');
    return OUTCOME_NONE;
}

/* Room for all of it at once, as far as the limit allows: a guess that is too
 * high must not count as too large, so the limit only stops real bytes. */
static void make_room(const struct job *job, struct buffer *out)
{
    size_t size = OVERHEAD;
    for (size_t i = 0; i < job->count; i++) {
        const struct part *part = &job->parts[i];
        if (job->batch->merge == MERGE_ENVELOPE)
            size += part->outcome.body_len + part->outcome.head_len + ENVELOPE_OVERHEAD;
        else
            size += part_value(part).len + OVERHEAD;
    }
    if (merge_is_partial(job))
        size += 4 * ENVELOPE_OVERHEAD;
    size_t room = out->max - out->len;
    (void)buffer_reserve(out, size < room ? size : room); /* its status is sticky */
}

enum outcome_code merge_write(const struct job *job, struct buffer *out,
                              struct merge_refusal *ret_refusal)
{
    assert(job->complete);
    make_room(job, out);
    switch ((enum merge_kind)job->batch->merge) {
    case MERGE_ENVELOPE:
        merge_write_envelope(job, out);
        return OUTCOME_NONE;
    case MERGE_KEYED:
        write_keyed(job, out);
        return OUTCOME_NONE;
    case MERGE_ARRAY:
        write_array(job, out);
        return OUTCOME_NONE;
    case MERGE_SHALLOW:
    case MERGE_DEEP:
    case MERGE_PATCH:
        return write_object(job, out, ret_refusal);
    case MERGE_COALESCE:
        write_coalesced(job, out);
        return OUTCOME_NONE;
    case MERGE_CONCAT:
        write_concat(job, out);
        return OUTCOME_NONE;
    case MERGE_RAW:
        break;
    }
    assert(false && "raw has nothing to merge");
    return OUTCOME_NONE;
}

const char *merge_refusal_text(const struct job *job, enum outcome_code code,
                               const struct merge_refusal *refusal)
{
    char place[PLACE_MAX];
    struct json_span value = part_value(refusal->part);
    json_pointer_at(value, (size_t)(refusal->at - value.data), place, sizeof place);
    if (code == OUTCOME_MERGE_TYPE)
        return arena_printf(job->arena, MERGE_TOO_DEEP ", at %s", place);
    return arena_printf(job->arena, "%s, which \"%s\" has too", place,
                        refusal->earlier->request->id);
}

/*
 * An item is either the upstream's reply (also one with an error status) or, when
 * there is none that could be shown, a problem document in its place. Headers are
 * sorted by name: repeated ones then stand together, whatever the upstream did,
 * and a reply with thousands of them costs no more than sorting.
 */
#include "core/merge_envelope.h"

#include <stdlib.h>
#include <strings.h>

#include "core/decimal.h"
#include "core/problem.h"
#include "core/reply_fields.h"
#include "json/utf8.h"
#include "json/write.h"

static bool shows_reply(const struct part *part)
{
    return part->state == PART_OK ||
           (part->state == PART_FAILED && part->failure == OUTCOME_UPSTREAM_STATUS);
}

unsigned merge_envelope_status(const struct part *part)
{
    return shows_reply(part) ? part->outcome.status : outcome_status(part->failure);
}

/* By name without case; what has the same name stays in the order it came. */
static int compare_fields(const void *left, const void *right)
{
    const struct reply_field *a = left;
    const struct reply_field *b = right;
    size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = strncasecmp(a->name, b->name, shorter);
    if (order == 0)
        order = (a->name_len > b->name_len) - (a->name_len < b->name_len);
    if (order == 0)
        order = (a->name > b->name) - (a->name < b->name);
    return order;
}

static bool same_name(const struct reply_field *a, const struct reply_field *b)
{
    return a->name_len == b->name_len && strncasecmp(a->name, b->name, a->name_len) == 0;
}

/* The name in lower case; it lives in the outcome, so it is copied first. */
static void put_name(struct buffer *out, struct arena *arena, const struct reply_field *field)
{
    char *name = arena_copy(arena, field->name, field->name_len);
    for (size_t i = 0; i < field->name_len; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z')
            name[i] = (char)(name[i] | 0x20);
    }
    json_put_string(out, name, field->name_len);
}

/* The values of fields[0..count), which have one name, as one list (RFC 9110 5.3). */
static void put_values(struct buffer *out, const struct reply_field *fields, size_t count)
{
    if (count == 1) {
        json_put_string(out, fields->value, fields->value_len);
        return;
    }
    scope_buffer struct buffer joined;
    buffer_init(&joined, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_string(&joined, ", ");
        buffer_append(&joined, fields[i].value, fields[i].value_len);
    }
    if (buffer_status(&joined) != 0)
        out->status = buffer_status(&joined);
    json_put_string(out, joined.data, joined.len);
}

static void put_headers(const struct job *job, const struct outcome *outcome, struct buffer *out)
{
    struct reply_fields fields = reply_fields_read(outcome, job->arena);
    qsort(fields.items, fields.count, sizeof *fields.items, compare_fields);
    buffer_byte(out, '{');
    for (size_t i = 0; i < fields.count;) {
        size_t next = i + 1;
        while (next < fields.count && same_name(&fields.items[i], &fields.items[next]))
            next++;
        if (i > 0)
            buffer_byte(out, ',');
        put_name(out, job->arena, &fields.items[i]);
        buffer_byte(out, ':');
        put_values(out, &fields.items[i], next - i);
        i = next;
    }
    buffer_byte(out, '}');
}

/* One that is not cannot be a JSON string without being altered. */
static bool is_utf8(const char *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        struct utf8_step step = utf8_step(data + i, len - i);
        if (step.kind != UTF8_GOOD)
            return false;
        i += step.len;
    }
    return true;
}

static void put_body(const struct part *part, struct buffer *out)
{
    const struct outcome *outcome = &part->outcome;
    if (outcome->body_len == 0)
        return;
    enum media_kind media = outcome_media(outcome);
    if (media == MEDIA_JSON && part->type == JSON_NONE)
        return; /* 204 and 304 have no body, whatever came */
    buffer_string(out, ",\"body\":");
    if (media == MEDIA_JSON)
        json_splice(out, part->value);
    else if (media == MEDIA_TEXT && is_utf8(outcome->body, outcome->body_len))
        json_put_string(out, outcome->body, outcome->body_len);
    else
        json_put_base64url(out, outcome->body, outcome->body_len);
}

void merge_write_envelope_item(const struct job *job, const struct part *part, struct buffer *out)
{
    buffer_string(out, "{\"id\":");
    json_put_text(out, part->request->id);
    buffer_string(out, ",\"status\":");
    decimal_put(out, merge_envelope_status(part));
    buffer_string(out, ",\"headers\":");
    if (shows_reply(part)) {
        put_headers(job, &part->outcome, out);
        put_body(part, out);
    } else {
        buffer_string(out, "{\"content-type\":\"application/problem+json\"},\"body\":");
        problem_write_part(out, part);
    }
    buffer_byte(out, '}');
}

void merge_write_envelope(const struct job *job, struct buffer *out)
{
    buffer_string(out, "{\"responses\":[");
    bool first = true;
    for (size_t i = 0; i < job->count; i++) {
        /* What failed is shown all the same: here its error has no other place. */
        if (job->parts[i].request->hidden && job->parts[i].state == PART_OK)
            continue;
        if (!first)
            buffer_byte(out, ',');
        first = false;
        merge_write_envelope_item(job, &job->parts[i], out);
    }
    buffer_string(out, "]}");
}

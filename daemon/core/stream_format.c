/*
 * Items are written as for an envelope. Only what an upstream put between the tokens of
 * its JSON can hold a line break, since inside a string there is none: for NDJSON such a
 * break becomes a space, for server-sent events it begins another `data:` line, which
 * the receiver joins again. Either way no value changes. Most bodies have none, and
 * finding that out costs two searches.
 */
#include "core/stream_format.h"

#include "core/answer.h"
#include "core/decimal.h"
#include "core/merge.h"

struct batch stream_batch(const struct batch *batch)
{
    struct batch stream = *batch;
    stream.merge = MERGE_ENVELOPE;
    if (!batch->policy_given)
        stream.policy = POLICY_ALL_SETTLED;
    return stream;
}

static void replace_all(char *data, size_t len, char from)
{
    char *end = data + len;
    for (char *at = memchr(data, from, len); at; at = memchr(at, from, (size_t)(end - at)))
        *at = ' ';
}

/* What was appended since `start` as one line. */
static void end_line(struct buffer *out, size_t start)
{
    if (buffer_status(out) == 0 && out->len > start) {
        replace_all(out->data + start, out->len - start, '\n');
        replace_all(out->data + start, out->len - start, '\r');
    }
    buffer_byte(out, '\n');
}

static bool has_breaks(const char *data, size_t len)
{
    return memchr(data, '\n', len) || memchr(data, '\r', len);
}

/* The bytes, every line break followed by a new `data:` field; CR LF is one. */
static void put_split(struct buffer *out, const char *data, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n' && data[i] != '\r')
            continue;
        buffer_append(out, data + from, i - from);
        buffer_string(out, "\ndata: ");
        if (data[i] == '\r' && i + 1 < len && data[i + 1] == '\n')
            i++;
        from = i + 1;
    }
    buffer_append(out, data + from, len - from);
}

/* What was appended since `start` as the data of an event, which ends here. */
static void end_event(struct buffer *out, size_t start)
{
    if (buffer_status(out) == 0 && has_breaks(out->data + start, out->len - start)) {
        scope_buffer struct buffer whole;
        buffer_init(&whole, SIZE_MAX / 2);
        buffer_append(&whole, out->data + start, out->len - start);
        out->len = start;
        if (buffer_status(&whole) == 0)
            put_split(out, whole.data, whole.len);
        else
            out->status = buffer_status(&whole);
    }
    buffer_string(out, "\n\n");
}

static void end_item(enum reply_form form, struct buffer *out, size_t start)
{
    if (form == FORM_SERVER_EVENTS)
        end_event(out, start);
    else
        end_line(out, start);
}

void stream_put_part(enum reply_form form, const struct job *job, const struct part *part,
                     struct buffer *out)
{
    if (form == FORM_SERVER_EVENTS) {
        buffer_string(out, "event: response\nid: ");
        buffer_string(out, part->request->id);
        buffer_string(out, "\ndata: ");
    }
    size_t start = out->len;
    merge_write_envelope_item(job, part, out);
    end_item(form, out, start);
}

void stream_put_summary(enum reply_form form, const struct job *job, struct buffer *out)
{
    if (form == FORM_SERVER_EVENTS)
        buffer_string(out, "event: done\ndata: ");
    size_t start = out->len;
    buffer_string(out, "{\"summary\":{\"status\":");
    decimal_put(out, answer_job_status(job));
    buffer_byte(out, ',');
    merge_write_counts(job, out);
    buffer_string(out, "}}");
    end_item(form, out, start);
}

void stream_put_heartbeat(enum reply_form form, struct buffer *out)
{
    if (form == FORM_SERVER_EVENTS)
        buffer_string(out, ":\n\n");
}

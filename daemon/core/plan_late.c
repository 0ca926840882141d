/*
 * A URL is filled by its template, which encodes all but unreserved characters. Two
 * things encoding cannot prevent: a segment that becomes '.' or '..', which
 * url_check_target() finds in the result, and one that becomes empty. For the
 * latter the place is remembered where an empty value stands right after a
 * slash, and looked at when something was written behind it.
 */
#include "core/plan_late.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fill.h"
#include "core/request_compile.h"

struct lookup {
    const struct late_context *context;
    const struct request *request;
    template_lookup_fn *plain;
    const void *plain_ctx;
    struct buffer *out;
    size_t empty; /* where an empty value stands right after a slash of the path; 0: nowhere */
    bool gap;     /* a segment is empty since a value was */
    bool failed;  /* with a fault */
};

static void refuse(const struct late_context *context, const struct expression *expression,
                   const char *why)
{
    fault_in(context->faults, "", "{%s} %s", expression->text, why);
}

static const struct expression *find_expression(const struct late *late, const char *name)
{
    for (size_t i = 0; i < late->url_count; i++) {
        if (late->url[i]->text == name || strcmp(late->url[i]->text, name) == 0)
            return late->url[i];
    }
    assert(false && "every expression of the template was noted");
    return NULL;
}

/* Looks at what was written behind an empty value: the segment goes on, or it is empty. */
static void close_empty(struct lookup *lookup, bool at_end)
{
    const struct buffer *out = lookup->out;
    size_t at = lookup->empty;
    if (at == 0 || (at == out->len && !at_end))
        return;
    if (at == out->len || out->data[at] == '/' || out->data[at] == '?')
        lookup->gap = true;
    lookup->empty = 0;
}

static void note_empty(struct lookup *lookup)
{
    const struct buffer *out = lookup->out;
    bool after_slash = out->len > 0 && out->data[out->len - 1] == '/';
    if (after_slash && !memchr(out->data, '?', out->len))
        lookup->empty = out->len;
}

/* The template encodes what it is given; so this goes past it. */
static void put_as_written(const struct expression *expression, struct buffer *out)
{
    buffer_byte(out, '{');
    buffer_string(out, expression->text);
    buffer_byte(out, '}');
}

static struct template_value lookup_value(const void *ctx, const char *name)
{
    struct lookup *lookup = (struct lookup *)(uintptr_t)ctx;
    const struct late_context *context = lookup->context;
    close_empty(lookup, false);
    if (name[0] != '$')
        return lookup->plain(lookup->plain_ctx, name);
    if (lookup->failed)
        return (struct template_value){NULL, 0};
    const struct expression *expression = find_expression(lookup->request->late, name);
    struct value value;
    if (values_leave(context->values, expression)) {
        put_as_written(expression, lookup->out);
        return (struct template_value){"", 0};
    }
    const char *wrong =
        buffer_status(lookup->out) != 0
            ? "makes the URL too long"
            : values_text(context->values, expression, URL_LENGTH_MAX, context->arena, &value);
    if (wrong) {
        refuse(context, expression, wrong);
        lookup->failed = true;
        return (struct template_value){NULL, 0};
    }
    if (value.len == 0)
        note_empty(lookup);
    return (struct template_value){value.len > 0 ? value.data : "", value.len};
}

static const char *judge(const struct lookup *lookup, const char *target, size_t len)
{
    const struct late_context *context = lookup->context;
    const struct request *request = lookup->request;
    size_t prefix = request_prefix_length(request);
    const char *wrong = url_check_target(target, len);
    if (!wrong && lookup->gap)
        wrong = "a segment of the path would be empty";
    if (wrong) {
        fault_in(context->faults, "", "the values do not fit into the URL: %s", wrong);
        return NULL;
    }
    if (request->late->judge_path &&
        !request_path_allowed(request->upstream, target + prefix, len - prefix)) {
        fault_in(context->faults, "", "upstream \"%s\" does not allow this path in batches",
                 request->upstream->name);
        context->faults->last->status = outcome_status(OUTCOME_REQUEST_DENIED);
        return NULL;
    }
    return arena_copy(context->arena, target, len);
}

const char *late_target(const struct late_context *context, const struct request *request,
                        template_lookup_fn *plain, const void *plain_ctx)
{
    struct buffer out scope_buffer;
    buffer_init(&out, context->values->sketch ? SIZE_MAX / 2 : URL_LENGTH_MAX);
    struct lookup lookup = {
        .context = context,
        .request = request,
        .plain = plain,
        .plain_ctx = plain_ctx,
        .out = &out,
    };
    request_write_target(request, context->batch, lookup_value, &lookup, &out);
    close_empty(&lookup, true);
    if (lookup.failed)
        return NULL;
    if (buffer_status(&out) != 0 || !out.data) {
        fault_in(context->faults, "", "the URL would have more than %d bytes", URL_LENGTH_MAX);
        return NULL;
    }
    if (context->values->left > 0)
        return arena_copy(context->arena, out.data, out.len); /* nobody can judge it yet */
    return judge(&lookup, out.data, out.len);
}

static void free_bytes(void *bytes)
{
    free(bytes);
}

void late_body(const struct late_context *context, const struct request *request, uint64_t most,
               const char **ret_data, size_t *ret_len)
{
    struct buffer out scope_buffer;
    const struct expression *culprit = NULL;
    buffer_init(&out, most);
    const char *wrong =
        fill_write(request->late->body, context->values, context->arena, &out, &culprit);
    if (wrong) {
        refuse(context, culprit, wrong);
        return;
    }
    if (buffer_status(&out) != 0) {
        fault_in(context->faults, "", "the body would have more than %llu bytes",
                 (unsigned long long)most);
        return;
    }
    char *data = buffer_take(&out, ret_len);
    if (data)
        arena_defer(context->arena, free_bytes, data);
    *ret_data = data;
}

/* NULL with a fault. */
static const char *header_value(const struct late_context *context, const struct fill *fill,
                                uint64_t most)
{
    struct buffer out scope_buffer;
    const struct expression *culprit = NULL;
    buffer_init(&out, most);
    const char *wrong = fill_write(fill, context->values, context->arena, &out, &culprit);
    if (!wrong && out.len > 0 && !header_value_valid(out.data, out.len))
        wrong = "has bytes that a header cannot hold";
    if (!wrong && buffer_status(&out) != 0)
        wrong = "makes the header too long";
    if (!wrong) {
        const char *begin = out.data ? out.data : "";
        const char *end = begin + out.len;
        while (begin < end && (*begin == ' ' || *begin == '\t'))
            begin++;
        while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        return arena_copy(context->arena, begin, (size_t)(end - begin));
    }
    if (culprit)
        refuse(context, culprit, wrong);
    else
        fault_in(context->faults, "", "a header %s", wrong);
    return NULL;
}

void late_headers(const struct late_context *context, const struct request *request, uint64_t most,
                  struct header_list *list)
{
    uint64_t size = 0;
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct fill *fill = request->late->headers[i];
        const char *value = fill ? header_value(context, fill, most) : list->items[i].value;
        if (!value)
            return;
        list->items[i].value = value;
        size += strlen(list->items[i].name) + strlen(value) + strlen(": \r\n");
    }
    if (size > most)
        fault_in(context->faults, "",
                 "the fields would have more than limits.requestHeader (%llu) bytes",
                 (unsigned long long)most);
}

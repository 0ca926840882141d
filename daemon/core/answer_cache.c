/*
 * Most upstreams say nothing about caching; then the first part ends the work.
 *
 * What an upstream got from our configuration is the same for every client, so it
 * matters to nobody what it varies by; only fields of the client's own request do.
 */
#include "core/answer_cache.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/cache_control.h"

enum { PARTIAL_CONTENT = 206, VARY_MAX = 8192 };

static bool is_fetched(const struct request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

static bool is_among(const struct strings *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(names->items[i], name) == 0)
            return true;
    return false;
}

static bool next_line(const struct outcome *outcome, size_t *position, struct field_text *name,
                      struct field_text *value)
{
    return outcome_next_header(outcome, position, &name->data, &name->len, &value->data,
                               &value->len);
}

struct said { /* by one part */
    struct cache_control control;
    uint32_t age;
    bool has_vary;
};

static struct said read_part(const struct outcome *outcome)
{
    struct said said = {.age = 0};
    struct field_text name, value;
    bool has_age = false;
    for (size_t position = 0; next_line(outcome, &position, &name, &value);) {
        if (field_text_is(name, "Cache-Control"))
            cache_control_read(&said.control, value);
        else if (!has_age && field_text_is(name, "Age"))
            has_age = field_seconds(value, &said.age);
        else if (field_text_is(name, "Vary"))
            said.has_vary = true;
    }
    return said;
}

/* Adds the fields of the client's that a part varies by. False: nobody can tell them. */
static bool add_vary(const struct part *part, struct buffer *vary)
{
    const struct strings *forwarded = &part->request->forward_headers;
    struct field_text name, value;
    for (size_t position = 0; next_line(&part->outcome, &position, &name, &value);) {
        if (!field_text_is(name, "Vary"))
            continue;
        if (field_list_has(value, "*"))
            return false;
        for (size_t i = 0; i < forwarded->count; i++) {
            const char *field = forwarded->items[i];
            struct field_text before = {vary->data ? vary->data : "", vary->len};
            /* Codings are taken off here, whoever asked for them. */
            if (!field_list_has(value, field) || field_list_has(before, field) ||
                strcasecmp(field, "Accept-Encoding") == 0)
                continue;
            if (vary->len > 0)
                buffer_string(vary, ", ");
            buffer_string(vary, field);
        }
    }
    return buffer_status(vary) == 0;
}

/* How much older a reply may have become while the batch waited for others. */
static uint32_t waited(const struct job *job)
{
    return (uint32_t)((job->ended - job->started) / USEC_PER_SEC);
}

/* Limits `all` by a part. False: the reply may not be stored. */
static bool limit_by(const struct job *job, const struct part *part, struct freshness *all,
                     struct buffer *vary)
{
    const struct request *request = part->request;
    struct said said = read_part(&part->outcome);
    if (!said.control.present || !is_fetched(request) || part->outcome.status == PARTIAL_CONTENT)
        return false;
    bool authorized = header_get(&request->headers, "Authorization") ||
                      is_among(&request->forward_headers, "Authorization");
    uint32_t age = said.age + waited(job);
    struct freshness one = cache_control_freshness(&said.control, age, authorized);
    freshness_limit(all, &one);
    return !all->no_store && (!said.has_vary || add_vary(part, vary));
}

bool answer_cache_headers(struct arena *arena, struct header_list *headers, const struct job *job)
{
    struct freshness all = {.is_public = true, .own = UINT32_MAX, .shared = UINT32_MAX};
    struct buffer vary scope_buffer;
    struct buffer text scope_buffer;
    buffer_init(&vary, VARY_MAX);
    buffer_init(&text, FRESHNESS_TEXT_MAX);
    bool storable = !job->decider && job->failed == 0 && job->ok > 0;
    for (size_t i = 0; storable && i < job->count; i++)
        if (job->parts[i].state == PART_OK)
            storable = limit_by(job, &job->parts[i], &all, &vary);
    if (!storable)
        return false;
    freshness_write(&all, &text);
    assert(buffer_status(&text) == 0);
    header_add(arena, headers, "Cache-Control", arena_copy(arena, text.data, text.len));
    if (vary.len > 0)
        header_add(arena, headers, "Vary", arena_copy(arena, vary.data, vary.len));
    return true;
}

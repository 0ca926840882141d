/*
 * Whatever an upstream sends, an item of a stream is one line or one event, is JSON, and
 * differs from the upstream's JSON in line breaks between tokens only. And whatever a
 * client says in Accept, JSON at full weight is never beaten. Input: the header and body of
 * a reply, separated by an empty line; all of it is an Accept too.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/stream_format.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char event_head[] = "event: response\nid: a\ndata: ";

static struct outcome outcome_from(const char *data, size_t size)
{
    const char *gap = memmem(data, size, "\n\n", 2);
    size_t head_len = gap ? (size_t)(gap - data) + 1 : 0;
    size_t body_at = gap ? head_len + 1 : 0;
    return (struct outcome){
        .code = OUTCOME_REPLY,
        .status = 200,
        .head = mem_copy(data, head_len),
        .head_len = head_len,
        .body = size > body_at ? mem_copy(data + body_at, size - body_at) : NULL,
        .body_len = size - body_at,
        .attempts = 1,
    };
}

static void check_line(const char *line, size_t len)
{
    assert(len > 0 && line[len - 1] == '\n');
    assert(!memchr(line, '\n', len - 1) && !memchr(line, '\r', len));
    assert(json_validate(line, len - 1, JSON_DEPTH_MAX).fault == JSON_VALID);
}

/* The `data:` lines joined again must be the item that the line shows. */
static void check_event(const char *event, size_t len, const char *line)
{
    assert(len > sizeof event_head && memcmp(event, event_head, sizeof event_head - 1) == 0);
    assert(memcmp(event + len - 2, "\n\n", 2) == 0 && !memchr(event, '\r', len));
    const char *end = event + len - 2;
    const char *at = event + sizeof event_head - 1;
    while (at < end) {
        if (*at == '\n') {
            assert(end - at >= 7 && memcmp(at, "\ndata: ", 7) == 0);
            assert(*line == ' ');
            at += 7;
            line++;
        } else if (*at == *line) {
            at++;
            line++;
        } else {
            assert(*line == ' '); /* the other half of CR LF */
            line++;
        }
    }
    while (*line == ' ')
        line++;
    assert(*line == '\n');
}

static void check_item(const struct job *job)
{
    struct buffer line, event;
    buffer_init(&line, SIZE_MAX / 2);
    buffer_init(&event, SIZE_MAX / 2);
    stream_put_part(FORM_NDJSON, job, &job->parts[0], &line);
    stream_put_part(FORM_SERVER_EVENTS, job, &job->parts[0], &event);
    check_line(line.data, line.len);
    check_event(event.data, event.len, line.data);
    line.len = 0;
    stream_put_summary(FORM_NDJSON, job, &line);
    check_line(line.data, line.len);
    buffer_done(&line);
    buffer_done(&event);
}

static void check_accept(struct arena *arena, const char *data, size_t size)
{
    struct header_list list = {0};
    const char *text = arena_copy(arena, data, size);
    header_add(arena, &list, "Accept", text);
    assert(accept_form(&list) <= FORM_SERVER_EVENTS);
    list.items[0].value = arena_printf(arena, "application/json, %s", text);
    assert(accept_form(&list) == FORM_WHOLE);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct config config = {.limits = {.json_depth = 64, .merged = 65536}};
    struct request request = {.id = "a", .success = {.classes = 1 << 2}};
    struct batch batch = {
        .list = {&request, 1}, .merge = MERGE_ENVELOPE, .policy = POLICY_ALL_SETTLED};
    scope_arena struct arena *arena = arena_new();
    struct job job;
    check_accept(arena, (const char *)data, size);
    job_init(&job, &config, &batch, arena, 1);
    struct outcome outcome = outcome_from((const char *)data, size);
    job_settle(&job, 0, &outcome, 2);
    check_item(&job);
    job_done(&job);
    return 0;
}

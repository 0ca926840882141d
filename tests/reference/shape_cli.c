/*
 * Shapes and merges for the tests that compare them with a second implementation. Cases
 * come on stdin, answers go to stdout:
 *
 *   shape LEN LEN\n        then the request's members as a JSON object, then the body
 *   merge KIND CONFLICT LEN...\n  then the bodies; KIND and CONFLICT as in enums
 *
 *   ok LEN\n and the bytes, or a line: nothing, refused, unfit, full, conflict, type
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/document.h"
#include "core/merge.h"
#include "core/shape.h"

enum { BODY_MAX = 1 << 24, PARTS_MAX = 16, DEPTH = 512 };

static char *read_bytes(size_t len)
{
    char *data = mem_new(len + 1);
    if (len > BODY_MAX || fread(data, 1, len, stdin) != len)
        abort();
    return data;
}

static void answer(const char *data, size_t len)
{
    printf("ok %zu\n", len);
    fwrite(data, 1, len, stdout);
}

static void answer_shape(const struct shape *shape, struct json_span value)
{
    struct shaped shaped;
    switch (shape_apply(shape, value, BODY_MAX, &shaped)) {
    case 0:
        if (shaped.value.len == 0)
            puts("nothing");
        else
            answer(shaped.value.data, shaped.value.len);
        free(shaped.bytes);
        return;
    case SHAPE_UNFIT:
        puts("unfit");
        return;
    default:
        puts("full");
    }
}

static void run_shape(size_t request_len, size_t body_len)
{
    struct arena *arena scope_arena = arena_new();
    struct faults faults;
    char *request scope_free = read_bytes(request_len);
    char *body scope_free = read_bytes(body_len);
    struct document_limits limits = {.depth = DEPTH, .values = 100000};
    faults_init(&faults, arena, 10);
    const struct node *node = document_parse(arena, request, request_len, &limits, &faults);
    const struct shape *shape = node ? shape_compile(node, arena, &faults) : NULL;
    struct json_verdict verdict = json_validate(body, body_len, DEPTH);
    if (faults_any(&faults) || !shape || verdict.fault != JSON_VALID)
        puts("refused");
    else
        answer_shape(shape, (struct json_span){body + verdict.start, verdict.end - verdict.start});
}

static void answer_merge(struct job *job)
{
    struct buffer out scope_buffer;
    struct merge_refusal refusal;
    buffer_init(&out, BODY_MAX);
    enum outcome_code code = merge_write(job, &out, &refusal);
    if (code != OUTCOME_NONE)
        puts(code == OUTCOME_MERGE_CONFLICT ? "conflict" : "type");
    else
        answer(out.data, out.len);
}

static void run_merge(int merge, int conflict, const size_t *lens, size_t count)
{
    struct arena *arena scope_arena = arena_new();
    struct config config = {.limits = {.json_depth = DEPTH, .merged = BODY_MAX}};
    struct request requests[PARTS_MAX] = {0};
    struct batch batch = {.list = {requests, count},
                          .merge = merge,
                          .conflict = conflict,
                          .meta = META_NEVER,
                          .policy = POLICY_ALL_SETTLED};
    struct job job;
    for (size_t i = 0; i < count; i++)
        requests[i] = (struct request){.id = "x", .success = {.classes = 1 << 2}};
    job_init(&job, &config, &batch, arena, 0);
    for (size_t i = 0; i < count; i++) {
        struct outcome outcome = {.code = OUTCOME_REPLY, .status = 200, .body_len = lens[i]};
        outcome.body = read_bytes(lens[i]);
        (void)job_settle(&job, i, &outcome, 1);
    }
    answer_merge(&job);
    job_done(&job);
}

/* Numbers after the word; returns how many. */
static size_t read_numbers(const char *text, size_t *numbers)
{
    size_t count = 0;
    char *end;
    for (; count < PARTS_MAX + 2; count++, text = end) {
        numbers[count] = strtoul(text, &end, 10);
        if (end == text)
            break;
    }
    return count;
}

int main(void)
{
    char line[512];
    size_t numbers[PARTS_MAX + 2];
    while (fgets(line, sizeof line, stdin)) {
        size_t count = read_numbers(line + strlen("shape"), numbers);
        if (strncmp(line, "shape", 5) == 0 && count == 2)
            run_shape(numbers[0], numbers[1]);
        else if (strncmp(line, "merge", 5) == 0 && count > 2)
            run_merge((int)numbers[0], (int)numbers[1], numbers + 2, count - 2);
        else
            return 2;
    }
    return 0;
}

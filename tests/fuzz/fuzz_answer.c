/*
 * Whatever upstreams send, a reply that says it is JSON is JSON, and nothing leaks.
 * A reply that lacks something may not be stored.
 * Input: one byte each for merge, policy and conflict, status and meta, and what
 * fails; the rest is replies separated by 0xFE: "head\n\nbody".
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/answer.h"

enum { PARTS = 4, OPTION_BYTES = 4, SEPARATOR = 0xFE };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
    const char *data;
    size_t len;
};

/* The bytes up to the next separator; moves `rest` behind it. */
static struct input next_reply(struct input *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->data, SEPARATOR, rest->len) : NULL;
    struct input reply = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
    size_t used = reply.len + (end ? 1 : 0);
    rest->data += used;
    rest->len -= used;
    return reply;
}

static struct outcome outcome_from(struct input reply, unsigned status)
{
    const char *gap = memmem(reply.data, reply.len, "\n\n", 2);
    size_t head_len = gap ? (size_t)(gap - reply.data) + 1 : 0;
    size_t body_at = gap ? head_len + 1 : 0;
    size_t body_len = reply.len - body_at;
    return (struct outcome){
        .code = OUTCOME_REPLY,
        .status = status,
        .head = mem_copy(reply.data, head_len),
        .head_len = head_len,
        .body = body_len > 0 ? mem_copy(reply.data + body_at, body_len) : NULL,
        .body_len = body_len,
        .attempts = 1,
    };
}

static void check(const struct answer *answer, const struct batch *batch)
{
    const char *type = header_get(&answer->headers, "Content-Type");
    assert(answer->status >= 100 && answer->status <= 999);
    if (batch->merge == MERGE_RAW && answer->status < 500)
        return; /* the upstream's own words */
    assert(type && header_media_kind(type) == MEDIA_JSON);
    assert(json_validate(answer->body, answer->body_len, JSON_DEPTH_MAX).fault == JSON_VALID);
}

static void settle_all(struct job *job, unsigned char failures, struct input rest)
{
    for (size_t i = 0; i < job->count; i++) {
        struct outcome outcome = outcome_from(next_reply(&rest), failures & 1 << i ? 404 : 200);
        if ((failures & 0x10 << i) != 0) {
            outcome_done(&outcome);
            outcome.code = OUTCOME_RESPONSE_INCOMPLETE;
        }
        job_settle(job, i, &outcome, 2);
    }
    job_expire(job, 3);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const ids[PARTS] = {"a", "b", "c", "d"};
    const char *forwarded[] = {"cookie", "authorization"};
    if (size < OPTION_BYTES)
        return 0;
    struct config config = {.limits = {.json_depth = 64, .merged = 65536}};
    struct request requests[PARTS] = {0};
    struct pass_header passed[PARTS];
    struct batch batch = {
        .list = {requests, data[0] % 6 == MERGE_RAW ? 1 : PARTS},
        .merge = data[0] % 6,
        .policy = data[1] & 1 ? POLICY_ALL : POLICY_ALL_SETTLED,
        .conflict = data[1] / 2 % 3,
        .etag = data[0] / 6 % 3,
        .status = data[2] % 4,
        .meta = data[2] / 4 % 3,
    };
    for (size_t i = 0; i < PARTS; i++) {
        requests[i].id = ids[i];
        requests[i].method = "GET";
        requests[i].forward_headers = (struct strings){forwarded, 2};
        passed[i] = (struct pass_header){i, i % 2 ? "link" : "x-total"};
        requests[i].success.classes = 1 << 2;
        requests[i].optional = (data[2] & 0x10 << i) != 0;
    }
    if (data[1] / 6 % 4 > 0) {
        batch.at_least = data[1] / 6 % 4;
        batch.policy = batch.at_least > 1 ? POLICY_AT_LEAST
                       : data[1] & 1      ? POLICY_ANY
                                          : POLICY_RACE;
    }
    if (batch.merge != MERGE_RAW)
        batch.pass = (struct pass_headers){passed, PARTS};
    scope_arena struct arena *arena = arena_new();
    struct job job;
    job_init(&job, &config, &batch, arena, 1);
    settle_all(&job, data[3],
               (struct input){(const char *)data + OPTION_BYTES, size - OPTION_BYTES});
    struct answer *answer = answer_from_job(&job);
    check(answer, &batch);
    if (batch.merge != MERGE_RAW && (job.failed > 0 || answer->status >= 400))
        assert(strcmp(header_get(&answer->headers, "Cache-Control"), "no-store") == 0);
    answer_free(answer);
    job_done(&job);
    return 0;
}

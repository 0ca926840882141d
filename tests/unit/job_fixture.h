/* Jobs for tests: a batch of requests "a", "b", "c", ... and outcomes from literals. */
#ifndef TESTS_JOB_FIXTURE_H
#define TESTS_JOB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/job.h"

enum { FIXTURE_REQUESTS = 64 };

#define JSON_HEAD "Content-Type: application/json\r\n"

struct fixture {
    struct config config;
    struct batch batch;
    struct request requests[FIXTURE_REQUESTS];
    char ids[FIXTURE_REQUESTS][65];
    struct arena *arena;
    struct job job;
};

/* The job is not begun, so that a test may change batch and requests first. */
static inline void fixture_prepare(struct fixture *fixture, int merge, int policy, size_t count)
{
    assert_true(count <= FIXTURE_REQUESTS);
    *fixture = (struct fixture){.arena = arena_new()};
    fixture->config.limits.json_depth = 512;
    fixture->config.limits.merged = (uint64_t)32 * 1024 * 1024;
    fixture->batch.merge = merge;
    fixture->batch.policy = policy;
    fixture->batch.list.items = fixture->requests;
    fixture->batch.list.count = count;
    for (size_t i = 0; i < count; i++) {
        fixture->ids[i][0] = (char)('a' + i % 26);
        fixture->requests[i].id = fixture->ids[i];
        fixture->requests[i].index = i;
        fixture->requests[i].success.classes = 1 << 2;
    }
}

static inline void fixture_begin(struct fixture *fixture)
{
    job_init(&fixture->job, &fixture->config, &fixture->batch, fixture->arena, 1000);
}

static inline void fixture_done(struct fixture *fixture)
{
    job_done(&fixture->job);
    arena_free(fixture->arena);
}

static inline void fixture_default(struct fixture *fixture, size_t index, const char *json)
{
    fixture->requests[index].fallback = json;
    fixture->requests[index].fallback_len = strlen(json);
}

static inline struct outcome reply_bytes(unsigned status, const char *head, const char *body,
                                         size_t body_len)
{
    return (struct outcome){
        .code = OUTCOME_REPLY,
        .status = status,
        .head = mem_string(head),
        .head_len = strlen(head),
        .body = body_len > 0 ? mem_copy(body, body_len) : NULL,
        .body_len = body_len,
        .elapsed = 12345,
        .attempts = 1,
    };
}

static inline struct outcome reply(unsigned status, const char *head, const char *body)
{
    return reply_bytes(status, head, body, strlen(body));
}

static inline struct outcome failure(enum outcome_code code)
{
    return (struct outcome){.code = code, .elapsed = 250, .attempts = 2};
}

static inline bool settle(struct fixture *fixture, size_t index, struct outcome outcome)
{
    return job_settle(&fixture->job, index, &outcome, 5000);
}

/* A JSON reply with status 200, or when `json` is NULL a refused connection. */
static inline bool settle_json(struct fixture *fixture, size_t index, const char *json)
{
    return settle(fixture, index,
                  json ? reply(200, JSON_HEAD, json) : failure(OUTCOME_CONNECTION_REFUSED));
}

static inline void assert_json(const char *data, size_t len)
{
    assert_int_equal(json_validate(data, len, JSON_DEPTH_MAX).fault, JSON_VALID);
}

/* The bytes are valid JSON and exactly `expected`. */
static inline void assert_json_is(const char *data, size_t len, const char *expected)
{
    char *text = mem_copy(data ? data : "", len);
    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
    free(text);
    assert_json(data, len);
}

#endif

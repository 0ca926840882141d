/*
 * From a complete job to a reply. Three shapes: a merged value (envelopes too),
 * one upstream's reply as it is (raw), and a problem document. Which one it is
 * follows from job->decider: without one there is a value; with one only an
 * envelope, or `status: ok`, still shows what there is.
 */
#include "core/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/answer_cache.h"
#include "core/answer_headers.h"
#include "core/field_list.h"
#include "core/join.h"
#include "core/merge.h"
#include "core/pass_headers.h"
#include "core/problem.h"

enum { PROBLEM_MAX = 1024 * 1024 };

#define MEDIA_TYPE_JSON    "application/json"
#define MEDIA_TYPE_PROBLEM "application/problem+json"

struct answer *answer_free(struct answer *answer)
{
    if (!answer)
        return NULL;
    arena_free(answer->arena);
    free(answer->body);
    free(answer);
    return NULL;
}

void answer_add_header(struct answer *answer, const char *name, const char *value)
{
    header_add(answer->arena, &answer->headers, arena_string(answer->arena, name),
               arena_string(answer->arena, value));
}

static struct answer *answer_new(void)
{
    struct answer *answer = mem_new(sizeof *answer);
    answer->arena = arena_new();
    return answer;
}

/* The body from a buffer; a problem that does not fit its buffer goes out without one. */
static void take_body(struct answer *answer, struct buffer *body)
{
    if (buffer_status(body) == 0)
        answer->body = buffer_take(body, &answer->body_len);
    buffer_done(body);
}

static void set_problem(struct answer *answer, unsigned status, const char *detail,
                        const struct faults *faults)
{
    struct buffer body;
    buffer_init(&body, PROBLEM_MAX);
    problem_write(&body, status, detail, faults);
    answer->status = status;
    take_body(answer, &body);
    answer_headers_common(answer->arena, &answer->headers, answer->status, MEDIA_TYPE_PROBLEM);
}

struct answer *answer_problem(unsigned status, const char *detail)
{
    struct answer *answer = answer_new();
    set_problem(answer, status, detail, NULL);
    return answer;
}

/* What a client has to change first: the size, then what is wrong, then what it may not do. */
static unsigned faults_status(const struct faults *faults)
{
    unsigned first = 403;
    for (const struct fault *fault = faults->first; fault; fault = fault->next) {
        if (fault->status == 413)
            return 413;
        if (fault->status != 403)
            first = 400;
    }
    return first;
}

struct answer *answer_from_faults(const struct faults *faults)
{
    struct answer *answer = answer_new();
    const char *detail =
        faults->count == 1 && faults->first
            ? faults->first->text
            : arena_printf(answer->arena, "%zu things are wrong with the request", faults->count);
    set_problem(answer, faults_status(faults), detail, faults);
    answer->limit = faults->limit;
    return answer;
}

/* The status that stands for a part, or 0 for one that was not needed: cancelled, or a failure
 * that a policy could do without. */
static unsigned part_status(const struct job *job, const struct part *part)
{
    bool met = job->batch->at_least > 0 && !job->decider;
    if (part->state == PART_SKIPPED || (met && part->state == PART_FAILED))
        return 0;
    if (job->batch->merge == MERGE_ENVELOPE)
        return merge_envelope_status(part);
    return part->state == PART_OK ? part->outcome.status : outcome_status(part->failure);
}

static unsigned worst_status(const struct job *job)
{
    unsigned worst = 200;
    for (size_t i = 0; i < job->count; i++) {
        unsigned status = part_status(job, &job->parts[i]);
        if (status > worst)
            worst = status;
    }
    /* These have no body, but this reply has one. */
    return worst == 204 || worst == 205 || worst == 304 ? 200 : worst;
}

static unsigned multi_status(const struct job *job)
{
    unsigned first = 0;
    for (size_t i = 0; i < job->count; i++) {
        unsigned status = part_status(job, &job->parts[i]);
        if (first == 0)
            first = status;
        if (status != 0 && status != first)
            return 207;
    }
    return 200;
}

/* Of a reply that carries a value. */
static unsigned value_status(const struct job *job)
{
    if (job->batch->status == STATUS_WORST)
        return worst_status(job);
    if (job->batch->status == STATUS_MULTI && job->batch->merge != MERGE_ENVELOPE)
        return multi_status(job);
    return 200;
}

/* Of a reply that carries the failure: 504 once the deadline has passed, for then it
 * is the batch that failed, otherwise what the deciding failure stands for. */
static unsigned failure_status(const struct job *job)
{
    unsigned status = outcome_status(job->decider->failure);
    if (job->batch->status == STATUS_WORST && worst_status(job) > status)
        return worst_status(job);
    return status;
}

unsigned answer_job_status(const struct job *job)
{
    assert(job->complete);
    bool failed = job->decider && job->batch->status != STATUS_OK;
    return failed ? failure_status(job) : value_status(job);
}

enum reply_result answer_job_result(const struct job *job)
{
    if (job->decider || job->unmerged)
        return RESULT_FAILED;
    return job_is_partial(job) ? RESULT_PARTIAL : RESULT_COMPLETE;
}

static void set_failure(struct answer *answer, const struct job *job)
{
    struct buffer body;
    buffer_init(&body, PROBLEM_MAX);
    answer->status = failure_status(job);
    problem_write_job(&body, answer->status, job);
    take_body(answer, &body);
    answer_headers_common(answer->arena, &answer->headers, answer->status, MEDIA_TYPE_PROBLEM);
    answer_headers_decider(answer->arena, &answer->headers, job);
}

static void set_raw(struct answer *answer, const struct job *job, struct part *part)
{
    struct outcome *outcome = &part->outcome;
    answer->status = outcome->status;
    if (answer->status == 200 && job->batch->etag != ETAG_OFF)
        answer->tag = TAG_UPSTREAMS;
    answer->body = outcome->body;
    answer->body_len = outcome->body_len;
    outcome->body = NULL;
    outcome->body_len = 0;
    answer_headers_raw(answer->arena, &answer->headers, outcome);
    answer_headers_common(answer->arena, &answer->headers, answer->status, NULL);
    const char *control = header_get(&answer->headers, "Cache-Control");
    answer->storable = !field_list_has((struct field_text){control, strlen(control)}, "no-store");
}

static void set_overflow(struct answer *answer, struct job *job, int status)
{
    job->unmerged = true;
    if (status == -ENOMEM) {
        set_problem(answer, 503, "there is no memory left for the merged reply", NULL);
        return;
    }
    const char *detail = arena_printf(
        answer->arena, "the merged reply is larger than limits.merged allows (%llu bytes)",
        (unsigned long long)job->config->limits.merged);
    set_problem(answer, 502, detail, NULL);
    answer->limit = TALLY_MERGED;
}

/* One value that is the whole reply needs no copy. False when it is not so. */
static bool move_single(struct answer *answer, struct job *job)
{
    struct part *part = &job->parts[0];
    bool alone = job->count == 1 && part->state == PART_OK && job->batch->meta != META_ALWAYS;
    if (!alone || (job->batch->merge != MERGE_SHALLOW && job->batch->merge != MERGE_CONCAT))
        return false;
    if (part->value.len == 0 || part->value.data != part->outcome.body ||
        part->value.len > job->config->limits.merged)
        return false;
    answer->body = part->outcome.body;
    answer->body_len = part->value.len;
    part->outcome.body = NULL;
    part->outcome.body_len = 0;
    part->value = (struct json_span){NULL, 0};
    return true;
}

/* False when there is no value to show; the answer then says why. */
static bool apply_joins(struct answer *answer, struct job *job)
{
    int status = job->batch->join_count > 0 ? join_apply(job) : 0;
    if (status == JOIN_REJECTED)
        set_failure(answer, job);
    else if (status != 0)
        set_overflow(answer, job, status);
    return status == 0;
}

/* A tag of the body costs a look at all of it, for those who can use it. */
static enum answer_tag value_tag(const struct answer *answer, const struct job *job)
{
    int rule = job->batch->etag;
    bool whole = !job->decider && !job_is_partial(job) && job->batch->merge != MERGE_ENVELOPE;
    if (answer->status != 200 || rule == ETAG_OFF || !whole)
        return TAG_NONE;
    return rule == ETAG_ALWAYS || answer->storable ? TAG_BODY : TAG_UPSTREAMS;
}

static void set_value(struct answer *answer, struct job *job)
{
    if (!apply_joins(answer, job))
        return;
    struct merge_refusal refusal = {NULL, NULL, NULL};
    struct buffer body;
    buffer_init(&body, job->config->limits.merged);
    enum outcome_code refused = OUTCOME_NONE;
    if (!move_single(answer, job))
        refused = merge_write(job, &body, &refusal);
    if (refused != OUTCOME_NONE) {
        buffer_done(&body);
        job_reject(job, (size_t)(refusal.part - job->parts), refused,
                   merge_refusal_text(job, refused, &refusal));
        set_failure(answer, job);
        return;
    }
    if (buffer_status(&body) != 0) {
        set_overflow(answer, job, buffer_status(&body));
        buffer_done(&body);
        return;
    }
    answer->status = value_status(job);
    if (!answer->body)
        answer->body = buffer_take(&body, &answer->body_len);
    pass_headers_add(answer->arena, &answer->headers, job);
    answer->storable = answer_cache_headers(answer->arena, &answer->headers, job);
    answer->tag = value_tag(answer, job);
    answer_headers_common(answer->arena, &answer->headers, answer->status, MEDIA_TYPE_JSON);
}

struct answer *answer_from_job(struct job *job)
{
    assert(job->complete);
    struct answer *answer = answer_new();
    usec_t begun = clock_now();
    bool raw = job->batch->merge == MERGE_RAW;
    bool passed = raw && job->count == 1 && job->parts[0].outcome.code == OUTCOME_REPLY;
    if (passed)
        set_raw(answer, job, &job->parts[0]);
    else if (job->decider &&
             (raw || (job->batch->merge != MERGE_ENVELOPE && job->batch->status != STATUS_OK)))
        set_failure(answer, job);
    else
        set_value(answer, job);
    answer_headers_job(answer->arena, &answer->headers, job, clock_now() - begun);
    answer->result = passed && answer->status < 500 ? RESULT_COMPLETE : answer_job_result(job);
    return answer;
}

/*
 * The state machine of one fan-out. Every part leaves PART_WAITING exactly once;
 * the four counters always add up to `count`. The job is complete when nothing
 * waits any more; core/policy or the deadline may make that happen at once: what
 * still waits is then skipped or failed.
 *
 * A part is judged when its outcome arrives, so that a failure under `all` is
 * known as early as possible and the merge only ever sees checked values.
 */
#include "core/job.h"

#include <stdlib.h>
#include <string.h>

#include "core/merge_type.h"
#include "core/policy.h"

enum { NO_CONTENT = 204, NOT_MODIFIED = 304 };

void job_init(struct job *job, const struct config *config, const struct batch *batch,
              struct arena *arena, usec_t now)
{
    size_t count = batch->list.count;
    *job = (struct job){
        .config = config,
        .batch = batch,
        .arena = arena,
        .parts = arena_array(arena, count, sizeof(struct part)),
        .count = count,
        .waiting = count,
        .complete = count == 0,
        .started = now,
        .ended = now,
    };
    for (size_t i = 0; i < count; i++)
        job->parts[i].request = &batch_requests(batch)[i];
}

void job_done(struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        outcome_done(&job->parts[i].outcome);
        free(job->parts[i].shaped);
    }
}

void job_drop_reply(struct job *job, size_t index)
{
    assert(index < job->count);
    struct part *part = &job->parts[index];
    struct outcome *outcome = &part->outcome;
    struct outcome rest = *outcome;
    rest.head = rest.body = NULL;
    rest.head_len = rest.body_len = 0;
    outcome_done(outcome);
    *outcome = rest;
    free(part->shaped);
    part->shaped = NULL;
    part->value = (struct json_span){NULL, 0};
}

struct json_span part_contents(const struct part *part)
{
    if (part->state == PART_OK)
        return part->value;
    if (part->state == PART_FAILED && part->request->fallback)
        return (struct json_span){part->request->fallback, part->request->fallback_len};
    return (struct json_span){NULL, 0};
}

struct json_span part_value(const struct part *part)
{
    return part->request->hidden ? (struct json_span){NULL, 0} : part_contents(part);
}

struct json_span part_body(const struct part *part)
{
    return part->state == PART_OK ? part->body : part_contents(part);
}

bool part_is_optional(const struct job *job, const struct part *part)
{
    return job->batch->policy != POLICY_ALL || part->request->optional || part->request->fallback;
}

bool job_is_partial(const struct job *job)
{
    return job->incomplete || (job->failed > 0 && (job->batch->at_least == 0 || job->decider));
}

static bool status_is_success(const struct success *success, unsigned status)
{
    if (status / 100 < 32 && (success->classes >> (status / 100) & 1) != 0)
        return true;
    for (size_t i = 0; i < success->count; i++) {
        if (success->statuses[i] == status)
            return true;
    }
    return false;
}

/* Why a body is not JSON, in words. A coding that nobody asked for is the usual
 * reason for bytes that make no sense, so it is named. */
static const char *describe_bad_json(struct arena *arena, const struct outcome *outcome,
                                     const struct json_verdict *verdict)
{
    const char *coding;
    size_t len;
    const char *fault = json_fault_text(verdict->fault);
    if (!outcome_header(outcome, "Content-Encoding", &coding, &len))
        return arena_printf(arena, "%s at byte %zu", fault, verdict->offset);
    return arena_printf(arena, "%s at byte %zu; the body has a content coding nobody asked for",
                        fault, verdict->offset);
}

/* The list that a foreach makes of its bodies is a level of our own. */
static unsigned depth_limit(const struct job *job, const struct part *part)
{
    unsigned depth = (unsigned)job->config->limits.json_depth;
    return part->request->foreach && depth < JSON_DEPTH_MAX ? depth + 1 : depth;
}

/* Validates the body and finds its value. False, with the failure set, when it is not JSON. */
static bool read_json(struct job *job, struct part *part)
{
    struct outcome *outcome = &part->outcome;
    if (outcome->body_len == 0 || outcome->status == NO_CONTENT || outcome->status == NOT_MODIFIED)
        return true;
    unsigned depth = depth_limit(job, part);
    struct json_verdict verdict = json_validate(outcome->body, outcome->body_len, depth);
    if (verdict.fault != JSON_VALID) {
        job->too_deep += verdict.fault == JSON_TOO_DEEP;
        outcome->detail = describe_bad_json(job->arena, outcome, &verdict);
        part->failure = OUTCOME_INVALID_JSON;
        return false;
    }
    part->type = verdict.type;
    part->value = (struct json_span){outcome->body + verdict.start, verdict.end - verdict.start};
    part->body = part->value;
    return true;
}

static bool type_fits(struct job *job, struct part *part)
{
    if (part->type == JSON_NONE || part->request->hidden)
        return true;
    const char *wanted = merge_type_wanted((enum merge_kind)job->batch->merge, part->type);
    if (!wanted)
        return true;
    part->outcome.detail = wanted;
    part->failure = OUTCOME_MERGE_TYPE;
    return false;
}

/* What shaping may add to all values together is as much as a reply may have. */
static size_t growth_left(const struct job *job)
{
    return job->config->limits.merged - job->grown;
}

/* Puts what is wanted of a value in its place. False, with the failure set, when the
 * shape does not fit it. */
static bool apply_shape(struct job *job, struct part *part)
{
    struct shaped shaped;
    if (part->type == JSON_NONE)
        return true;
    int status = shape_apply(part->request->shape, part->value, growth_left(job), &shaped);
    if (status != 0) {
        job->too_large += status == SHAPE_FULL;
        part->failure = status == SHAPE_UNFIT  ? OUTCOME_MERGE_TYPE
                        : status == SHAPE_FULL ? OUTCOME_RESPONSE_BODY_SIZE
                                               : OUTCOME_INTERNAL;
        part->outcome.detail = status == SHAPE_UNFIT ? shaped.unfit
                               : status == SHAPE_FULL
                                   ? "new names make it larger than limits.merged allows"
                                   : "there is no memory left for the shaped value";
        return false;
    }
    if (shaped.value.len > part->value.len)
        job->grown += shaped.value.len - part->value.len;
    part->shaped = shaped.bytes;
    part->value = shaped.value;
    part->type = json_span_type(shaped.value);
    return true;
}

/* A body that the merge does not look at, but a dependent does. It need not be JSON. */
static void find_body(struct job *job, struct part *part)
{
    const struct outcome *outcome = &part->outcome;
    struct json_verdict verdict =
        json_validate(outcome->body, outcome->body_len, depth_limit(job, part));
    if (outcome->body_len > 0 && verdict.fault == JSON_VALID)
        part->body = (struct json_span){outcome->body + verdict.start, verdict.end - verdict.start};
}

/* An envelope shows every reply, so a body that claims to be JSON is looked at
 * whatever the status; a merge only looks at the bodies it will use. A shape is of what
 * an upstream answers when all is well: error replies are shown as they came. */
static bool judge(struct job *job, struct part *part)
{
    const struct outcome *outcome = &part->outcome;
    bool success = part->request->foreach || /* judged by item */
                   status_is_success(&part->request->success, outcome->status);
    if (outcome->code != OUTCOME_REPLY) {
        part->failure = outcome->code;
        return false;
    }
    if (job->batch->merge == MERGE_ENVELOPE) {
        if (outcome_media(outcome) == MEDIA_JSON && !read_json(job, part))
            return false;
        if (success && part->request->shape && !apply_shape(job, part))
            return false;
    } else if (success && job->batch->merge != MERGE_RAW) {
        return read_json(job, part) && (!part->request->shape || apply_shape(job, part)) &&
               type_fits(job, part);
    }
    if (!success)
        part->failure = OUTCOME_UPSTREAM_STATUS;
    else if (part->request->feeds && part->body.len == 0)
        find_body(job, part);
    return success;
}

static struct part *first_failure(struct job *job)
{
    struct part *first = NULL;
    for (size_t i = 0; i < job->count; i++) {
        struct part *part = &job->parts[i];
        if (part->state != PART_FAILED)
            continue;
        if (!part_is_optional(job, part))
            return part;
        if (!first)
            first = part;
    }
    return first;
}

/* Of what is cut off. Nobody asks its carrier how far it came: it counts as tried once. */
static unsigned attempts(const struct part *part)
{
    return part->begun ? 1 : 0;
}

static void complete(struct job *job, usec_t now)
{
    for (size_t i = 0; i < job->count; i++) {
        struct part *part = &job->parts[i];
        if (part->state != PART_WAITING)
            continue;
        part->state = PART_SKIPPED;
        part->failure = OUTCOME_CANCELLED;
        part->outcome = (struct outcome){
            .code = OUTCOME_CANCELLED,
            .elapsed = now - job->started,
            .attempts = attempts(part),
        };
        job->waiting--;
        job->skipped++;
    }
    if (!job->decider && job->ok == 0)
        job->decider = first_failure(job);
    job->complete = true;
    job->ended = now;
}

/* Puts the outcome into its part; NULL, with the outcome freed, when it comes too late. */
static struct part *take_outcome(struct job *job, size_t index, struct outcome *outcome)
{
    assert(index < job->count);
    struct part *part = &job->parts[index];
    assert(outcome->code != OUTCOME_NONE);
    if (job->complete || part->state != PART_WAITING) {
        outcome_done(outcome);
        return NULL;
    }
    part->outcome = outcome_take(outcome);
    job->waiting--;
    return part;
}

static bool settle(struct job *job, struct part *part, bool success, usec_t now)
{
    enum settled how = SETTLED_WELL;
    if (success) {
        part->state = PART_OK;
        job->ok++;
    } else {
        part->state = PART_FAILED;
        job->failed++;
        how = part_is_optional(job, part) ? SETTLED_BADLY : SETTLED_FATALLY;
    }
    enum policy_verdict verdict = policy_judge(job->batch, how, job->ok, job->waiting);
    if (verdict == POLICY_OPEN)
        return false;
    if (verdict == POLICY_LOST)
        job->decider = part;
    complete(job, now);
    return true;
}

bool job_settle(struct job *job, size_t index, struct outcome *outcome, usec_t now)
{
    struct part *part = take_outcome(job, index, outcome);
    return part && settle(job, part, judge(job, part), now);
}

bool job_fail(struct job *job, size_t index, enum outcome_code failure, struct outcome *outcome,
              usec_t now)
{
    struct part *part = take_outcome(job, index, outcome);
    if (part)
        part->failure = failure;
    return part && settle(job, part, false, now);
}

void job_expire(struct job *job, usec_t now)
{
    if (job->complete)
        return;
    struct part *required = NULL;
    struct part *first = NULL;
    for (size_t i = 0; i < job->count; i++) {
        struct part *part = &job->parts[i];
        if (part->state != PART_WAITING)
            continue;
        part->state = PART_FAILED;
        part->failure = OUTCOME_RESPONSE_TIMEOUT;
        part->item_failures = NULL;
        part->failed_item = NULL;
        part->outcome = (struct outcome){
            .code = OUTCOME_RESPONSE_TIMEOUT,
            .detail = part->begun ? "the batch's deadline passed first"
                                  : "the batch's deadline passed before the request was sent",
            .elapsed = now - job->started,
            .attempts = attempts(part),
        };
        job->waiting--;
        job->failed++;
        if (!first)
            first = part;
        if (!required && !part_is_optional(job, part))
            required = part;
    }
    job->expired = true;
    bool lost = job->ok < job->batch->at_least;
    if (job->batch->on_timeout == ON_TIMEOUT_ERROR || job->ok == 0 || lost)
        job->decider = required ? required : first;
    complete(job, now);
}

void job_reject(struct job *job, size_t index, enum outcome_code failure, const char *detail)
{
    assert(job->complete && index < job->count);
    struct part *part = &job->parts[index];
    if (part->state == PART_OK) { /* otherwise it was its `default` */
        job->ok--;
        job->failed++;
    }
    part->state = PART_FAILED;
    part->failure = failure;
    part->outcome.detail = detail;
    job->decider = part;
}

/*
 * One fan-out as a state machine: outcomes go in, and at some point it says that it is
 * complete. It knows policies, success and merges; no sockets and no clock. One thread.
 */
#ifndef CORE_JOB_H
#define CORE_JOB_H

#include "core/config.h"
#include "core/outcome.h"
#include "json/span.h"

enum part_state {
    PART_WAITING,
    PART_OK,
    PART_FAILED,
    PART_SKIPPED, /* not needed any more: cancelled by the policy */
};

struct part {
    const struct request *request;
    enum part_state state;
    bool begun; /* its call was given to a carrier; set by the owner of the job */
    struct outcome outcome;
    enum outcome_code failure; /* when failed: the code users see */
    enum json_type type;       /* JSON_NONE: an empty body, or not looked at */
    struct json_span value;    /* the body's value, shaped: inside outcome.body or in `shaped` */
    char *shaped;              /* bytes that are in no body; NULL: none */
    struct json_span body;     /* the whole body when it is JSON; for those that depend on it */
    const struct item_failures *item_failures; /* foreach: what is missing in it, or NULL */
    const size_t *failed_item; /* foreach: the item whose failure is the part's, or NULL */
};

/* Items of a foreach that failed while the part did not: it is optional. */
struct item_failures {
    size_t count;
    struct item_failure {
        size_t item; /* its place in the list, from 0 */
        enum outcome_code failure;
        struct outcome outcome; /* without head and body */
    } * items;
};

struct job {
    const struct config *config;
    const struct batch *batch;
    struct arena *arena;
    struct part *parts; /* in declared order */
    size_t count, waiting, ok, failed, skipped;
    size_t grown;                 /* bytes by which shaping has made values longer */
    bool incomplete;              /* an optional item of a foreach failed */
    bool complete, expired;       /* expired: the batch's deadline ended it */
    bool unmerged;                /* there is no reply of its values: they are too large together */
    unsigned too_deep, too_large; /* parts that limits.jsonDepth and limits.merged have refused */
    struct part *decider; /* why there is no full reply: the failure that ended the batch, or the
                           * first one (required before optional) when nothing succeeded; or NULL */
    usec_t started, ended;
};

void job_init(struct job *job, const struct config *config, const struct batch *batch,
              struct arena *arena, usec_t now);
void job_done(struct job *job); /* frees the outcomes and what was shaped */

/* Takes the outcome of part `index` and judges it: HTTP status against `success`,
 * body against the merge (JSON, depth, type). Returns true when this made the job
 * complete; parts still waiting are then skipped, and the caller cancels them.
 * Outcomes that come later are freed, change nothing and return false. */
bool job_settle(struct job *job, size_t index, struct outcome *outcome, usec_t now);

/* The part has failed with `failure`, whatever its outcome looks like; otherwise as
 * job_settle(). */
bool job_fail(struct job *job, size_t index, enum outcome_code failure, struct outcome *outcome,
              usec_t now);

/* The batch's deadline has passed: what waits has failed with http_response_timeout
 * (under `onTimeout: partial` as if optional), begun or not. The job is complete afterwards. */
void job_expire(struct job *job, usec_t now);

/* A part's value, its `default` perhaps, turned out to be unusable when the job was merged: the
 * part has failed with `failure`, for the reason in `detail` (NULL: the usual), and is the
 * decider now. */
void job_reject(struct job *job, size_t index, enum outcome_code failure, const char *detail);

/* Nobody looks at the reply of a settled part any more: its header and body are freed. How
 * it ended stays. */
void job_drop_reply(struct job *job, size_t index);

/* A part's value, when it failed its `default`, or nothing (len 0). */
struct json_span part_contents(const struct part *part);
/* What it puts into a merged reply: the same, or nothing when it is hidden. */
struct json_span part_value(const struct part *part);
/* True when the reply must be called partial: something of what the policy waits for is
 * not in it. What `any`, `race` or `atLeast` could do without is not missing. */
bool job_is_partial(const struct job *job);

/* What those that depend on it see: its body, when it failed its `default`, or nothing. */
struct json_span part_body(const struct part *part);
/* True when no failure of the part can fail the batch as long as others succeed. */
bool part_is_optional(const struct job *job, const struct part *part);

#endif

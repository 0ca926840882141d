/* The reply to a client, as values: made by merge from a job, or from faults; taken by front/reply.
 */
#ifndef CORE_ANSWER_H
#define CORE_ANSWER_H

#include "core/faults.h"
#include "core/job.h"
#include "core/reply_result.h"

/* What If-None-Match of a GET is compared with. */
enum answer_tag {
    TAG_NONE,      /* nothing */
    TAG_UPSTREAMS, /* the ETag among `headers`, if there is one */
    TAG_BODY,      /* likewise; otherwise one made of the body, which the reply then carries */
};

struct answer {
    unsigned status;
    struct arena *arena;        /* owns names and values of `headers` */
    struct header_list headers; /* Content-Type included; not Content-Length, Date, Connection */
    char *body;                 /* malloc'd or NULL */
    size_t body_len;
    enum answer_tag tag;
    bool storable;            /* its Cache-Control does not forbid to keep it */
    enum reply_result result; /* of a job; a raw reply is complete unless it is 5xx */
    enum tally_limit limit;   /* that there is no other reply because of */
};

struct answer *answer_free(struct answer *answer); /* NULL is fine; returns NULL */

/* The reply of a complete job by its merge and status rules: Aggregate-Status and
 * Server-Timing when it has more than one part, Proxy-Status when a failure decided,
 * Retry-After with 503, Cache-Control (of core/answer_cache, otherwise no-store). Takes bodies out
 * of the job where it can. A merged reply beyond limits.merged is a 502 problem. */
struct answer *answer_from_job(struct job *job);

/* The status that stands for how a complete job ended, by its status rule. */
unsigned answer_job_status(const struct job *job);
/* What came of a complete job, whatever its status rule makes of it. */
enum reply_result answer_job_result(const struct job *job);

/* A problem reply: 413 if a fault has that status, else 400, else 403. */
struct answer *answer_from_faults(const struct faults *faults);
struct answer *answer_problem(unsigned status, const char *detail);
void answer_add_header(struct answer *answer, const char *name, const char *value); /* copies */

#endif

/* The header of a reply: what tells about the parts, and what is passed on of one. */
#ifndef CORE_ANSWER_HEADERS_H
#define CORE_ANSWER_HEADERS_H

#include "core/answer.h"

/* Content-Type, Cache-Control: no-store, and Retry-After when the status is 503;
 * each unless it is there. `media` may be NULL and must be a literal. */
void answer_headers_common(struct answer *answer, const char *media);

/* Aggregate-Status and Server-Timing, when the job has more than one part. `merged`
 * is how long merging took. */
void answer_headers_job(struct answer *answer, const struct job *job, usec_t merged);

/* Proxy-Status (RFC 9209) about the failure that decided, if one did. */
void answer_headers_decider(struct answer *answer, const struct job *job);

/* The fields of an upstream's reply that a raw reply shows. */
void answer_headers_raw(struct answer *answer, const struct outcome *outcome);

#endif

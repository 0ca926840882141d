/* The header of a reply: what tells about the parts, and what is passed on of one. */
#ifndef CORE_ANSWER_HEADERS_H
#define CORE_ANSWER_HEADERS_H

#include "core/header.h"
#include "core/job.h"
#include "core/outcome.h"

/* All of them append to `headers`; what they make lives in `arena`. */

/* Content-Type, Cache-Control: no-store, and Retry-After when the status is 503;
 * each unless it is there. `media` may be NULL and must be a literal. */
void answer_headers_common(struct arena *arena, struct header_list *headers, unsigned status,
                           const char *media);

/* Aggregate-Status and Server-Timing (at most SERVER_TIMING_MAX bytes, cut at a part),
 * when the job has more than one part. `merged` is how long merging took. */
#define SERVER_TIMING_MAX 2048
void answer_headers_job(struct arena *arena, struct header_list *headers, const struct job *job,
                        usec_t merged);

/* Proxy-Status (RFC 9209) about the failure that decided, if one did. */
void answer_headers_decider(struct arena *arena, struct header_list *headers,
                            const struct job *job);

/* The fields of an upstream's reply that a raw reply shows. */
void answer_headers_raw(struct arena *arena, struct header_list *headers,
                        const struct outcome *outcome);

#endif

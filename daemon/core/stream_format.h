/*
 * A reply that is sent as its parts complete, as text: NDJSON (one value per line) or
 * server-sent events. All of it is appended to `out`.
 */
#ifndef CORE_STREAM_FORMAT_H
#define CORE_STREAM_FORMAT_H

#include "base/buffer.h"
#include "core/accept.h"
#include "core/job.h"

/* A batch for such a reply: `merge` means nothing then, and without a policy of its own it
 * waits for every request. */
struct batch stream_batch(const struct batch *batch);

/* A settled part as an envelope item: a line, or `event: response` with the part's id. */
void stream_put_part(enum reply_form form, const struct job *job, const struct part *part,
                     struct buffer *out);

/* The last line, or `event: done`: {"summary":{"status","partial","total",...,"errors"}}.
 * `status` is what a merged reply under the same policy would have. */
void stream_put_summary(enum reply_form form, const struct job *job, struct buffer *out);

/* What shows that the connection is alive: a comment. Nothing for NDJSON, which has none. */
void stream_put_heartbeat(enum reply_form form, struct buffer *out);

#endif

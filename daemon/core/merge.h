/* The bodies of a complete job, spliced into one. */
#ifndef CORE_MERGE_H
#define CORE_MERGE_H

#include "base/buffer.h"
#include "core/job.h"

/* Writes the merged body of a complete, successful job (policy met, or everything
 * allowed to fail) by its `merge`, with `_meta` where the rules ask for it.
 * Values are the upstreams' bytes. Not for MERGE_RAW. Returns OUTCOME_NONE, or
 * OUTCOME_MERGE_CONFLICT with *ret_part at the later part of the pair. */
enum outcome_code merge_write(const struct job *job, struct buffer *out,
                              const struct part **ret_part);

/* One part as an envelope item {"id","status","headers","body"}. */
void merge_write_envelope_item(const struct job *job, const struct part *part, struct buffer *out);
/* True when the reply must be called partial. */
bool merge_is_partial(const struct job *job);

#endif

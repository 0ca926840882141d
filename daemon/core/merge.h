/* The bodies of a complete job, spliced into one. */
#ifndef CORE_MERGE_H
#define CORE_MERGE_H

#include "core/merge_envelope.h"

/* Writes the merged body of a complete job by its `merge`, with `_meta` where the
 * rules ask for it. A part without a value is null in keyed and array and left out
 * elsewhere. Values are the upstreams' bytes. Not for MERGE_RAW. Returns OUTCOME_NONE, or
 * OUTCOME_MERGE_CONFLICT with *ret_part at the later part of the pair, or OUTCOME_MERGE_TYPE with
 * *ret_part at one that cannot be merged. */
enum outcome_code merge_write(const struct job *job, struct buffer *out,
                              const struct part **ret_part);

/* The members that tell how the parts ended, without braces: "partial":... to "errors":[...]. */
void merge_write_counts(const struct job *job, struct buffer *out);

/* True when the reply must be called partial. */
bool merge_is_partial(const struct job *job);

#endif

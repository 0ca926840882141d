/* The bodies of a complete job, spliced into one. */
#ifndef CORE_MERGE_H
#define CORE_MERGE_H

#include "core/merge_envelope.h"
#include "core/merge_object.h"

/* Writes the merged body of a complete job by its `merge`, with `_meta` where the
 * rules ask for it. A part without a value is null in keyed and array and left out
 * elsewhere. Values are the upstreams' bytes. Not for MERGE_RAW. Returns OUTCOME_NONE, or
 * with *ret_refusal OUTCOME_MERGE_CONFLICT or, for what is too deep, OUTCOME_MERGE_TYPE. */
enum outcome_code merge_write(const struct job *job, struct buffer *out,
                              struct merge_refusal *ret_refusal);

/* The refusal in words, for merge_write()'s code: the place as a JSON Pointer. Lives in the job's
 * arena. */
const char *merge_refusal_text(const struct job *job, enum outcome_code code,
                               const struct merge_refusal *refusal);

/* The members that tell how the parts ended, without braces: "partial":... to "errors":[...]. */
void merge_write_counts(const struct job *job, struct buffer *out);

/* True when the reply must be called partial. */
bool merge_is_partial(const struct job *job);

#endif

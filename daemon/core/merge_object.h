/*
 * `merge: shallow`: the members of several objects as one.
 *
 * A key that two parts have is decided by declared order and `conflict`; keys
 * compare by their decoded value. A member stands where its key appeared first
 * and carries the winner's key and value bytes. What one upstream wrote twice in
 * one object stays as it is: that is its own affair, not a conflict.
 */
#ifndef CORE_MERGE_OBJECT_H
#define CORE_MERGE_OBJECT_H

#include "core/job.h"

struct merged_object {
    bool empty;
    bool has_meta; /* some upstream has a member "_meta"; only looked for when asked to */
};

/* Why there is no merged value. */
struct merge_refusal {
    const struct part *part;    /* whose value could not be added to those before it */
    const char *at;             /* where in that value */
    const struct part *earlier; /* OUTCOME_MERGE_CONFLICT: who had the key already */
};

/* Writes the members, without the braces. OUTCOME_NONE, or OUTCOME_MERGE_CONFLICT with
 * *ret_refusal. */
enum outcome_code merge_object_members(const struct job *job, bool look_for_meta,
                                       struct buffer *out, struct merged_object *ret_object,
                                       struct merge_refusal *ret_refusal);

/* True when at most one part has an object; its members are written as they are. */
bool merge_object_alone(const struct job *job, bool look_for_meta, struct buffer *out,
                        struct merged_object *ret_object);

#endif

/*
 * The list of a foreach: found in a body before its calls are made, and made into one
 * outcome after.
 */
#ifndef CORE_ITEMS_H
#define CORE_ITEMS_H

#include "core/job.h"
#include "core/values.h"

struct items {
    struct json_span *list;
    size_t count;
    bool too_many; /* more than `max`: not found */
};

/* NULL when found; otherwise why not, in a sentence that lives in `arena`. */
const char *items_find(struct values *values, const struct foreach *foreach, struct arena *arena,
                       struct items *ret_items);

/* One request for each of `count` items, and what their job needs of a batch: the first failure
 * that is required ends it. Under `any`, `race` and `atLeast` every item is required. The batch's
 * deadline is theirs, and so is its `onTimeout`. */
struct batch *items_batch(const struct batch *batch, const struct request *request, size_t count,
                          struct arena *arena);

/* The outcome of a complete job made by items_batch(). OUTCOME_NONE: it is a reply whose body
 * is the array of the items' values, of at most `most` bytes. Otherwise the failure that ended
 * it; the outcome is that item's. `arena` takes sentences. */
enum outcome_code items_outcome(struct job *job, uint64_t most, struct arena *arena,
                                struct outcome *ret_outcome);

/* The place of the item that ended a job with a failure; NULL when it was none of them. Lives in
 * `arena`. */
const size_t *items_failed(const struct job *job, struct arena *arena);

/* The items that failed in a job with a good outcome; NULL when none did. Lives in `arena`. */
const struct item_failures *items_failures(const struct job *job, struct arena *arena);

#endif

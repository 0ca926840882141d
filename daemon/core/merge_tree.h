/*
 * `merge: deep` and `merge: patch`: several objects as one, objects inside them
 * merged in turn.
 *
 * deep: where two values of one key are both objects they are merged, otherwise
 * `conflict` decides between them; nulls are values. patch: the first object is the
 * document, each later one an RFC 7396 patch of it; null removes. A member stands
 * where its key appeared first. What nobody else has a word on keeps its bytes.
 */
#ifndef CORE_MERGE_TREE_H
#define CORE_MERGE_TREE_H

#include "core/merge_object.h"

/* Objects inside each other that are merged with others; what lies in only one part may
 * be as deep as limits.jsonDepth allows. */
enum { MERGE_LEVELS_MAX = 64 };
#define MERGE_TOO_DEEP "more than 64 objects inside each other have to be merged"

/* As merge_object_members(), also OUTCOME_MERGE_TYPE for what would be the first beyond
 * MERGE_LEVELS_MAX. */
enum outcome_code merge_tree_members(const struct job *job, bool look_for_meta, struct buffer *out,
                                     struct merged_object *ret_object,
                                     struct merge_refusal *ret_refusal);

#endif

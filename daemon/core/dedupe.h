/* Finds calls of one plan that are the same: what one of them brings is good for all. */
#ifndef CORE_DEDUPE_H
#define CORE_DEDUPE_H

#include "core/plan.h"

/* False when no two calls of a batch can be the same, whatever the client sends. */
bool dedupe_possible(const struct batch *batch, struct arena *arena);

struct dedupe {
    const struct planned *items;
    unsigned short *slots; /* index + 1 */
    size_t mask;
};

void dedupe_init(struct dedupe *dedupe, const struct planned *items, size_t count,
                 struct arena *arena);

/* True when two calls would send the same and wait as long for it (the batch's end aside). */
bool dedupe_same(const struct planned *one, const struct planned *other);

/* The earlier call that items[index] may follow, or `index` itself, which is then the one
 * that later ones find. `usable(ctx, i)` says whether i, which was found, can be followed;
 * only then its call is looked at. */
size_t dedupe_find(struct dedupe *dedupe, size_t index, bool usable(const void *ctx, size_t index),
                   const void *ctx);

#endif

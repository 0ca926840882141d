/*
 * Which requests of a batch wait for which: built once, then walked by counters while
 * the batch runs. Indices are those of the requests.
 */
#ifndef CORE_GRAPH_H
#define CORE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct graph; /* immutable; lives in its arena */

struct graph *graph_new(struct arena *arena, size_t count);
/* `index` waits for `on`. Twice is once. Not of itself (asserted). */
void graph_add(struct graph *graph, size_t index, size_t on);
/* False when there is a circle: ret_path then has the indices on it in order of waiting, at
 * most `count`, and *ret_len how many. Must be called before the graph is walked. */
bool graph_close(struct graph *graph, struct arena *arena, size_t *ret_path, size_t *ret_len);

size_t graph_waits(const struct graph *graph, size_t index); /* for how many */
/* Marks in ret_on, which has a place for each, what `index` itself waits for. */
void graph_dependencies(const struct graph *graph, size_t index, bool *ret_on);
/* For each the length of the longest chain it waits for: 0 when it waits for nothing. */
void graph_stages(const struct graph *graph, struct arena *arena, size_t *ret_stages);

/* One walk. */
struct graph_walk {
    const struct graph *graph;
    size_t *missing; /* for each: how many it still waits for */
    size_t *blocker; /* for each: which failed, or SIZE_MAX */
    size_t *ready;   /* a queue, in the order in which they became ready */
    size_t first, last;
};

void graph_begin(struct graph_walk *walk, const struct graph *graph, struct arena *arena);
/* `index` is done; unless it is `usable`, those that wait for it become ready as blocked. */
void graph_settled(struct graph_walk *walk, size_t index, bool usable);
/* The next that is ready; *ret_blocker: which request stands in its way, or SIZE_MAX. Those
 * that never waited are not among them. */
bool graph_next(struct graph_walk *walk, size_t *ret_index, size_t *ret_blocker);

#endif

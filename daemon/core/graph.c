/*
 * Edges point from a request to those that wait for it, so that settling one costs
 * as much as it has dependents. A circle is found by taking away what waits for
 * nothing until nothing changes; from anything left, going to something it waits
 * for must come back to where it was.
 */
#include "core/graph.h"

#include <stdint.h>
#include <string.h>

struct edge {
    size_t from, to; /* `to` waits for `from` */
    struct edge *next_dependent, *next_dependency;
};

struct node {
    struct edge *dependents, **tail; /* in the order they were added */
    struct edge *dependencies;
    size_t waits;
};

struct graph {
    struct arena *arena;
    size_t count;
    struct node *nodes;
};

struct graph *graph_new(struct arena *arena, size_t count)
{
    struct graph *graph = arena_alloc(arena, sizeof *graph);
    *graph = (struct graph){arena, count, arena_array(arena, count, sizeof(struct node))};
    for (size_t i = 0; i < count; i++)
        graph->nodes[i].tail = &graph->nodes[i].dependents;
    return graph;
}

void graph_add(struct graph *graph, size_t index, size_t on)
{
    assert(index < graph->count && on < graph->count && index != on);
    struct node *waiting = &graph->nodes[index];
    struct node *first = &graph->nodes[on];
    for (const struct edge *edge = waiting->dependencies; edge; edge = edge->next_dependency) {
        if (edge->from == on)
            return;
    }
    struct edge *edge = arena_alloc(graph->arena, sizeof *edge);
    *edge = (struct edge){.from = on, .to = index, .next_dependency = waiting->dependencies};
    waiting->dependencies = edge;
    waiting->waits++;
    *first->tail = edge;
    first->tail = &edge->next_dependent;
}

/* From a request that is left over: the circle that going back from it leads into. */
static void trace(const struct graph *graph, struct arena *arena, const bool *gone, size_t start,
                  size_t *ret_path, size_t *ret_len)
{
    size_t *place = arena_array(arena, graph->count, sizeof *place); /* in the path, from 1 */
    size_t len = 0;
    size_t at = start;
    while (place[at] == 0) {
        ret_path[len++] = at;
        place[at] = len;
        const struct edge *edge = graph->nodes[at].dependencies;
        while (gone[edge->from])
            edge = edge->next_dependency;
        at = edge->from;
    }
    size_t first = place[at] - 1;
    *ret_len = len - first;
    memmove(ret_path, ret_path + first, *ret_len * sizeof *ret_path);
}

bool graph_close(struct graph *graph, struct arena *arena, size_t *ret_path, size_t *ret_len)
{
    struct graph_walk walk;
    bool *gone = arena_array(arena, graph->count, sizeof *gone);
    graph_begin(&walk, graph, arena);
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->nodes[i].waits > 0)
            continue;
        gone[i] = true;
        graph_settled(&walk, i, true);
    }
    size_t index, blocker;
    while (graph_next(&walk, &index, &blocker)) {
        gone[index] = true;
        graph_settled(&walk, index, true);
    }
    for (size_t i = 0; i < graph->count; i++) {
        if (gone[i])
            continue;
        trace(graph, arena, gone, i, ret_path, ret_len);
        return false;
    }
    return true;
}

size_t graph_waits(const struct graph *graph, size_t index)
{
    assert(index < graph->count);
    return graph->nodes[index].waits;
}

void graph_dependencies(const struct graph *graph, size_t index, bool *ret_on)
{
    assert(index < graph->count);
    memset(ret_on, 0, graph->count * sizeof *ret_on);
    const struct edge *edge = graph->nodes[index].dependencies;
    for (; edge; edge = edge->next_dependency)
        ret_on[edge->from] = true;
}

/* Every request is done after all that it waits for, so its own stage is known by then. */
static void pass_stage_on(const struct graph *graph, size_t index, size_t *stages)
{
    for (const struct edge *edge = graph->nodes[index].dependents; edge;
         edge = edge->next_dependent) {
        if (stages[edge->to] < stages[index] + 1)
            stages[edge->to] = stages[index] + 1;
    }
}

void graph_stages(const struct graph *graph, struct arena *arena, size_t *ret_stages)
{
    struct graph_walk walk;
    size_t index, blocker;
    memset(ret_stages, 0, graph->count * sizeof *ret_stages);
    graph_begin(&walk, graph, arena);
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->nodes[i].waits > 0)
            continue;
        pass_stage_on(graph, i, ret_stages);
        graph_settled(&walk, i, true);
    }
    while (graph_next(&walk, &index, &blocker)) {
        pass_stage_on(graph, index, ret_stages);
        graph_settled(&walk, index, true);
    }
}

void graph_begin(struct graph_walk *walk, const struct graph *graph, struct arena *arena)
{
    *walk = (struct graph_walk){
        .graph = graph,
        .missing = arena_array(arena, graph->count, sizeof(size_t)),
        .blocker = arena_array(arena, graph->count, sizeof(size_t)),
        .ready = arena_array(arena, graph->count, sizeof(size_t)),
    };
    for (size_t i = 0; i < graph->count; i++) {
        walk->missing[i] = graph->nodes[i].waits;
        walk->blocker[i] = SIZE_MAX;
    }
}

/* A blocked one need not wait for the others: it is ready at once, and only once. */
void graph_settled(struct graph_walk *walk, size_t index, bool usable)
{
    assert(index < walk->graph->count);
    const struct edge *edge = walk->graph->nodes[index].dependents;
    for (; edge; edge = edge->next_dependent) {
        size_t waiting = edge->to;
        if (walk->missing[waiting] == 0)
            continue;
        walk->missing[waiting] = usable ? walk->missing[waiting] - 1 : 0;
        if (!usable)
            walk->blocker[waiting] = index;
        if (walk->missing[waiting] == 0)
            walk->ready[walk->last++] = waiting;
    }
}

bool graph_next(struct graph_walk *walk, size_t *ret_index, size_t *ret_blocker)
{
    if (walk->first == walk->last)
        return false;
    *ret_index = walk->ready[walk->first++];
    *ret_blocker = walk->blocker[*ret_index];
    return true;
}

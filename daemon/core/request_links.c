/*
 * Who waits for whom: every id that `dependsOn` or an expression names is an edge
 * of a graph, which must not have a circle. A batch where nobody waits has no
 * graph, so that it costs nothing.
 */
#include <string.h>

#include "base/nearest.h"
#include "core/graph.h"
#include "core/request_compile.h"

struct linker {
    struct compiler *compiler;
    struct request *requests;
    size_t count;
    struct graph *graph;
};

static const char *nearest_id(const struct linker *linker, const char *id)
{
    struct arena *arena = linker->compiler->arena;
    const char **ids = arena_array(arena, linker->count, sizeof(char *));
    size_t known = 0;
    for (size_t i = 0; i < linker->count; i++) {
        if (linker->requests[i].id)
            ids[known++] = linker->requests[i].id;
    }
    return nearest_name(id, ids, known);
}

/* The request with this id; NULL with a fault. */
static struct request *find_request(struct linker *linker, const char *id, const struct node *place)
{
    for (size_t i = 0; i < linker->count; i++) {
        if (linker->requests[i].id && strcmp(linker->requests[i].id, id) == 0)
            return &linker->requests[i];
    }
    const char *nearest = nearest_id(linker, id);
    fault_at(linker->compiler->faults, place, "there is no request \"%.64s\"%s%s%s", id,
             nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

static struct request *add_edge(struct linker *linker, const struct request *request,
                                const char *id, const struct node *place)
{
    struct request *on = find_request(linker, id, place);
    if (on == request)
        fault_at(linker->compiler->faults, place, "\"%s\" cannot wait for itself", id);
    else if (on)
        graph_add(linker->graph, request->index, on->index);
    return on;
}

static void link_depends_on(struct linker *linker, const struct request *request)
{
    const struct node *list = request_member(request, "dependsOn");
    const struct node *place = list->kind == NODE_LIST ? list->first : list;
    for (size_t i = 0; i < request->depends_on.count; i++) {
        add_edge(linker, request, request->depends_on.items[i], place);
        place = place->next ? place->next : place;
    }
}

static void link_expressions(struct linker *linker)
{
    for (struct reference *one = linker->compiler->first; one; one = one->next) {
        struct expression *expression = one->expression;
        if (!expression_is_response(expression))
            continue;
        struct request *on = add_edge(linker, one->request, expression->id, one->place);
        if (!on)
            continue;
        expression->index = on->index;
        if (expression->source == EXPRESSION_BODY)
            on->feeds = true;
    }
}

static void refuse_circle(struct linker *linker)
{
    struct arena *arena = linker->compiler->arena;
    size_t *path = arena_array(arena, linker->count, sizeof *path);
    size_t len;
    if (graph_close(linker->graph, arena, path, &len))
        return;
    struct buffer names scope_buffer;
    buffer_init(&names, 400);
    for (size_t i = 0; i < len; i++)
        buffer_printf(&names, "%s -> ", linker->requests[path[i]].id);
    buffer_string(&names, linker->requests[path[0]].id);
    fault_at(linker->compiler->faults, linker->requests[path[0]].node,
             "requests wait for each other in a circle: %.*s%s", (int)names.len,
             names.data ? names.data : "", buffer_status(&names) == 0 ? "" : "...");
}

/* Numbers the expressions; false, with a fault, when they are too many. */
static bool count_expressions(struct compiler *compiler)
{
    uint64_t most = compiler->config->limits.expressions;
    size_t count = 0;
    for (struct reference *one = compiler->first; one; one = one->next) {
        one->expression->number = count++;
        if (count != most + 1)
            continue;
        compiler->faults->limit = TALLY_EXPRESSIONS;
        fault_at(compiler->faults, one->place,
                 "the batch has more expressions than limits.expressions (%llu)",
                 (unsigned long long)most);
        return false;
    }
    compiler->batch->expressions = count;
    return true;
}

static bool someone_waits(const struct linker *linker)
{
    for (const struct reference *one = linker->compiler->first; one; one = one->next) {
        if (expression_is_response(one->expression))
            return true;
    }
    for (size_t i = 0; i < linker->count; i++) {
        if (linker->requests[i].depends_on.count > 0)
            return true;
    }
    return false;
}

void request_link_all(struct compiler *compiler)
{
    struct batch *batch = compiler->batch;
    struct linker linker = {compiler, batch_requests(batch), batch->list.count, NULL};
    if (!count_expressions(compiler) || !someone_waits(&linker))
        return;
    size_t before = compiler->faults->count;
    linker.graph = graph_new(compiler->arena, linker.count);
    for (size_t i = 0; i < linker.count; i++)
        link_depends_on(&linker, &linker.requests[i]);
    link_expressions(&linker);
    if (compiler->faults->count == before)
        refuse_circle(&linker);
    for (size_t i = 0; i < linker.count; i++) {
        if (graph_waits(linker.graph, i) > 0)
            request_late(compiler, &linker.requests[i])->waits = true;
    }
    batch->graph = linker.graph;
}

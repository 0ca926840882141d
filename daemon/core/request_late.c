/*
 * What a request says with expressions. They are noted as they are read and linked
 * when all requests are known, since a request may name one that is declared below it.
 */
#include <string.h>

#include "base/nearest.h"
#include "core/request_compile.h"

struct expression_scope request_scope(const struct compiler *compiler,
                                      const struct request *request)
{
    return (struct expression_scope){
        .responses = request != NULL,
        .client = !compiler->document,
        .item = request && request->foreach ? request->foreach->as : NULL,
    };
}

struct late *request_late(struct compiler *compiler, struct request *request)
{
    if (!request->late)
        request->late = arena_alloc(compiler->arena, sizeof *request->late);
    compiler->batch->late = true;
    return request->late;
}

static bool has_string(const struct strings *strings, const char *string)
{
    for (size_t i = 0; strings && i < strings->count; i++) {
        if (strcmp(strings->items[i], string) == 0)
            return true;
    }
    return false;
}

/* `variables` has the names of the path, and those of forward.query. */
static void check_path_name(struct compiler *compiler, const struct node *place,
                            const struct expression *expression)
{
    const struct strings *names = compiler->variables;
    if (expression->source != EXPRESSION_CLIENT_PATH || !names)
        return;
    if (has_string(names, expression->name) &&
        !has_string(&compiler->forward->query, expression->name))
        return;
    const char *nearest = nearest_name(expression->name, names->items, names->count);
    fault_at(compiler->faults, place, "{%s}: the endpoint's path has no such variable%s%s%s",
             expression->text, nearest ? "; did you mean " : "", nearest ? nearest : "",
             nearest ? "?" : "");
}

void request_refer(struct compiler *compiler, struct request *request, const struct node *place,
                   struct expression *expression)
{
    struct reference *reference = arena_alloc(compiler->arena, sizeof *reference);
    *reference = (struct reference){expression, request, place, NULL};
    if (!compiler->first)
        compiler->tail = &compiler->first;
    *compiler->tail = reference;
    compiler->tail = &reference->next;
    check_path_name(compiler, place, expression);
    if (request)
        (void)request_late(compiler, request);
}

bool request_fill(struct compiler *compiler, struct request *request, const struct node *place,
                  const char *data, size_t len, enum fill_form form, bool lenient,
                  struct fill **ret_fill)
{
    struct expression_scope scope = request_scope(compiler, request);
    scope.lenient = lenient;
    size_t offset;
    const char *wrong = fill_compile(compiler->arena, data, len, form, &scope, ret_fill, &offset);
    if (wrong) {
        fault_at(compiler->faults, place, "at byte %zu: %s", offset, wrong);
        return false;
    }
    if (!*ret_fill)
        return true;
    (void)request_late(compiler, request);
    for (struct fill_piece *piece = (*ret_fill)->first; piece; piece = piece->next) {
        if (piece->expression)
            request_refer(compiler, request, place, piece->expression);
    }
    return true;
}

/* A request that is made once per item of a list: what its `foreach` says. */
#include <string.h>

#include "core/options_read.h"
#include "core/request_compile.h"

static bool is_item_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-0123456789";
    return strspn(name, letters) == strlen(name) && strcmp(name, "responses") != 0 &&
           strcmp(name, "request") != 0;
}

static void compile_from(struct compiler *compiler, struct request *request,
                         struct foreach *foreach)
{
    const struct expression_scope scope = {.responses = true, .client = !compiler->document};
    const struct node *place = node_get(request->foreach_node, "from");
    const char *text = foreach->from_text;
    size_t offset;
    if (text[0] != '$') {
        fault_at(compiler->faults, place,
                 "an expression without braces, such as $responses.ID.body#/items");
        return;
    }
    struct expression *from = arena_alloc(compiler->arena, sizeof *from);
    const char *wrong =
        expression_parse(compiler->arena, text, strlen(text), &scope, from, &offset);
    if (wrong)
        fault_at(compiler->faults, place, "at byte %zu: %s", offset, wrong);
    else if (from->source != EXPRESSION_BODY && from->source != EXPRESSION_CLIENT_BODY)
        fault_at(compiler->faults, place, "only a body can hold a list");
    else
        foreach
            ->from = from;
    if (!wrong)
        request_refer(compiler, request, place, from);
}

/* `group` is for the whole list, the rest for each item. */
static void split_shape(struct compiler *compiler, struct request *request, struct foreach *foreach)
{
    const struct shape *shape = request->shape;
    if (!shape)
        return;
    struct shape *list = arena_alloc(compiler->arena, sizeof *list);
    struct shape *item = arena_alloc(compiler->arena, sizeof *item);
    *item = *shape;
    *list = (struct shape){.group = shape->group, .group_len = shape->group_len};
    item->group = NULL;
    item->group_len = 0;
    foreach
        ->shape = item->select || item->root ? item : NULL;
    request->shape = list->group ? list : NULL;
}

void request_compile_foreach(struct compiler *compiler, struct request *request)
{
    const struct node *node = request->foreach_node;
    if (!node)
        return;
    if (node->kind != NODE_MAP) {
        fault_at(compiler->faults, node, "foreach is a map with \"from\", not %s",
                 node_kind_text(node->kind));
        return;
    }
    struct foreach *foreach = arena_alloc(compiler->arena, sizeof *foreach);
    size_t before = compiler->faults->count;
    options_read(SECTION_FOREACH, node, compiler->document, foreach, compiler->arena,
                 compiler->faults);
    if (foreach->as && !is_item_name(foreach->as))
        fault_at(compiler->faults, node_get(node, "as"),
                 "a name has letters, digits, _ and -, and is not request or responses");
    if (compiler->faults->count > before)
        return;
    request->foreach = foreach;
    (void)request_late(compiler, request);
    split_shape(compiler, request, foreach);
    compile_from(compiler, request, foreach);
}

/*
 * A batch as a whole: what its requests share, and what is true of them only
 * together. Client documents and endpoints take the same way through here.
 */
#include <stdint.h>
#include <string.h>

#include "core/dedupe.h"
#include "core/join.h"
#include "core/options_read.h"
#include "core/pass_headers.h"
#include "core/policy.h"
#include "core/request_compile.h"

/* ---- The shared query ---- */

/* A value with expressions becomes a piece of a URL template: they stay, the rest is encoded. */
static void add_query_template(struct compiler *compiler, const struct node *node,
                               struct buffer *out)
{
    const struct expression_scope scope = request_scope(compiler, NULL);
    struct fill *fill;
    size_t offset;
    const char *wrong = fill_compile(compiler->arena, node->text, node->text_len, FILL_TEXT, &scope,
                                     &fill, &offset);
    if (wrong) {
        fault_at(compiler->faults, node, "at byte %zu: %s", offset, wrong);
        return;
    }
    for (const struct fill_piece *piece = fill->first; piece; piece = piece->next) {
        if (piece->expression)
            buffer_printf(out, "{%s}", piece->expression->text);
        else
            template_encode(piece->text, piece->len, out);
    }
}

static void add_query_member(struct compiler *compiler, const struct node *node, struct buffer *out)
{
    if (node->kind != NODE_STRING && node->kind != NODE_NUMBER && node->kind != NODE_BOOL) {
        fault_at(compiler->faults, node,
                 "a query member is a string, a number, true or false, not %s",
                 node_kind_text(node->kind));
        return;
    }
    if (out->len > 0)
        buffer_byte(out, '&');
    template_encode(node->key, strlen(node->key), out);
    buffer_byte(out, '=');
    if (!compiler->document && strstr(node->text, "{$"))
        add_query_template(compiler, node, out);
    else
        template_encode(node->text, node->text_len, out);
}

static void compile_query(struct compiler *compiler)
{
    const struct node *map = compiler->batch->query_node;
    if (!map)
        return;
    if (map->kind != NODE_MAP) {
        fault_at(compiler->faults, map, "query is a map of names and values, not %s",
                 node_kind_text(map->kind));
        return;
    }
    struct buffer query scope_buffer;
    buffer_init(&query, SIZE_MAX);
    for (const struct node *node = map->first; node; node = node->next)
        add_query_member(compiler, node, &query);
    if (query.len == 0)
        return;
    const char *text = arena_copy(compiler->arena, query.data, query.len);
    size_t offset;
    if (!memchr(text, '{', query.len))
        compiler->batch->query = text;
    else if (template_compile(compiler->arena, text, &compiler->batch->query_template, &offset))
        assert(false && "its expressions were parsed before");
}

/* ---- The requests together ---- */

static void check_unique(struct compiler *compiler, size_t index)
{
    const struct request *requests = batch_requests(compiler->batch);
    const struct request *request = &requests[index];
    for (size_t i = 0; request->id && i < index; i++) {
        if (!requests[i].id || strcmp(requests[i].id, request->id) != 0)
            continue;
        fault_at(compiler->faults, request_member(request, "id"), "the id \"%s\" is used twice",
                 request->id);
        return;
    }
}

static bool check_count(struct compiler *compiler, const struct node *list)
{
    const struct batch *batch = compiler->batch;
    uint64_t most = compiler->config->limits.requests;
    if (batch->list.count > most) {
        compiler->faults->limit = TALLY_REQUESTS;
        fault_at(compiler->faults, list, "%zu requests are more than limits.requests (%llu)",
                 batch->list.count, (unsigned long long)most);
        return false;
    }
    if (batch->merge == MERGE_RAW && batch->list.count != 1)
        fault_at(compiler->faults, list, "merge: raw needs exactly one request");
    return true;
}

static void compile(struct compiler *compiler)
{
    struct batch *batch = compiler->batch;
    struct request *requests = batch_requests(batch);
    policy_read(batch, compiler->faults);
    if (batch->list.count == 0 || !check_count(compiler, requests[0].node->parent))
        return;
    compile_query(compiler);
    request_read_shared_headers(compiler);
    if (batch->join_node)
        join_compile(batch, compiler->document, compiler->arena, compiler->faults);
    for (size_t i = 0; i < batch->list.count; i++) {
        requests[i].index = i;
        request_compile(compiler, &requests[i]);
        check_unique(compiler, i);
    }
    request_link_all(compiler);
    batch->may_repeat = dedupe_possible(batch, compiler->arena);
    pass_headers_read(batch, compiler->arena, compiler->faults);
}

void batch_read_document(const struct config *config, const struct node *document,
                         struct arena *arena, struct batch *ret_batch, struct faults *faults)
{
    struct batch batch = {0};
    struct compiler compiler = {
        .config = config, .batch = &batch, .arena = arena, .faults = faults, .document = true};
    if (document->kind != NODE_MAP) {
        fault_at(faults, document, "a batch is an object with a member \"requests\", not %s",
                 node_kind_text(document->kind));
    } else {
        options_read(SECTION_BATCH, document, true, &batch, arena, faults);
        compile(&compiler);
    }
    *ret_batch = batch;
}

void batch_compile(const struct config *config, struct batch *batch, const struct forward *forward,
                   const struct strings *variables, struct arena *arena, struct faults *faults)
{
    struct compiler compiler = {.config = config,
                                .batch = batch,
                                .arena = arena,
                                .faults = faults,
                                .forward = forward,
                                .variables = variables};
    compile(&compiler);
}

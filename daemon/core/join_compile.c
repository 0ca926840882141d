/* Two ids that must be there, a pointer, two paths and a name. */
#include <string.h>

#include "core/join.h"
#include "core/options_read.h"

static bool find_request(struct batch *batch, const char *id, size_t *ret_index)
{
    for (size_t i = 0; i < batch->list.count; i++) {
        if (batch_requests(batch)[i].id && strcmp(batch_requests(batch)[i].id, id) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static void find_part(struct batch *batch, const struct join *join, const char *member,
                      const char *id, size_t *ret_index, struct faults *faults)
{
    if (id && !find_request(batch, id, ret_index))
        fault_at(faults, node_get(join->node, member), "no request has the id \"%s\"", id);
}

static void read_pointer(struct join *join, struct arena *arena, struct faults *faults)
{
    size_t offset;
    const char *wrong = pointer_parse(arena, join->at_text, strlen(join->at_text), POINTER_STRING,
                                      &join->at, &offset);
    if (wrong)
        fault_at(faults, node_get(join->node, "at"), "at byte %zu: %s", offset, wrong);
}

static void compile_one(struct batch *batch, struct join *join, struct arena *arena,
                        struct faults *faults)
{
    find_part(batch, join, "into", join->into_id, &join->into, faults);
    find_part(batch, join, "from", join->from_id, &join->from, faults);
    if (join->into_id && join->from_id && strcmp(join->into_id, join->from_id) == 0)
        fault_at(faults, node_get(join->node, "from"), "a request cannot be joined to itself");
    if (join->at_text)
        read_pointer(join, arena, faults);
    if (join->key_text)
        shape_read_names(node_get(join->node, "key"), arena, faults, &join->key);
    if (join->by_text)
        shape_read_names(node_get(join->node, "by"), arena, faults, &join->by);
    else
        join->by = join->key;
    if (join->as_text)
        shape_read_name(node_get(join->node, "as"), arena, faults, &join->as, &join->as_len,
                        &join->as_key, &join->as_key_len);
}

/* One that is only looked up in is not part of the reply. */
static void hide_sources(struct batch *batch)
{
    for (size_t i = 0; i < batch->join_count; i++)
        batch_requests(batch)[batch->joins[i].from].hidden = true;
    for (size_t i = 0; i < batch->join_count; i++) {
        if (batch->joins[i].keep)
            batch_requests(batch)[batch->joins[i].from].hidden = false;
    }
}

void join_compile(struct batch *batch, bool document, struct arena *arena, struct faults *faults)
{
    const struct node *node = batch->join_node;
    bool list = node->kind == NODE_LIST;
    size_t count = list ? node->count : 1;
    size_t before = faults->count;
    if (batch->merge == MERGE_RAW)
        fault_at(faults, node, "merge: raw has nothing to join");
    if (count == 0 || count > JOINS_MAX) {
        fault_at(faults, node, count == 0 ? "must not be empty" : "more than %d joins", JOINS_MAX);
        return;
    }
    struct join *joins = arena_array(arena, count, sizeof *joins);
    const struct node *one = list ? node->first : node;
    for (size_t i = 0; i < count; i++, one = one->next) {
        options_read(SECTION_JOIN, one, document, &joins[i], arena, faults);
        if (faults->count == before)
            compile_one(batch, &joins[i], arena, faults);
    }
    if (faults->count > before)
        return;
    batch->joins = joins;
    batch->join_count = count;
    hide_sources(batch);
}

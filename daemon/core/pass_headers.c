/*
 * Names are judged when the batch is read, so that here they are only looked up. Joining
 * is for fields whose definition says that they are lists (RFC 9110 5.3): a comma in any
 * other may mean anything.
 */
#include "core/pass_headers.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/reply_fields.h"

enum { JOINED_MAX = 64 * 1024 };

/* What the reply says of itself; a part's word for it would be wrong. */
static const char *const replys_own[] = {
    "Age",           "Cache-Control", "Content-Digest", "Content-Encoding", "Content-MD5",
    "Content-Range", "Content-Type",  "Digest",         "Expires",          "Pragma",
    "Proxy-Status",  "Repr-Digest",   "Retry-After",    "Server-Timing",    "Vary",
};

static const char *const lists[] = {
    "Accept-Patch", "Accept-Post",      "Accept-Ranges", "Allow",
    "Cache-Status", "Content-Language", "Link",          "Preference-Applied",
};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* ---- Reading ---- */

static bool is_taken(const struct pass_headers *pass, const struct request *request,
                     const char *name)
{
    for (size_t i = 0; i < pass->count; i++)
        if (pass->items[i].part == request->index && strcasecmp(pass->items[i].name, name) == 0)
            return true;
    return false;
}

static void read_name(struct batch *batch, const struct request *request, const struct node *node,
                      struct faults *faults)
{
    struct pass_headers *pass = &batch->pass;
    if (node->kind != NODE_STRING)
        fault_at(faults, node, "a field's name is a string, not %s", node_kind_text(node->kind));
    else if (strlen(node->text) != node->text_len || !header_name_valid(node->text))
        fault_at(faults, node, "this is not a field name");
    else if (!reply_name_passed(node->text) ||
             is_one_of(node->text, replys_own, sizeof replys_own / sizeof *replys_own))
        fault_at(faults, node, "%s is never passed on into a merged reply", node->text);
    else if (is_taken(pass, request, node->text))
        fault_at(faults, node, "%s is given twice", node->text);
    else
        pass->items[pass->count++] = (struct pass_header){request->index, node->text};
}

static size_t count_names(const struct node *map)
{
    size_t count = 0;
    for (const struct node *child = map->first; child; child = child->next)
        count += child->kind == NODE_LIST ? child->count : 1;
    return count;
}

static bool is_known(const struct batch *batch, const char *id)
{
    const struct request *requests = batch_requests(batch);
    for (size_t i = 0; i < batch->list.count; i++)
        if (requests[i].id && strcmp(requests[i].id, id) == 0)
            return true;
    return false;
}

static bool check_map(const struct batch *batch, const struct node *map, struct faults *faults)
{
    if (map->kind != NODE_MAP)
        fault_at(faults, map, "passHeaders is a map of ids and field names, not %s",
                 node_kind_text(map->kind));
    else if (batch->merge == MERGE_RAW)
        fault_at(faults, map, "merge: raw passes its fields on without this");
    else if (count_names(map) > PASS_HEADERS_MAX)
        fault_at(faults, map, "at most %d fields are passed on, not %zu", PASS_HEADERS_MAX,
                 count_names(map));
    else
        return true;
    return false;
}

void pass_headers_read(struct batch *batch, struct arena *arena, struct faults *faults)
{
    const struct node *map = batch->pass_node;
    batch->pass = (struct pass_headers){0};
    if (!map || !check_map(batch, map, faults))
        return;
    for (const struct node *child = map->first; child; child = child->next)
        if (!is_known(batch, child->key))
            fault_at_key(faults, child, "there is no request \"%.64s\"", child->key);
    batch->pass.items = arena_array(arena, count_names(map), sizeof *batch->pass.items);
    const struct request *requests = batch_requests(batch);
    for (size_t i = 0; i < batch->list.count; i++) {
        const struct node *names = requests[i].id ? node_get(map, requests[i].id) : NULL;
        const struct node *name = names && names->kind == NODE_LIST ? names->first : names;
        for (; name; name = name == names ? NULL : name->next)
            read_name(batch, &requests[i], name, faults);
    }
}

/* ---- Adding ---- */

static struct header *find(const struct header_list *headers, const char *name)
{
    for (size_t i = 0; i < headers->count; i++)
        if (strcasecmp(headers->items[i].name, name) == 0)
            return &headers->items[i];
    return NULL;
}

static void add_line(struct arena *arena, struct header_list *headers, const char *name,
                     const struct reply_field *field)
{
    struct header *before = find(headers, name);
    if (field->value_len == 0 || !header_value_valid(field->value, field->value_len))
        return;
    if (!before)
        header_add(arena, headers, arena_string(arena, name),
                   arena_copy(arena, field->value, field->value_len));
    else if (is_one_of(name, lists, sizeof lists / sizeof *lists) &&
             strlen(before->value) + field->value_len < JOINED_MAX)
        before->value =
            arena_printf(arena, "%s, %.*s", before->value, (int)field->value_len, field->value);
}

static void add_fields(struct arena *arena, struct header_list *headers, const char *name,
                       const struct reply_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct reply_field *field = &fields->items[i];
        if (field->name_len == strlen(name) && strncasecmp(field->name, name, field->name_len) == 0)
            add_line(arena, headers, name, field);
    }
}

void pass_headers_add(struct arena *arena, struct header_list *headers, const struct job *job)
{
    const struct pass_headers *pass = &job->batch->pass;
    struct reply_fields fields = {0};
    const struct part *read = NULL;
    for (size_t i = 0; i < pass->count; i++) {
        const struct part *part = &job->parts[pass->items[i].part];
        if (part->state != PART_OK)
            continue;
        if (part != read)
            fields = reply_fields_read(&part->outcome, arena);
        read = part;
        add_fields(arena, headers, pass->items[i].name, &fields);
    }
}

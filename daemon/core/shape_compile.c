/*
 * Paths become one tree, so that a walk asks of every member only once what all lists
 * say about it. While it grows, the steps below a node are kept sorted: a request has
 * a few hundred of them at most, and a reply may have a million members.
 */
#include "core/shape.h"

#include <stdint.h>
#include <string.h>

#include "json/write.h"

#define TOO_MANY_NAMES "a path has at most 32 names"
_Static_assert(SHAPE_SEGMENTS_MAX == 32, "as TOO_MANY_NAMES says");

struct reader {
    struct arena *arena;
    struct faults *faults;
    struct shape *shape;
    struct shape_node *root;
};

/* ---- Texts ---- */

struct segment {
    char name[SHAPE_TEXT_MAX];
    size_t len;
    bool star; /* `*` without a backslash, and nothing else */
};

/* One segment of a path from *at to a dot or the end. NULL, or what is wrong there. */
static const char *read_segment(const char **at, const char *end, struct segment *ret_segment)
{
    struct segment *segment = ret_segment;
    size_t stars = 0;
    segment->len = 0;
    for (; *at < end && **at != '.'; (*at)++) {
        if (**at == '\\' && (end - *at < 2 || !strchr(".*\\", (*at)[1])))
            return "a backslash comes before a dot, a star or a backslash";
        stars += **at == '*';
        if (**at == '\\')
            (*at)++;
        segment->name[segment->len++] = **at;
    }
    if (segment->len == 0)
        return "a name is empty";
    if (stars > 0 && segment->len > 1)
        return "a `*` stands alone, for any item of an array; a star in a name is `\\*`";
    segment->star = stars > 0;
    return NULL;
}

static bool check_length(struct reader *reader, const struct node *node)
{
    if (node->text_len > 0 && node->text_len <= SHAPE_TEXT_MAX)
        return true;
    fault_at(reader->faults, node,
             node->text_len == 0 ? "must not be empty" : "is longer than %d bytes", SHAPE_TEXT_MAX);
    return false;
}

/* A name alone, as `group` and the new names of `rename` have it. */
static bool read_name(struct reader *reader, const struct node *node, struct segment *ret_name)
{
    const char *at = node->text;
    const char *end = at + node->text_len;
    if (!check_length(reader, node))
        return false;
    const char *wrong = read_segment(&at, end, ret_name);
    if (!wrong && at < end)
        wrong = "this is a name, not a path; a dot in a name is `\\.`";
    if (!wrong && ret_name->star)
        wrong = "this is a name; a star in it is `\\*`";
    if (wrong)
        fault_at(reader->faults, node, "%s", wrong);
    return !wrong;
}

/* ---- The tree ---- */

static struct shape_node *add_member(struct reader *reader, struct shape_node *node,
                                     const struct segment *segment)
{
    size_t at;
    if (shape_find(node, segment->name, segment->len, &at))
        return node->members[at];
    size_t count = node->member_count;
    struct shape_node *member = arena_alloc(reader->arena, sizeof *member);
    member->name = arena_copy(reader->arena, segment->name, segment->len);
    member->len = segment->len;
    if ((count & (count - 1)) == 0) { /* a power of two, or none: full */
        struct shape_node **more = arena_array(reader->arena, count ? 2 * count : 1, sizeof *more);
        if (count > 0)
            memcpy(more, node->members, count * sizeof *more);
        node->members = more;
    }
    memmove(&node->members[at + 1], &node->members[at], (count - at) * sizeof *node->members);
    node->members[at] = member;
    node->filter |= shape_filter(segment->name, segment->len);
    node->member_count++;
    return member;
}

static struct shape_node *add_step(struct reader *reader, struct shape_node *node,
                                   const struct segment *segment, enum shape_list list)
{
    node->below = true;
    if (list == SHAPE_ALLOW && segment->star)
        node->allow_items = true;
    else if (list == SHAPE_ALLOW)
        node->allow_members = true;
    if (node == reader->root) {
        bool *first =
            segment->star ? &reader->shape->lists[list].array : &reader->shape->lists[list].object;
        *first = true;
    }
    if (!segment->star)
        return add_member(reader, node, segment);
    if (!node->items)
        node->items = arena_alloc(reader->arena, sizeof *node->items);
    return node->items;
}

/* The node where a path ends, or NULL after a fault at `place` (its key when it is one).
 * *ret_parent is the one before it. */
static struct shape_node *add_path(struct reader *reader, const char *text, size_t len,
                                   enum shape_list list, const char **ret_wrong,
                                   struct shape_node **ret_parent)
{
    struct shape_node *node = reader->root;
    struct segment segment;
    const char *end = text + len;
    size_t segments = 0;
    *ret_wrong = NULL;
    for (const char *at = text;; at++) {
        *ret_wrong =
            ++segments > SHAPE_SEGMENTS_MAX ? TOO_MANY_NAMES : read_segment(&at, end, &segment);
        if (*ret_wrong)
            return NULL;
        *ret_parent = node;
        node = add_step(reader, node, &segment, list);
        if (at == end)
            return node;
    }
}

/* ---- allow and deny ---- */

static void read_path(struct reader *reader, const struct node *node, enum shape_list list)
{
    const char *wrong;
    struct shape_node *parent;
    if (node->kind != NODE_STRING) {
        fault_at(reader->faults, node, "must be a string, not %s", node_kind_text(node->kind));
        return;
    }
    if (!check_length(reader, node))
        return;
    struct shape_node *end = add_path(reader, node->text, node->text_len, list, &wrong, &parent);
    if (!end)
        fault_at(reader->faults, node, "%s", wrong);
    else if (list == SHAPE_ALLOW)
        end->allow = true;
    else
        end->deny = true;
}

static void read_paths(struct reader *reader, const struct node *node, enum shape_list list)
{
    if (!node)
        return;
    reader->shape->lists[list].given = true;
    if (node->kind != NODE_LIST) {
        read_path(reader, node, list);
        return;
    }
    if (node->count == 0)
        fault_at(reader->faults, node, "name at least one path");
    if (node->count > SHAPE_PATHS_MAX)
        fault_at(reader->faults, node, "%zu paths are more than %d", node->count, SHAPE_PATHS_MAX);
    else
        for (const struct node *path = node->first; path; path = path->next)
            read_path(reader, path, list);
}

/* ---- rename ---- */

static const struct shape_node *same_new_name(const struct shape_node *parent,
                                              const struct segment *name)
{
    for (size_t i = 0; i < parent->rename_count; i++) {
        const struct shape_node *other = parent->renames[i];
        if (other->new_len == name->len && memcmp(other->new_name, name->name, name->len) == 0)
            return other;
    }
    return NULL;
}

static void set_new_name(struct reader *reader, struct shape_node *parent, struct shape_node *node,
                         const struct segment *name)
{
    struct buffer key scope_buffer;
    buffer_init(&key, SIZE_MAX);
    json_put_string(&key, name->name, name->len);
    node->new_name = arena_copy(reader->arena, name->name, name->len);
    node->new_len = name->len;
    node->new_key = arena_copy(reader->arena, key.data, key.len);
    node->new_key_len = key.len;
    if (!parent->renames)
        parent->renames =
            arena_array(reader->arena, SHAPE_RENAMES_MAX, sizeof(struct shape_node *));
    parent->renames[parent->rename_count++] = node;
}

static void read_rename(struct reader *reader, const struct node *node)
{
    struct segment name;
    struct shape_node *parent = NULL;
    const char *wrong;
    if (node->kind != NODE_STRING) {
        fault_at(reader->faults, node, "must be a string, not %s", node_kind_text(node->kind));
        return;
    }
    if (!read_name(reader, node, &name))
        return;
    size_t len = strlen(node->key);
    struct shape_node *end = NULL;
    if (len == 0 || len > SHAPE_TEXT_MAX)
        wrong = len == 0 ? "a path must not be empty" : "the path is longer than 512 bytes";
    else
        end = add_path(reader, node->key, len, SHAPE_RENAME, &wrong, &parent);
    _Static_assert(SHAPE_TEXT_MAX == 512, "as the sentence says");
    if (end && !end->name)
        wrong = "an item of an array has no name";
    else if (end && end->new_name)
        wrong = "this path is given twice"; /* "a" and "\u0061", or two spellings */
    else if (end && same_new_name(parent, &name))
        wrong = "two members of one object would get this name";
    if (wrong)
        fault_at_key(reader->faults, node, "%s", wrong);
    else
        set_new_name(reader, parent, end, &name);
}

static void read_renames(struct reader *reader, const struct node *node)
{
    if (!node)
        return;
    reader->shape->lists[SHAPE_RENAME].given = true;
    if (node->kind != NODE_MAP) {
        fault_at(reader->faults, node, "rename is a map of paths and new names, not %s",
                 node_kind_text(node->kind));
        return;
    }
    if (node->count == 0)
        fault_at(reader->faults, node, "name at least one path");
    if (node->count > SHAPE_RENAMES_MAX) {
        fault_at(reader->faults, node, "%zu paths are more than %d", node->count,
                 SHAPE_RENAMES_MAX);
        return;
    }
    for (const struct node *path = node->first; path; path = path->next)
        read_rename(reader, path);
}

/* ---- select and group ---- */

static void read_select(struct reader *reader, const struct node *node)
{
    size_t offset;
    if (!node || node->kind != NODE_STRING || node->text_len > SHAPE_TEXT_MAX)
        return; /* a fault of the option table's */
    struct pointer *pointer = arena_alloc(reader->arena, sizeof *pointer);
    const char *wrong =
        pointer_parse(reader->arena, node->text, node->text_len, POINTER_STRING, pointer, &offset);
    if (wrong)
        fault_at(reader->faults, node, "not a JSON Pointer at byte %zu: %s", offset, wrong);
    else
        reader->shape->select = pointer;
}

static void read_group(struct reader *reader, const struct node *node)
{
    struct segment name;
    struct buffer text scope_buffer;
    buffer_init(&text, SIZE_MAX);
    if (!node || node->kind != NODE_STRING || node->text_len == 0 ||
        node->text_len > SHAPE_TEXT_MAX)
        return; /* a fault of the option table's */
    if (!read_name(reader, node, &name))
        return;
    buffer_byte(&text, '{');
    json_put_string(&text, name.name, name.len);
    buffer_byte(&text, ':');
    reader->shape->group = arena_copy(reader->arena, text.data, text.len);
    reader->shape->group_len = text.len;
}

const struct shape *shape_compile(const struct node *request, struct arena *arena,
                                  struct faults *faults)
{
    const struct node *select = node_get(request, "select");
    const struct node *allow = node_get(request, "allow");
    const struct node *deny = node_get(request, "deny");
    const struct node *rename = node_get(request, "rename");
    const struct node *group = node_get(request, "group");
    if (!select && !allow && !deny && !rename && !group)
        return NULL;
    struct shape *shape = arena_alloc(arena, sizeof *shape);
    struct reader reader = {arena, faults, shape, arena_alloc(arena, sizeof *reader.root)};
    read_select(&reader, select);
    read_paths(&reader, allow, SHAPE_ALLOW);
    read_paths(&reader, deny, SHAPE_DENY);
    read_renames(&reader, rename);
    read_group(&reader, group);
    if (reader.root->below)
        shape->root = reader.root;
    shape->allows = shape->lists[SHAPE_ALLOW].given;
    return shape;
}

/* ---- For others ---- */

void shape_read_names(const struct node *node, struct arena *arena, struct faults *faults,
                      struct pointer *ret_names)
{
    struct reader reader = {.arena = arena, .faults = faults};
    struct segment segment;
    const char *wrong = NULL;
    if (!check_length(&reader, node))
        return;
    const char *end = node->text + node->text_len;
    struct pointer_token *tokens = arena_array(arena, SHAPE_SEGMENTS_MAX, sizeof *tokens);
    size_t count = 0;
    for (const char *at = node->text; !wrong; at++) {
        wrong = count == SHAPE_SEGMENTS_MAX ? TOO_MANY_NAMES : read_segment(&at, end, &segment);
        if (!wrong && segment.star)
            wrong = "there is no `*` in this path; a star in a name is `\\*`";
        if (wrong)
            break;
        const char *name = arena_copy(arena, segment.name, segment.len);
        tokens[count++] = (struct pointer_token){name, segment.len, SIZE_MAX};
        if (at == end)
            break;
    }
    if (wrong)
        fault_at(faults, node, "%s", wrong);
    *ret_names = (struct pointer){tokens, count};
}

void shape_read_name(const struct node *node, struct arena *arena, struct faults *faults,
                     const char **ret_name, size_t *ret_len, const char **ret_key,
                     size_t *ret_key_len)
{
    struct reader reader = {.arena = arena, .faults = faults};
    struct segment name;
    struct buffer key scope_buffer;
    buffer_init(&key, SIZE_MAX);
    if (!read_name(&reader, node, &name))
        return;
    json_put_string(&key, name.name, name.len);
    *ret_name = arena_copy(arena, name.name, name.len);
    *ret_len = name.len;
    *ret_key = arena_copy(arena, key.data, key.len);
    *ret_key_len = key.len;
}

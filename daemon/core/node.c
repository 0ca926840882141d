/*
 * The tree is a plain linked one: children in order, each knowing its parent.
 * Writing and naming places recurse; whoever builds a tree bounds its depth
 * (YAML_DEPTH_MAX, document_limits.depth), so the stack is bounded too.
 */
#include "core/node.h"

#include <stdint.h>
#include <string.h>

#include "json/write.h"

struct node *node_add(struct arena *arena, struct node *parent, enum node_kind kind)
{
    struct node *node = arena_alloc(arena, sizeof(*node));
    node->kind = kind;
    if (parent)
        node_append(parent, node);
    return node;
}

void node_append(struct node *parent, struct node *child)
{
    child->parent = parent;
    child->next = NULL;
    child->position = parent->count++;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

const struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (const struct node *child = map->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

const char *node_kind_text(enum node_kind kind)
{
    static const char *const texts[] = {
        [NODE_NULL] = "null",       [NODE_BOOL] = "true or false", [NODE_NUMBER] = "a number",
        [NODE_STRING] = "a string", [NODE_LIST] = "a list",        [NODE_MAP] = "a map",
    };
    return texts[kind];
}

/* RFC 6901: '~' and '/' inside a key are written ~0 and ~1. */
static void write_pointer_key(const char *key, struct buffer *out)
{
    for (; *key; key++) {
        if (*key == '~')
            buffer_string(out, "~0");
        else if (*key == '/')
            buffer_string(out, "~1");
        else
            buffer_byte(out, *key);
    }
}

static void write_pointer(const struct node *node, struct buffer *out)
{
    if (!node->parent)
        return;
    write_pointer(node->parent, out);
    buffer_byte(out, '/');
    if (node->parent->kind == NODE_MAP)
        write_pointer_key(node->key, out);
    else
        buffer_printf(out, "%zu", node->position);
}

char *node_place(struct arena *arena, const struct node *node, int of_key)
{
    if (node->file && of_key && node->key_line > 0)
        return arena_printf(arena, "%s:%u:%u", node->file, node->key_line, node->key_column);
    if (node->file)
        return arena_printf(arena, "%s:%u:%u", node->file, node->line, node->column);
    struct buffer pointer scope_buffer;
    buffer_init(&pointer, SIZE_MAX);
    write_pointer(node, &pointer);
    return arena_copy(arena, pointer.len > 0 ? pointer.data : "", pointer.len);
}

static void write_children(const struct node *node, struct buffer *out)
{
    for (const struct node *child = node->first; child; child = child->next) {
        if (child != node->first)
            buffer_byte(out, ',');
        if (node->kind == NODE_MAP) {
            json_put_text(out, child->key);
            buffer_byte(out, ':');
        }
        node_write_json(child, out);
    }
}

void node_write_json(const struct node *node, struct buffer *out)
{
    if (node->raw) {
        buffer_append(out, node->raw, node->raw_len);
        return;
    }
    switch (node->kind) {
    case NODE_NULL:
        buffer_string(out, "null");
        break;
    case NODE_BOOL:
    case NODE_NUMBER:
        buffer_append(out, node->text, node->text_len);
        break;
    case NODE_STRING:
        json_put_string(out, node->text, node->text_len);
        break;
    case NODE_LIST:
        buffer_byte(out, '[');
        write_children(node, out);
        buffer_byte(out, ']');
        break;
    case NODE_MAP:
        buffer_byte(out, '{');
        write_children(node, out);
        buffer_byte(out, '}');
        break;
    }
}

/*
 * jansson reads and checks, then its tree is copied into the arena and dropped:
 * from here on a document looks like any other tree.
 */
#include "core/jansson_tree.h"

#include <jansson.h>

static enum node_kind kind_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return NODE_MAP;
    case JSON_ARRAY:
        return NODE_LIST;
    case JSON_STRING:
        return NODE_STRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return NODE_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return NODE_BOOL;
    case JSON_NULL:
        break;
    }
    return NODE_NULL;
}

/* Recurses as deep as the document. */
static struct node *copy_value(struct arena *arena, struct node *parent, json_t *value)
{
    struct node *node = node_add(arena, parent, kind_of(value));
    const char *key;
    json_t *member;
    if (node->kind == NODE_MAP) {
        json_object_foreach(value, key, member)
        {
            copy_value(arena, node, member)->key = arena_string(arena, key);
        }
    } else if (node->kind == NODE_LIST) {
        for (size_t i = 0; i < json_array_size(value); i++)
            copy_value(arena, node, json_array_get(value, i));
    } else if (node->kind == NODE_STRING) {
        node->text_len = json_string_length(value);
        node->text = arena_copy(arena, json_string_value(value), node->text_len);
    } else if (node->kind == NODE_BOOL) {
        node->text = json_is_true(value) ? "true" : "false";
        node->text_len = json_is_true(value) ? 4 : 5;
    }
    return node;
}

/* The text is valid JSON by our own judgement, so few reasons are left. */
static const char *describe(struct arena *arena, const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return "a member is given twice";
    case json_error_null_byte_in_key:
        return "a member's name contains NUL";
    case json_error_numeric_overflow:
        return "a number is too large";
    case json_error_out_of_memory:
        return "there is no memory for this document";
    case json_error_invalid_syntax:
        return "a string has half a surrogate pair, which is no character";
    default:
        return arena_string(arena, error->text);
    }
}

struct node *jansson_tree(struct arena *arena, const char *data, size_t len,
                          struct jansson_fault *ret_fault)
{
    json_error_t error;
    json_t *value =
        json_loadb(data, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (!value) {
        *ret_fault = (struct jansson_fault){
            .sentence = describe(arena, &error),
            .duplicate = json_error_code(&error) == json_error_duplicate_key,
            .offset = error.position > 0 ? (size_t)error.position : 0,
        };
        return NULL;
    }
    struct node *root = copy_value(arena, NULL, value);
    json_decref(value);
    return root;
}

const char *document_library_version(void)
{
    return jansson_version_str();
}

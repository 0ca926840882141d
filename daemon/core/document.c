/*
 * Three passes over a client's bytes. json/validate bounds depth and syntax. A
 * private copy, in which lifted values are overwritten with `null` and spaces
 * so that every position stays true, goes to jansson. Then jansson's tree and
 * the original bytes are walked side by side, and the bytes give back what
 * jansson would change: numbers as they were written, and the lifted values.
 *
 * Invariant of the walk: jansson keeps members in the order of the text and
 * refused duplicates, so the n-th member of both is the same.
 */
#include "core/document.h"

#include <string.h>

#include "base/mem.h"
#include "core/document_place.h"
#include "core/jansson_tree.h"
#include "json/span.h"

/* ---- Lifting ---- */

static bool is_lifted_key(struct json_span key)
{
    return json_key_is(key, "body", strlen("body")) ||
           json_key_is(key, "default", strlen("default"));
}

static void blank(char *copy, const char *data, struct json_span value)
{
    static const char null[] = "null";
    size_t null_len = sizeof null - 1;
    if (value.len < null_len)
        return; /* nothing this short is beyond jansson */
    char *at = copy + (value.data - data);
    memcpy(at, null, null_len);
    memset(at + null_len, ' ', value.len - null_len);
}

static void blank_request(char *copy, const char *data, struct json_span request)
{
    struct json_item member;
    struct json_cursor members = json_open(request);
    while (json_next(&members, &member)) {
        if (is_lifted_key(member.key))
            blank(copy, data, member.value);
    }
}

static void blank_requests(char *copy, const char *data, struct json_span list)
{
    struct json_item request;
    struct json_cursor requests = json_open(list);
    while (json_next(&requests, &request)) {
        if (json_span_type(request.value) == JSON_OBJECT)
            blank_request(copy, data, request.value);
    }
}

static void blank_lifted(char *copy, const char *data, struct json_span document)
{
    struct json_item member;
    if (json_span_type(document) != JSON_OBJECT)
        return;
    struct json_cursor members = json_open(document);
    while (json_next(&members, &member)) {
        if (json_key_is(member.key, "requests", strlen("requests")) &&
            json_span_type(member.value) == JSON_ARRAY)
            blank_requests(copy, data, member.value);
    }
}

/* ---- Giving back ---- */

static bool is_request(const struct node *node)
{
    const struct node *list = node->parent;
    return list && list->kind == NODE_LIST && list->key && strcmp(list->key, "requests") == 0 &&
           !list->parent->parent;
}

static enum node_kind kind_of(struct json_span value)
{
    switch (json_span_type(value)) {
    case JSON_OBJECT:
        return NODE_MAP;
    case JSON_ARRAY:
        return NODE_LIST;
    case JSON_STRING:
        return NODE_STRING;
    case JSON_NUMBER:
        return NODE_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return NODE_BOOL;
    case JSON_NULL:
    case JSON_NONE:
        break;
    }
    return NODE_NULL;
}

static void take_text(struct arena *arena, struct node *node, struct json_span value)
{
    char *text = arena_copy(arena, value.data, value.len);
    node->text_len = value.len;
    if (node->kind == NODE_STRING)
        node->text_len = json_decode(value, text, value.len);
    text[node->text_len] = '\0';
    node->text = text;
}

/* Makes a leaf of whatever jansson saw in its place. */
static void put_back(struct arena *arena, struct node *node, struct json_span value)
{
    node->kind = kind_of(value);
    node->first = node->last = NULL;
    node->count = 0;
    node->raw = value.data;
    node->raw_len = value.len;
    if (node->kind == NODE_STRING || node->kind == NODE_NUMBER || node->kind == NODE_BOOL)
        take_text(arena, node, value);
}

/* Recurses as deep as the document. */
static void restore(struct arena *arena, struct node *node, struct json_span value)
{
    if (node->kind == NODE_NUMBER)
        take_text(arena, node, value);
    if (!node->first)
        return;
    struct json_cursor cursor = json_open(value);
    struct json_item item;
    bool request = is_request(node);
    for (struct node *child = node->first; child; child = child->next) {
        bool there = json_next(&cursor, &item);
        assert(there);
        if (request && is_lifted_key(item.key))
            put_back(arena, child, item.value);
        else
            restore(arena, child, item.value);
    }
}

/* ---- Faults ---- */

/* " (line 3, column 5)" of data[offset], the column in bytes; "" when there is one line only. */
static const char *describe_line(struct arena *arena, const char *data, size_t len, size_t offset)
{
    size_t line = 1;
    size_t begin = 0;
    if (!memchr(data, '\n', len))
        return "";
    for (size_t i = 0; i < offset; i++) {
        if (data[i] == '\n') {
            line++;
            begin = i + 1;
        }
    }
    return arena_printf(arena, " (line %zu, column %zu)", line, offset - begin + 1);
}

static const char *describe_fault(const char *data, size_t len, const struct json_verdict *verdict)
{
    static const char mark[] = "\xEF\xBB\xBF";
    size_t mark_len = sizeof mark - 1;
    if (verdict->offset == 0 && len >= mark_len && memcmp(data, mark, mark_len) == 0)
        return "a byte order mark, which JSON does not have";
    return json_fault_text(verdict->fault);
}

static void fault_invalid(struct faults *faults, const char *data, size_t len,
                          const struct json_verdict *verdict, unsigned depth)
{
    const char *place = document_place(faults->arena, data, verdict->offset, depth);
    if (verdict->fault == JSON_TOO_DEEP) {
        faults->limit = TALLY_DEPTH;
        fault_in(faults, place, "more than %u lists and objects inside each other", depth);
    } else {
        fault_in(faults, place, "not valid JSON at byte %zu%s: %s", verdict->offset,
                 describe_line(faults->arena, data, len, verdict->offset),
                 describe_fault(data, len, verdict));
    }
}

static void fault_refused(struct faults *faults, const char *data, size_t len,
                          const struct jansson_fault *refused, unsigned depth)
{
    size_t offset = refused->offset < len ? refused->offset : len;
    const char *place = document_place(faults->arena, data, offset, depth);
    if (refused->duplicate)
        fault_in(faults, place, "\"%.100s\" is given twice",
                 document_last_key(faults->arena, data, offset, depth));
    else
        fault_in(faults, place, "%s", refused->sentence);
}

struct node *document_parse(struct arena *arena, const char *data, size_t len,
                            const struct document_limits *limits, struct faults *faults)
{
    struct json_verdict verdict = json_validate(data, len, limits->depth);
    if (verdict.fault != JSON_VALID) {
        fault_invalid(faults, data, len, &verdict, limits->depth);
        return NULL;
    }
    struct json_span text = {data + verdict.start, verdict.end - verdict.start};
    scope_free char *copy = mem_copy(data, len);
    blank_lifted(copy, data, text);
    struct json_span outside = {copy + verdict.start, text.len};
    if (json_count_values(outside, limits->values + 1) > limits->values) {
        faults->limit = TALLY_VALUES;
        fault_in(faults, "", "the document has more than %zu values", limits->values);
        return NULL;
    }
    struct jansson_fault refused;
    struct node *root = jansson_tree(arena, copy, len, &refused);
    if (!root) {
        fault_refused(faults, data, len, &refused, limits->depth);
        return NULL;
    }
    restore(arena, root, text);
    return root;
}

/*
 * libyaml's events become nodes on an explicit stack of open containers. What a
 * file may cost is bounded here: depth, nodes (copies of aliases included),
 * anchors, bytes. Faults that leave the shape intact (a duplicate key, a tag)
 * are collected and reading goes on; a syntax error ends it.
 */
#include "core/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/yaml_scalar.h"

enum { ANCHORS_MAX = 1024 };

struct anchor {
    const char *name;
    const struct node *node;
};

struct reader {
    struct arena *arena;
    struct faults *faults;
    const char *file, *data;
    size_t len;
    struct node *root;
    struct node *open[YAML_DEPTH_MAX]; /* containers, outermost first */
    size_t depth, nodes, anchor_count;
    struct anchor anchors[ANCHORS_MAX];
    /* The key that waits for its value, in the innermost map. */
    const char *key;
    unsigned key_line, key_column;
    bool dead; /* a fault after which nothing can be made of the rest */
    bool done; /* the document has ended */
};

static void fault_place(struct reader *reader, unsigned line, unsigned column, const char *text)
{
    const char *place = arena_printf(reader->arena, "%s:%u:%u", reader->file, line, column);
    fault_in(reader->faults, place, "%s", text);
}

static void fault_mark(struct reader *reader, yaml_mark_t mark, const char *text)
{
    fault_place(reader, (unsigned)mark.line + 1, (unsigned)mark.column + 1, text);
}

static void fault_mark_dead(struct reader *reader, yaml_mark_t mark, const char *text)
{
    fault_mark(reader, mark, text);
    reader->dead = true;
}

static bool take_node(struct reader *reader, yaml_mark_t mark)
{
    if (reader->nodes++ < YAML_NODES_MAX)
        return true;
    fault_mark_dead(reader, mark, "the file has too many values (aliases count as often as used)");
    return false;
}

/* Makes a node where the document stands now; the waiting key becomes its own. */
static struct node *place_node(struct reader *reader, enum node_kind kind, yaml_mark_t mark)
{
    struct node *parent = reader->depth > 0 ? reader->open[reader->depth - 1] : NULL;
    struct node *node = node_add(reader->arena, parent, kind);
    node->file = reader->file;
    node->line = (unsigned)mark.line + 1;
    node->column = (unsigned)mark.column + 1;
    node->key = reader->key;
    node->key_line = reader->key_line;
    node->key_column = reader->key_column;
    reader->key = NULL;
    reader->key_line = reader->key_column = 0;
    if (!parent)
        reader->root = node;
    return node;
}

static bool expects_key(const struct reader *reader)
{
    return reader->depth > 0 && reader->open[reader->depth - 1]->kind == NODE_MAP && !reader->key;
}

static void remember_anchor(struct reader *reader, const yaml_char_t *name, yaml_mark_t mark,
                            const struct node *node)
{
    if (!name)
        return;
    if (reader->anchor_count == ANCHORS_MAX) {
        fault_mark_dead(reader, mark, "the file has too many anchors");
        return;
    }
    struct anchor *anchor = &reader->anchors[reader->anchor_count++];
    anchor->name = arena_string(reader->arena, (const char *)name);
    anchor->node = node;
}

/* Only `!!str` of a scalar says something that JSON could. */
static void check_tag(struct reader *reader, const yaml_char_t *tag, yaml_mark_t mark, bool scalar)
{
    if (!tag || (scalar && (strcmp((const char *)tag, YAML_STR_TAG) == 0 ||
                            strcmp((const char *)tag, "!") == 0)))
        return;
    fault_mark(reader, mark, "tags are not supported (a quoted value is a string)");
}

static void take_key(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    bool plain = event->data.scalar.plain_implicit;
    if (plain && yaml_scalar_kind(value, len) != NODE_STRING)
        fault_mark(reader, event->start_mark, "a key must be a string; quote it");
    if (plain && strcmp(value, "<<") == 0)
        fault_mark(reader, event->start_mark, "merge keys (<<) are not supported");
    reader->key = arena_copy(reader->arena, value, len);
    reader->key_line = (unsigned)event->start_mark.line + 1;
    reader->key_column = (unsigned)event->start_mark.column + 1;
}

static void take_value(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    enum node_kind kind = NODE_STRING;
    if (event->data.scalar.plain_implicit)
        kind = yaml_scalar_kind(value, len);
    struct node *node = place_node(reader, kind, event->start_mark);
    if (kind == NODE_BOOL) {
        value = value[0] == 't' || value[0] == 'T' ? "true" : "false";
        len = strlen(value);
    }
    node->text = arena_copy(reader->arena, value, len);
    node->text_len = len;
    remember_anchor(reader, event->data.scalar.anchor, event->start_mark, node);
}

static void on_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    check_tag(reader, event->data.scalar.tag, event->start_mark, true);
    if (memchr(value, '\0', event->data.scalar.length))
        fault_mark(reader, event->start_mark, "a string may not contain a NUL character");
    if (!take_node(reader, event->start_mark))
        return;
    if (!expects_key(reader))
        take_value(reader, event);
    else if (event->data.scalar.anchor)
        fault_mark_dead(reader, event->start_mark, "a key cannot have an anchor");
    else
        take_key(reader, event);
}

static void on_open(struct reader *reader, enum node_kind kind, const yaml_event_t *event,
                    const yaml_char_t *tag, const yaml_char_t *anchor)
{
    check_tag(reader, tag, event->start_mark, false);
    if (expects_key(reader)) {
        fault_mark_dead(reader, event->start_mark, "a key must be a string");
        return;
    }
    if (reader->depth == YAML_DEPTH_MAX) {
        fault_mark_dead(reader, event->start_mark, "the file is nested too deeply");
        return;
    }
    if (!take_node(reader, event->start_mark))
        return;
    struct node *node = place_node(reader, kind, event->start_mark);
    reader->open[reader->depth++] = node;
    remember_anchor(reader, anchor, event->start_mark, node);
}

static int compare_keys(const void *left, const void *right)
{
    const struct node *a = *(const struct node *const *)left;
    const struct node *b = *(const struct node *const *)right;
    int order = strcmp(a->key, b->key);
    return order != 0 ? order : (a->position > b->position) - (a->position < b->position);
}

static void on_map_end(struct reader *reader)
{
    struct node *map = reader->open[reader->depth - 1];
    const struct node **sorted = arena_array(reader->arena, map->count, sizeof(*sorted));
    for (const struct node *child = map->first; child; child = child->next)
        sorted[child->position] = child;
    qsort(sorted, map->count, sizeof(*sorted), compare_keys);
    for (size_t i = 1; i < map->count; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            fault_at_key(reader->faults, sorted[i], "\"%.100s\" is given twice (also in line %u)",
                         sorted[i]->key, sorted[i - 1]->key_line);
}

/* Copies what `source` holds into `target`; both are complete and at `depth`. */
static void copy_into(struct reader *reader, struct node *target, const struct node *source,
                      size_t depth, yaml_mark_t mark)
{
    target->text = source->text;
    target->text_len = source->text_len;
    if (source->count > 0 && depth >= YAML_DEPTH_MAX) {
        fault_mark_dead(reader, mark, "the file is nested too deeply");
        return;
    }
    for (const struct node *child = source->first; child && !reader->dead; child = child->next) {
        if (!take_node(reader, mark))
            return;
        struct node *copy = node_add(reader->arena, target, child->kind);
        copy->file = child->file;
        copy->line = child->line;
        copy->column = child->column;
        copy->key = child->key;
        copy->key_line = child->key_line;
        copy->key_column = child->key_column;
        copy_into(reader, copy, child, depth + 1, mark);
    }
}

static const struct node *find_anchor(const struct reader *reader, const char *name)
{
    for (size_t i = reader->anchor_count; i > 0; i--)
        if (strcmp(reader->anchors[i - 1].name, name) == 0)
            return reader->anchors[i - 1].node;
    return NULL;
}

static void on_alias(struct reader *reader, const yaml_event_t *event)
{
    const struct node *source = find_anchor(reader, (const char *)event->data.alias.anchor);
    if (expects_key(reader)) {
        fault_mark_dead(reader, event->start_mark, "a key must be a string");
        return;
    }
    if (!source) {
        fault_mark_dead(reader, event->start_mark, "there is no anchor of this name before it");
        return;
    }
    for (size_t i = 0; i < reader->depth; i++)
        if (reader->open[i] == source) {
            fault_mark_dead(reader, event->start_mark, "the value contains itself");
            return;
        }
    if (take_node(reader, event->start_mark)) {
        struct node *node = place_node(reader, source->kind, event->start_mark);
        copy_into(reader, node, source, reader->depth + 1, event->start_mark);
    }
}

static void on_document(struct reader *reader, const yaml_event_t *event)
{
    if (reader->done)
        fault_mark_dead(reader, event->start_mark, "a file holds one document, not several");
}

static void on_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(reader, event);
        break;
    case YAML_DOCUMENT_END_EVENT:
        reader->done = true;
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(reader, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(reader, NODE_LIST, event, event->data.sequence_start.tag,
                event->data.sequence_start.anchor);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(reader, NODE_MAP, event, event->data.mapping_start.tag,
                event->data.mapping_start.anchor);
        break;
    case YAML_MAPPING_END_EVENT:
        on_map_end(reader);
        reader->depth--;
        break;
    case YAML_SEQUENCE_END_EVENT:
        reader->depth--;
        break;
    case YAML_ALIAS_EVENT:
        on_alias(reader, event);
        break;
    default:
        break;
    }
}

/* libyaml gives a bad byte's offset, not its line. */
static void fault_byte(struct reader *reader, size_t offset, const char *text)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < offset && i < reader->len; i++) {
        if (reader->data[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)reader->data[i] & 0xC0) != 0x80) {
            column++; /* a column is a character, not a byte */
        }
    }
    fault_place(reader, line, column, text);
}

static void fault_syntax(struct reader *reader, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    if (parser->error == YAML_READER_ERROR)
        fault_byte(reader, parser->problem_offset, problem);
    else if (parser->context)
        fault_mark(reader, parser->problem_mark,
                   arena_printf(reader->arena, "%s, %s in line %zu", problem, parser->context,
                                parser->context_mark.line + 1));
    else
        fault_mark(reader, parser->problem_mark, problem);
    reader->dead = true;
}

static void read_events(struct reader *reader, yaml_parser_t *parser)
{
    bool ended = false;
    while (!ended && !reader->dead) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            fault_syntax(reader, parser);
            return;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        on_event(reader, &event);
        yaml_event_delete(&event);
    }
}

struct node *yaml_parse(struct arena *arena, const char *file, const char *data, size_t len,
                        struct faults *faults)
{
    size_t faults_before = faults->count;
    struct reader *reader = arena_alloc(arena, sizeof(*reader));
    reader->arena = arena;
    reader->faults = faults;
    reader->file = arena_string(arena, file);
    reader->data = data;
    reader->len = len;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        abort(); /* a few hundred bytes: as mem.h */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)data, len);
    read_events(reader, &parser);
    yaml_parser_delete(&parser);
    if (faults->count > faults_before)
        return NULL;
    if (!reader->root || reader->root->kind == NODE_NULL) {
        reader->root = node_add(arena, NULL, NODE_MAP);
        reader->root->file = reader->file;
        reader->root->line = reader->root->column = 1;
    }
    return reader->root;
}

const char *yaml_library_version(void)
{
    return yaml_get_version_string();
}

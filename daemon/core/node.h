/*
 * A document as a tree: what the configuration (YAML) and client documents
 * (JSON) become before anyone looks for meaning in them. Every node knows its
 * place, so that every later complaint can name it. Nodes live in the arena
 * they were made in and are not changed after loading.
 */
#ifndef CORE_NODE_H
#define CORE_NODE_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_NUMBER, NODE_STRING, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    struct node *parent;       /* NULL at the top */
    struct node *first, *last; /* children of lists and maps, in order */
    struct node *next;         /* the sibling after this one */
    size_t count;              /* of children */
    size_t position;           /* among its siblings, from 0 */
    const char *key;           /* in a map; no NUL inside */
    const char *text;          /* scalars: decoded string, number as written, true/false */
    size_t text_len;           /* strings may contain NUL in documents */
    const char *raw;           /* the value's JSON bytes; NULL in YAML */
    size_t raw_len;
    const char *file;              /* YAML: where it stands; NULL in documents */
    unsigned line, column;         /* from 1: of the value */
    unsigned key_line, key_column; /* of its key, in maps */
};

/* A new child at the end of `parent` (NULL: a root). */
struct node *node_add(struct arena *arena, struct node *parent, enum node_kind kind);
/* Puts a node that belongs nowhere (or no longer does) at the end of `parent`. */
void node_append(struct node *parent, struct node *child);
/* The member called `key`, or NULL. */
const struct node *node_get(const struct node *map, const char *key);
const char *node_kind_text(enum node_kind kind); /* "a list", "a string" */

/* The place in words: "file:line:column" in YAML (of the key when `of_key`),
 * a JSON Pointer in documents ("" is the whole document). */
char *node_place(struct arena *arena, const struct node *node, int of_key);

/* The value as JSON: its own bytes in documents, printed from the tree in YAML
 * (numbers as written). */
void node_write_json(const struct node *node, struct buffer *out);

#endif

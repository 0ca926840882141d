/*
 * Client documents (JSON) to trees.
 *
 * The bytes are first judged by json/validate, so that depth and size are
 * bounded before jansson allocates anything; then the values that are only
 * passed on (`body` and `default` of /requests/N) are lifted out, so that they
 * reach the upstream as the client's own bytes, whatever jansson thinks of
 * their numbers; the rest jansson reads.
 */
#ifndef CORE_DOCUMENT_H
#define CORE_DOCUMENT_H

#include "core/faults.h"
#include "core/node.h"

struct document_limits {
    unsigned depth;
    size_t values; /* nodes outside the lifted values */
};

/* `data` must outlive the tree (lifted nodes borrow from it): raw/raw_len are set
 * on lifted nodes only, whose kind is right and which have no children.
 * NULL with faults: malformed JSON (place: JSON Pointer of the innermost value,
 * text with the byte offset), duplicate keys, NUL in a key, too deep, too many values. */
struct node *document_parse(struct arena *arena, const char *data, size_t len,
                            const struct document_limits *limits, struct faults *faults);

#endif

/* JSON to trees by jansson, whose only user this is. jansson's names collide with
 * those of json/, so nothing of json/ is seen here. */
#ifndef CORE_JANSSON_TREE_H
#define CORE_JANSSON_TREE_H

#include <stdbool.h>

#include "core/node.h"

/* What jansson refused, and the byte behind which it noticed. */
struct jansson_fault {
    const char *sentence;
    size_t offset;
    bool duplicate; /* a member is given twice: the one whose name ends at `offset` */
};

/* A tree of any one value, members in the order of the text; numbers have no text yet,
 * since jansson does not keep it. NULL with *ret_fault: a duplicate member, NUL in a name,
 * a number or a string that jansson cannot hold. The caller has bounded the depth. */
struct node *jansson_tree(struct arena *arena, const char *data, size_t len,
                          struct jansson_fault *ret_fault);

/* "2.14": the jansson that runs. */
const char *document_library_version(void);

#endif

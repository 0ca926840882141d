/* A field to send as somebody wrote it in a map: what may be said there, and what it becomes. */
#ifndef CORE_HEADER_NODE_H
#define CORE_HEADER_NODE_H

#include "base/arena.h"
#include "core/faults.h"
#include "core/header.h"

/* `node` is a member of the map, `list` those before it. False with a fault. */
bool header_node_check(const struct node *node, const struct header_list *list,
                       struct faults *faults);
/* Its value without the white space around it; from the arena. */
const char *header_node_value(struct arena *arena, const struct node *node);

#endif

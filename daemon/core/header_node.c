#include "core/header_node.h"

bool header_node_check(const struct node *node, const struct header_list *list,
                       struct faults *faults)
{
    if (!header_name_valid(node->key))
        fault_at_key(faults, node, "this is not a field name");
    else if (header_refused(node->key))
        fault_at_key(faults, node, "%s may not be set here", node->key);
    else if (header_get(list, node->key))
        fault_at_key(faults, node, "%s is given twice", node->key);
    else if (node->kind != NODE_STRING)
        fault_at(faults, node, "a field's value must be a string, not %s",
                 node_kind_text(node->kind));
    else if (!header_value_valid(node->text, node->text_len))
        fault_at(faults, node, "a field's value has no control characters");
    else
        return true;
    return false;
}

const char *header_node_value(struct arena *arena, const struct node *node)
{
    const char *begin = node->text;
    const char *end = node->text + node->text_len;
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return arena_copy(arena, begin, (size_t)(end - begin));
}

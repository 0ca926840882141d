/*
 * Three policies want a number of successes and nothing else: `any` and `race` one,
 * `atLeast` k of them. They end as soon as the counts say so, either way; that a
 * part is optional means nothing to them. `race` also ends with the first failure.
 *
 * `all` ends early for a failure only, and `allSettled` never.
 */
#include "core/policy.h"

#include <string.h>

#include "core/units.h"

#define POLICY_CHOICES "must be \"all\", \"allSettled\", \"any\", \"race\" or {\"atLeast\": k}"

static const struct {
    const char *name;
    enum policy_kind kind;
    size_t at_least;
} names[] = {
    {"all", POLICY_ALL, 0},
    {"allSettled", POLICY_ALL_SETTLED, 0},
    {"any", POLICY_ANY, 1},
    {"race", POLICY_RACE, 1},
};

static void read_name(struct batch *batch, const struct node *node, struct faults *faults)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) != node->text_len || strcmp(names[i].name, node->text) != 0)
            continue;
        batch->policy = names[i].kind;
        batch->at_least = names[i].at_least;
        return;
    }
    fault_at(faults, node, POLICY_CHOICES ", not \"%.40s\"", node->text);
}

/* The count of requests may be unknown after other faults: then only the number is read. */
static void read_at_least(struct batch *batch, const struct node *node, struct faults *faults)
{
    uint64_t wanted = 0;
    if (node->kind != NODE_NUMBER || !units_count(node->text, &wanted) || wanted < 1) {
        fault_at(faults, node, "must be a whole number of at least 1, not %.40s",
                 node->kind == NODE_NUMBER ? node->text : node_kind_text(node->kind));
    } else if (batch->list.count > 0 && wanted > batch->list.count) {
        fault_at(faults, node, "%llu successes cannot come of %zu request%s",
                 (unsigned long long)wanted, batch->list.count, batch->list.count > 1 ? "s" : "");
    } else {
        batch->policy = POLICY_AT_LEAST;
        batch->at_least = (size_t)wanted;
    }
}

void policy_read(struct batch *batch, struct faults *faults)
{
    const struct node *node = batch->policy_node;
    batch->policy = batch->merge == MERGE_ENVELOPE ? POLICY_ALL_SETTLED : POLICY_ALL;
    batch->at_least = 0;
    batch->policy_given = node != NULL;
    if (!node)
        return;
    const struct node *at_least =
        node->kind == NODE_MAP && node->count == 1 ? node_get(node, "atLeast") : NULL;
    if (at_least)
        read_at_least(batch, at_least, faults);
    else if (node->kind == NODE_STRING)
        read_name(batch, node, faults);
    else
        fault_at(faults, node, POLICY_CHOICES ", not %s",
                 node->kind == NODE_MAP ? "another map" : node_kind_text(node->kind));
}

enum policy_verdict policy_judge(const struct batch *batch, enum settled how, size_t ok,
                                 size_t waiting)
{
    if (how == SETTLED_FATALLY)
        return POLICY_LOST;
    if (batch->at_least == 0)
        return waiting == 0 ? POLICY_MET : POLICY_OPEN;
    if (ok >= batch->at_least)
        return POLICY_MET;
    if (how == SETTLED_WELL)
        return POLICY_OPEN;
    return batch->policy == POLICY_RACE || ok + waiting < batch->at_least ? POLICY_LOST
                                                                          : POLICY_OPEN;
}

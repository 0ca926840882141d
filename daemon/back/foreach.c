/*
 * The calls of a foreach are a fan-out of their own inside the one that has the
 * request: a job of as many parts as there are items, started a few at a time,
 * whose outcome settles one leg of the parent. It sends what its parent planned,
 * so its parent outlives it, as with any child.
 */
#include <string.h>

#include "back/fanout.h"
#include "back/fanout_inner.h"
#include "base/mem.h"

static struct leg *leg_of(struct fanout *group)
{
    return group->ctx;
}

static void settle_empty(struct fanout *fanout, size_t index)
{
    struct outcome outcome = {.code = OUTCOME_REPLY, .status = 200, .body_len = 2};
    outcome.head = mem_string("Content-Type: application/json\r\n");
    outcome.head_len = strlen(outcome.head);
    outcome.body = mem_copy("[]", outcome.body_len);
    fanout_settle(fanout, index, &outcome, true);
}

static void start_group(struct fanout *fanout, size_t index, const struct items *items)
{
    const struct request *request = fanout->plan.items[index].request;
    struct leg *leg = &fanout->legs[index];
    usec_t now = clock_now();
    struct arena *arena = arena_new();
    struct fanout *child = fanout_new(fanout->engine, fanout->config, arena, fanout, NULL, leg);
    leg->owner = fanout;
    leg->started = now;
    fanout->job.parts[index].begun = true;
    child->group = arena_alloc(arena, sizeof *child->group);
    *child->group = (struct group){.items = *items, .foreach = request->foreach};
    child->plan.count = items->count;
    child->plan.items = arena_array(arena, items->count, sizeof *child->plan.items);
    child->deadline = fanout->deadline;
    child->paused = fanout->paused;
    fanout->outstanding++;
    leg->child = child;
    fanout_begin_job(child, items_batch(fanout->job.batch, request, items->count, arena), now);
    fanout_go_on(child);
    fanout_release(child);
}

void foreach_start(struct fanout *fanout, size_t index)
{
    const struct foreach *foreach = fanout->plan.items[index].request->foreach;
    struct items items;
    const char *wrong = items_find(fanout->plan.values, foreach, fanout->arena, &items);
    if (wrong && items.too_many)
        tally_limit(fanout->engine->tally, TALLY_FOREACH_MAX);
    if (wrong)
        fanout_fail_unsent(fanout, index, OUTCOME_UNRESOLVED_REFERENCE, wrong);
    else if (items.count == 0)
        settle_empty(fanout, index);
    else
        start_group(fanout, index, &items);
}

bool foreach_next(struct fanout *fanout, size_t *ret_index)
{
    struct group *group = fanout->group;
    if (group->next == group->items.count || group->running >= group->foreach->concurrency)
        return false;
    *ret_index = group->next++;
    group->running++;
    return true;
}

/* What has arrived counts at the deadline too, as the reply of a call does; a child's would not. */
void foreach_finish(struct fanout *fanout)
{
    struct leg *leg = leg_of(fanout);
    struct fanout *parent = leg->owner;
    struct part *part = &parent->job.parts[leg - parent->legs];
    size_t index = (size_t)(leg - parent->legs);
    struct outcome outcome;
    fanout->ended = true;
    leg->child = NULL;
    enum outcome_code failure =
        items_outcome(&fanout->job, parent->config->limits.reply_body, parent->arena, &outcome);
    if (failure != OUTCOME_NONE) {
        part->failed_item = items_failed(&fanout->job, parent->arena);
        fanout_fail(parent, index, failure, &outcome);
        return;
    }
    part->item_failures = items_failures(&fanout->job, parent->arena);
    if (part->item_failures)
        parent->job.incomplete = true;
    fanout_settle(parent, index, &outcome, false);
}

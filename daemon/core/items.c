/*
 * The calls of a foreach are a job like any other, whose requests are copies of
 * one: so policies, success and defaults mean the same for an item as for a part.
 *
 * Equal items are found by a table of hashes, since a list of small items may be
 * millions long before its end, or its maximum, is reached.
 */
#include "core/items.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "json/write.h"

enum { SLOTS = 4096 }; /* a power of two, more than twice the highest `max` */

struct finder {
    const struct foreach *foreach;
    struct items *items;
    unsigned short *slots; /* index + 1; NULL: equal items are kept */
};

/* FNV-1a. */
static size_t hash(struct json_span span)
{
    uint64_t value = 0xcbf29ce484222325u;
    for (size_t i = 0; i < span.len; i++)
        value = (value ^ (unsigned char)span.data[i]) * 0x100000001b3u;
    return (size_t)(value ^ value >> 32);
}

static bool is_known(struct finder *finder, struct json_span item)
{
    if (!finder->slots)
        return false;
    size_t at = hash(item) % SLOTS;
    for (; finder->slots[at] != 0; at = (at + 1) % SLOTS) {
        struct json_span other = finder->items->list[finder->slots[at] - 1];
        if (other.len == item.len && memcmp(other.data, item.data, item.len) == 0)
            return true;
    }
    finder->slots[at] = (unsigned short)(finder->items->count + 1);
    return false;
}

/* False when there are more than `max`. */
static bool collect(struct finder *finder, struct json_span list)
{
    struct json_cursor cursor = json_open(list);
    struct json_item item;
    while (json_next(&cursor, &item)) {
        if (finder->items->count == finder->foreach->max) {
            if (finder->slots && is_known(finder, item.value))
                continue;
            return false;
        }
        if (!is_known(finder, item.value))
            finder->items->list[finder->items->count++] = item.value;
    }
    return true;
}

const char *items_find(struct values *values, const struct foreach *foreach, struct arena *arena,
                       struct items *ret_items)
{
    struct value value;
    const char *name = foreach->from->text;
    const char *wrong = values_find(values, foreach->from, arena, &value);
    ret_items->too_many = false;
    if (wrong)
        return arena_printf(arena, "{%s} %s", name, wrong);
    struct json_span list = {value.data, value.len};
    if (value.is_text || json_span_type(list) != JSON_ARRAY)
        return arena_printf(arena, "{%s} is not an array", name);
    struct items items = {.list = arena_array(arena, foreach->max, sizeof *items.list)};
    struct finder finder = {foreach, &items, NULL};
    if (foreach->distinct)
        finder.slots = arena_array(arena, SLOTS, sizeof *finder.slots);
    ret_items->too_many = !collect(&finder, list);
    if (ret_items->too_many)
        return arena_printf(arena, "{%s} has more than %llu items, the \"max\" of this foreach",
                            name, (unsigned long long)foreach->max);
    *ret_items = items;
    return NULL;
}

struct batch *items_batch(const struct batch *batch, const struct request *request, size_t count,
                          struct arena *arena)
{
    struct batch *inner = arena_alloc(arena, sizeof *inner);
    struct request *requests = arena_array(arena, count, sizeof *requests);
    *inner = *batch;
    inner->list.items = requests;
    inner->list.count = count;
    inner->merge = MERGE_ARRAY;
    inner->policy = POLICY_ALL;
    inner->at_least = 0;
    inner->graph = NULL;
    inner->may_repeat = request->dedupe;
    if (batch->at_least > 0) /* a part has succeeded or not; no item may be missing */
        inner->on_timeout = ON_TIMEOUT_ERROR;
    for (size_t i = 0; i < count; i++) {
        requests[i] = *request;
        requests[i].foreach = NULL;
        requests[i].shape = request->foreach->shape;
        requests[i].hidden = false;
        if (batch->at_least > 0) {
            requests[i].optional = false;
            requests[i].fallback = NULL;
            requests[i].fallback_len = 0;
        }
        requests[i].index = i;
    }
    return inner;
}

static unsigned count_attempts(const struct job *job)
{
    unsigned attempts = 0;
    for (size_t i = 0; i < job->count; i++)
        attempts += job->parts[i].outcome.attempts;
    return attempts;
}

static void write_array(const struct job *job, struct buffer *out)
{
    buffer_byte(out, '[');
    for (size_t i = 0; i < job->count; i++) {
        struct json_span value = part_value(&job->parts[i]);
        if (i > 0)
            buffer_byte(out, ',');
        if (value.len > 0)
            json_splice(out, value);
        else
            buffer_string(out, "null");
    }
    buffer_byte(out, ']');
}

static enum outcome_code fail(struct job *job, struct part *part, struct arena *arena,
                              struct outcome *ret_outcome)
{
    const char *detail = part->outcome.detail;
    *ret_outcome = outcome_take(&part->outcome);
    ret_outcome->detail = arena_printf(arena, "item %zu%s%s", (size_t)(part - job->parts),
                                       detail ? ": " : "", detail ? detail : "");
    return part->failure;
}

/* An item's failure is the whole's. */
static bool is_lost(const struct job *job)
{
    return job->decider && (job->expired || !part_is_optional(job, job->decider));
}

enum outcome_code items_outcome(struct job *job, uint64_t most, struct arena *arena,
                                struct outcome *ret_outcome)
{
    static const char head[] = "Content-Type: application/json\r\n";
    assert(job->complete);
    enum outcome_code failure = OUTCOME_NONE;
    unsigned attempts = count_attempts(job);
    if (is_lost(job)) {
        failure = fail(job, job->decider, arena, ret_outcome);
    } else {
        struct buffer body;
        buffer_init(&body, most);
        write_array(job, &body);
        bool fits = buffer_status(&body) == 0;
        *ret_outcome = (struct outcome){.code = OUTCOME_RESPONSE_BODY_SIZE,
                                        .detail = "the results of all items together"};
        if (fits) {
            *ret_outcome = (struct outcome){.code = OUTCOME_REPLY, .status = 200};
            ret_outcome->head = mem_string(head);
            ret_outcome->head_len = strlen(head);
            ret_outcome->body = buffer_take(&body, &ret_outcome->body_len);
        }
        failure = fits ? OUTCOME_NONE : OUTCOME_RESPONSE_BODY_SIZE;
        buffer_done(&body);
    }
    ret_outcome->attempts = attempts;
    ret_outcome->elapsed = job->ended - job->started;
    return failure;
}

const size_t *items_failed(const struct job *job, struct arena *arena)
{
    if (!is_lost(job))
        return NULL;
    size_t *place = arena_alloc(arena, sizeof *place);
    *place = (size_t)(job->decider - job->parts);
    return place;
}

const struct item_failures *items_failures(const struct job *job, struct arena *arena)
{
    if (job->failed == 0)
        return NULL;
    struct item_failures *failures = arena_alloc(arena, sizeof *failures);
    failures->items = arena_array(arena, job->failed, sizeof *failures->items);
    for (size_t i = 0; i < job->count; i++) {
        const struct part *part = &job->parts[i];
        if (part->state != PART_FAILED)
            continue;
        struct item_failure *one = &failures->items[failures->count++];
        *one = (struct item_failure){i, part->failure, part->outcome};
        one->outcome.head = NULL;
        one->outcome.body = NULL;
        if (part->outcome.detail)
            one->outcome.detail = arena_string(arena, part->outcome.detail);
    }
    return failures;
}

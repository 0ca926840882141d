/*
 * Most batches have no two equal calls, and where no variable is in any target this is
 * known before anything is planned. Otherwise every call passes through here, so the
 * hash is cheap: the upstream and the end of the target, where ids and queries
 * are. Equal hashes are then compared in full.
 *
 * A call that can no longer be followed gives its place to the next one.
 */
#include "core/dedupe.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static size_t hash(const struct upstream *upstream, const char *target)
{
    uint64_t tail = 0;
    size_t len = strlen(target);
    size_t taken = len < sizeof tail ? len : sizeof tail;
    memcpy(&tail, target + len - taken, taken);
    uint64_t value = tail ^ len ^ (uintptr_t)upstream;
    value ^= value >> 32; /* the last bytes differ most, and are the highest bits */
    return (size_t)(value * 0x9E3779B97F4A7C15u >> 40);
}

/* A power of two, for at most half of them to be taken. */
static size_t slots_for(size_t count)
{
    size_t slots = 4;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

/* Equal hashes are enough to look closer later. */
bool dedupe_possible(const struct batch *batch, struct arena *arena)
{
    const struct request *requests = batch_requests(batch);
    size_t mask = slots_for(batch->list.count) - 1;
    unsigned *slots = batch->list.count > 1 ? arena_array(arena, mask + 1, sizeof *slots) : NULL;
    for (size_t i = 0; slots && i < batch->list.count; i++) {
        if (!requests[i].dedupe || requests[i].target == TARGET_ENDPOINT)
            continue;
        if (!requests[i].literal)
            return true;
        unsigned found = (unsigned)hash(requests[i].upstream, requests[i].literal) | 1u << 31;
        size_t at = found & mask;
        while (slots[at] != 0 && slots[at] != found)
            at = (at + 1) & mask;
        if (slots[at] == found)
            return true;
        slots[at] = found;
    }
    return false;
}

void dedupe_init(struct dedupe *dedupe, const struct planned *items, size_t count,
                 struct arena *arena)
{
    size_t slots = slots_for(count);
    assert(count < UINT16_MAX);
    *dedupe = (struct dedupe){
        .items = items,
        .slots = arena_array(arena, slots, sizeof(unsigned short)),
        .mask = slots - 1,
    };
}

static bool same_text(const char *a, const char *b)
{
    return a == b || strcmp(a, b) == 0;
}

static bool same_headers(const struct header_list *a, const struct header_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcasecmp(a->items[i].name, b->items[i].name) != 0 ||
            !same_text(a->items[i].value, b->items[i].value))
            return false;
    }
    return true;
}

static bool same_origin(const struct origin *a, const struct origin *b)
{
    return a == b || (a->tls == b->tls && strcmp(a->authority, b->authority) == 0);
}

bool dedupe_same(const struct planned *one, const struct planned *other)
{
    const struct call_spec *a = &one->call;
    const struct call_spec *b = &other->call;
    return a->upstream == b->upstream && one->timeout == other->timeout && a->decode == b->decode &&
           same_text(a->target, b->target) && same_text(a->method, b->method) &&
           same_origin(a->origin, b->origin) && same_headers(&a->headers, &b->headers);
}

size_t dedupe_find(struct dedupe *dedupe, size_t index, bool usable(const void *ctx, size_t index),
                   const void *ctx)
{
    const struct planned *item = &dedupe->items[index];
    size_t at = hash(item->call.upstream, item->call.target) & dedupe->mask;
    size_t left = dedupe->mask + 1;
    for (; dedupe->slots[at] != 0 && left > 0; at = (at + 1) & dedupe->mask, left--) {
        size_t other = dedupe->slots[at] - 1u;
        if (!usable(ctx, other))
            break;
        if (dedupe_same(&dedupe->items[other], item))
            return other;
    }
    dedupe->slots[at] = (unsigned short)(index + 1);
    return index;
}

/*
 * One walk over the text that only ever notes cuts: whatever is not cut is copied in
 * runs as long as they come, and when nothing is cut nothing is copied. The walk goes
 * down only where the paths do, so it is at most SHAPE_SEGMENTS_MAX frames deep,
 * whatever the upstream sends.
 *
 * What is left out goes with the comma and the white space before it; as long as
 * nothing before it was kept, with those after it. A renamed member stands where it
 * stood; one that has that name already is left out, which has to be known when it
 * is met first: then, once per object, the object is looked through.
 */
#include "core/shape.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "json/walk.h"

struct walker {
    struct json_walk walk;
    const char *copied; /* what is before it was copied or cut */
    struct buffer out;
    bool touched;
};

/* A container that is walked through. */
struct frame {
    const struct shape_node *node;
    bool object, allowed; /* allowed: a path that ended above it */
    const char *begin;    /* behind its bracket */
    bool looked_through;
    uint64_t present; /* then: bit n: a member that becomes renames[n] is there and stays */
};
_Static_assert(SHAPE_RENAMES_MAX <= 64, "they are bits of frame.present");

struct fate {
    const struct shape_node *step; /* NULL: no path goes here */
    bool keep, descend, allowed;
};

/* ---- Cutting ---- */

static void cut(struct walker *walker, const char *begin, const char *end)
{
    if (begin > walker->copied)
        buffer_append(&walker->out, walker->copied, (size_t)(begin - walker->copied));
    walker->copied = end;
    walker->touched = true;
}

static void replace(struct walker *walker, const char *begin, const char *end, const char *text,
                    size_t len)
{
    cut(walker, begin, end);
    buffer_append(&walker->out, text, len);
}

/* ---- Judging ---- */

/* A lone surrogate is decoded to something that it is not, so it is compared again. */
static __attribute__((noinline)) const struct shape_node *
find_escaped(const struct shape_node *node, struct json_span key)
{
    size_t at;
    char decoded[SHAPE_TEXT_MAX];
    size_t len = json_decode(key, decoded, sizeof decoded);
    if (len > sizeof decoded || !shape_find(node, decoded, len, &at))
        return NULL;
    return json_key_is(key, decoded, len) ? node->members[at] : NULL;
}

static inline const struct shape_node *find_member(const struct shape_node *node,
                                                   struct json_span key, bool escaped)
{
    size_t at;
    size_t len = key.len - 2;
    if (escaped)
        return find_escaped(node, key);
    if (len == 0 || (node->filter & shape_filter(key.data + 1, len)) == 0)
        return NULL;
    return shape_find(node, key.data + 1, len, &at) ? node->members[at] : NULL;
}

/* What lies on the way of an allowed path: a null, or what the path can go into. */
static bool on_the_way(const struct shape_node *step, char first)
{
    if (first == '{')
        return step->allow_members;
    if (first == '[')
        return step->allow_items;
    return first == 'n' && (step->allow_members || step->allow_items);
}

static bool goes_on(const struct shape_node *step, char first)
{
    return (first == '{' && step->member_count > 0) || (first == '[' && step->items);
}

/* Of the item whose value the walk is at. */
static inline __attribute__((always_inline)) struct fate
judge(const struct frame *frame, const struct json_walk *walk, struct json_span key)
{
    const struct shape_node *node = frame->node;
    char first = *walk->at;
    struct fate fate = {.step =
                            frame->object ? find_member(node, key, walk->escaped) : node->items};
    fate.keep = fate.allowed = frame->allowed;
    if (!fate.step)
        return fate;
    fate.allowed = frame->allowed || fate.step->allow;
    fate.keep = !fate.step->deny && (fate.allowed || on_the_way(fate.step, first));
    fate.descend = fate.keep && goes_on(fate.step, first);
    return fate;
}

static uint64_t bit_of(const struct shape_node *node, const struct shape_node *step)
{
    for (size_t i = 0; i < node->rename_count; i++) {
        if (node->renames[i] == step)
            return (uint64_t)1 << i;
    }
    return 0;
}

static void look_through(const struct walker *walker, struct frame *frame)
{
    struct json_walk walk = {frame->begin, walker->walk.end, false};
    struct json_span key;
    while (json_walk_next(&walk, true, &key)) {
        struct fate fate = judge(frame, &walk, key);
        if (fate.keep && fate.step && fate.step->new_name)
            frame->present |= bit_of(frame->node, fate.step);
        json_walk_pass(&walk);
    }
    frame->looked_through = true;
}

/* True when another member of the object becomes what this one is called. */
static bool is_overwritten(const struct walker *walker, struct frame *frame,
                           const struct shape_node *step, struct json_span key)
{
    const struct shape_node *node = frame->node;
    if (!frame->object || (step && step->new_name))
        return false;
    for (size_t i = 0; i < node->rename_count; i++) {
        const struct shape_node *renamed = node->renames[i];
        if (!json_key_is(key, renamed->new_name, renamed->new_len))
            continue;
        if (!frame->looked_through)
            look_through(walker, frame);
        return (frame->present >> i & 1) != 0;
    }
    return false;
}

/* ---- Walking ---- */

/* From a container's bracket to behind its end. */
static void walk_container(struct walker *walker, const struct shape_node *node, bool allowed)
{
    struct json_walk *walk = &walker->walk;
    struct frame frame = {.node = node, .allowed = allowed, .object = json_walk_enter(walk)};
    struct json_span key;
    bool kept = false;    /* something before this item, so cuts take the comma before it */
    bool dropped = false; /* the cut that nothing was kept before goes on up to here */
    frame.begin = walk->at;
    for (const char *last = walk->at; json_walk_next(walk, frame.object, &key); last = walk->at) {
        struct fate fate = judge(&frame, walk, key);
        if (!fate.keep ||
            (node->rename_count > 0 && is_overwritten(walker, &frame, fate.step, key))) {
            const char *begin = kept ? last : dropped ? walker->copied : key.data;
            json_walk_pass(walk);
            cut(walker, begin, walk->at);
            dropped = true;
            continue;
        }
        if (!kept && dropped)
            cut(walker, walker->copied, key.data);
        kept = true;
        if (fate.step && fate.step->new_name)
            replace(walker, key.data, key.data + key.len, fate.step->new_key,
                    fate.step->new_key_len);
        if (fate.descend)
            walk_container(walker, fate.step, fate.allowed);
        else
            json_walk_pass(walk);
    }
    json_walk_leave(walk);
}

/* ---- The whole ---- */

static const char *unfit(const struct shape *shape, enum json_type type)
{
    static const char *const texts[SHAPE_LISTS][2] = {
        {"allow: the value is an array, and no path begins with `*`",
         "allow: the value is an object, and every path begins with `*`"},
        {"deny: the value is an array, and no path begins with `*`",
         "deny: the value is an object, and every path begins with `*`"},
        {"rename: the value is an array, and no path begins with `*`",
         "rename: the value is an object, and every path begins with `*`"},
    };
    for (int list = 0; list < SHAPE_LISTS; list++) {
        if (!shape->lists[list].given)
            continue;
        if (type == JSON_ARRAY && !shape->lists[list].array)
            return texts[list][0];
        if (type == JSON_OBJECT && !shape->lists[list].object)
            return texts[list][1];
    }
    return NULL;
}

/* The paths; true when there is a value left. Without a cut it is the input. */
static bool apply_paths(const struct shape *shape, struct walker *walker, struct json_span value)
{
    enum json_type type = json_span_type(value);
    if (!shape->root)
        return true;
    if (type == JSON_OBJECT || type == JSON_ARRAY)
        walk_container(walker, shape->root, !shape->allows);
    else if (shape->allows && type != JSON_NULL)
        return false;
    return true;
}

int shape_apply(const struct shape *shape, struct json_span value, size_t growth,
                struct shaped *ret_shaped)
{
    *ret_shaped = (struct shaped){0};
    if (shape->select && !pointer_find(value, shape->select, &value))
        return 0;
    ret_shaped->unfit = unfit(shape, json_span_type(value));
    if (ret_shaped->unfit)
        return SHAPE_UNFIT;
    struct walker walker = {.walk = json_walk_begin(value), .copied = value.data};
    buffer_init(&walker.out, growth < SIZE_MAX / 2 - value.len ? value.len + growth : SIZE_MAX / 2);
    if (shape->group)
        replace(&walker, value.data, value.data, shape->group, shape->group_len);
    if (!apply_paths(shape, &walker, value)) {
        buffer_done(&walker.out);
        return 0;
    }
    if (!walker.touched) {
        ret_shaped->value = value;
        return 0;
    }
    cut(&walker, value.data + value.len, value.data + value.len);
    if (shape->group)
        buffer_byte(&walker.out, '}');
    int status = buffer_status(&walker.out);
    if (status == 0)
        ret_shaped->bytes = buffer_take(&walker.out, &ret_shaped->value.len);
    ret_shaped->value.data = ret_shaped->bytes;
    buffer_done(&walker.out);
    return status == BUFFER_FULL ? SHAPE_FULL : status;
}

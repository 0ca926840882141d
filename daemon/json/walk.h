/*
 * Walking into validated JSON and out again in one pass: unlike a cursor (json/span.h)
 * a walk does not look for the end of a value before it is asked to pass it, so
 * that going down costs nothing twice. Nothing allocates.
 */
#ifndef JSON_WALK_H
#define JSON_WALK_H

#include "json/span.h"

struct json_walk {
    const char *at, *end;
};

/* At the first byte of a value. */
static inline struct json_walk json_walk_begin(struct json_span value)
{
    return (struct json_walk){value.data, value.data + value.len};
}

static inline bool json_walk_at_container(const struct json_walk *walk)
{
    return walk->at < walk->end && (*walk->at == '{' || *walk->at == '[');
}

/* From a container's bracket to its first item; the result says whether it is an object. */
static inline bool json_walk_enter(struct json_walk *walk)
{
    return *walk->at++ == '{';
}

/* To the value of the next member (its key in *ret_key, with its quotes) or item (*ret_key
 * begins at the value and is empty). False at the closing bracket; the walk is then at it. */
bool json_walk_next(struct json_walk *walk, bool object, struct json_span *ret_key);

/* From the closing bracket to behind it. */
static inline void json_walk_leave(struct json_walk *walk)
{
    if (walk->at < walk->end)
        walk->at++;
}

/* From the first byte of a value to behind it; the value is returned. */
struct json_span json_walk_pass(struct json_walk *walk);

#endif

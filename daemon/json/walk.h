/*
 * Walking into validated JSON and out again in one pass: unlike a cursor (json/span.h)
 * a walk does not look for the end of a value before it is asked to pass it, so
 * that going down costs nothing twice. What is open around it is the caller's to know.
 * Nothing allocates. All of it is inline, for it runs for every member of a body.
 */
#ifndef JSON_WALK_H
#define JSON_WALK_H

#include "json/scan.h"
#include "json/span.h"

struct json_walk {
    const char *at, *end;
    bool escaped; /* there is a backslash in the last key */
};

/* At the first byte of a value. */
static inline struct json_walk json_walk_begin(struct json_span value)
{
    return (struct json_walk){value.data, value.data + value.len, false};
}

/* From a container's bracket to its first item; the result says whether it is an object. */
static inline bool json_walk_enter(struct json_walk *walk)
{
    return *walk->at++ == '{';
}

/* From the opening quote of a key to the value. */
static inline bool json_walk_key(struct json_walk *walk, struct json_span *ret_key)
{
    const char *end = walk->end;
    const char *at = find_any(ret_key->data + 1, end, NO_FOLD, "\"\\\\");
    walk->escaped = at < end && *at == '\\';
    at = walk->escaped ? skip_string(ret_key->data, end) : at + (at < end);
    ret_key->len = (size_t)(at - ret_key->data);
    at = skip_space(at, end);
    walk->at = skip_space(at + (at < end), end);
    return walk->at < end;
}

/* To the value of the next member (its key in *ret_key, with its quotes) or item (*ret_key
 * begins at the value and is empty). False at the closing bracket; the walk is then at it. */
static inline bool json_walk_next(struct json_walk *walk, bool object, struct json_span *ret_key)
{
    const char *end = walk->end;
    const char *at = skip_space(walk->at, end);
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    walk->at = at;
    *ret_key = (struct json_span){at, 0};
    if (at == end || (*at | FOLD) == '}')
        return false;
    return !object || json_walk_key(walk, ret_key);
}

/* From the closing bracket to behind it. */
static inline void json_walk_leave(struct json_walk *walk)
{
    walk->at += walk->at < walk->end;
}

/* From the first byte of a value to behind it. */
static inline void json_walk_pass(struct json_walk *walk)
{
    if (walk->at < walk->end)
        walk->at = skip_value(walk->at, walk->end);
}

#endif

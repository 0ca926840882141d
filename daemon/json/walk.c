/* One position in the text; what is open around it is the caller's to know. */
#include "json/walk.h"

#include "json/scan.h"

bool json_walk_next(struct json_walk *walk, bool object, struct json_span *ret_key)
{
    const char *end = walk->end;
    const char *at = skip_space(walk->at, end);
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    walk->at = at;
    *ret_key = (struct json_span){at, 0};
    if (at == end || *at == '}' || *at == ']')
        return false;
    if (!object)
        return true;
    const char *key_end = skip_string(at, end);
    ret_key->len = (size_t)(key_end - at);
    at = skip_space(key_end, end);
    if (at < end)
        at = skip_space(at + 1, end);
    walk->at = at;
    return at < end;
}

struct json_span json_walk_pass(struct json_walk *walk)
{
    const char *begin = walk->at;
    if (begin < walk->end)
        walk->at = skip_value(begin, walk->end);
    return (struct json_span){begin, (size_t)(walk->at - begin)};
}

/*
 * The query string as forms write it (application/x-www-form-urlencoded): members
 * between '&', '+' for a space, triplets for the rest. Looked through per lookup;
 * a request asks for few names.
 */
#include "core/inbound.h"

#include <string.h>

#include "core/template.h"

/* Borrowed from the query when there is nothing to decode. */
static bool decode(struct arena *arena, const char *data, size_t len, const char **ret_data,
                   size_t *ret_len)
{
    if (len > 0 && memchr(data, '+', len)) {
        char *copy = arena_copy(arena, data, len);
        for (size_t i = 0; i < len; i++) {
            if (copy[i] == '+')
                copy[i] = ' ';
        }
        data = copy;
    }
    return template_decode(arena, data, len, ret_data, ret_len);
}

bool inbound_next_member(struct arena *arena, const char **position, const char *end,
                         struct inbound_member *ret_member)
{
    const char *at = *position;
    while (at < end && *at == '&')
        at++;
    if (at == end)
        return false;
    const char *stop = memchr(at, '&', (size_t)(end - at));
    if (!stop)
        stop = end;
    const char *equals = memchr(at, '=', (size_t)(stop - at));
    const char *name_end = equals ? equals : stop;
    const char *value = equals ? equals + 1 : stop;
    struct inbound_member *member = ret_member;
    member->sound =
        decode(arena, at, (size_t)(name_end - at), &member->name, &member->name_len) &&
        decode(arena, value, (size_t)(stop - value), &member->value, &member->value_len);
    *position = stop;
    return true;
}

bool inbound_query(struct arena *arena, const struct inbound *inbound, const char *name,
                   const char **ret_data, size_t *ret_len)
{
    const char *at = inbound->query;
    const char *end = at + strlen(at);
    size_t name_len = strlen(name);
    struct inbound_member member;
    while (inbound_next_member(arena, &at, end, &member)) {
        if (!member.sound || member.name_len != name_len ||
            memcmp(member.name, name, name_len) != 0)
            continue;
        *ret_data = member.value;
        *ret_len = member.value_len;
        return true;
    }
    return false;
}

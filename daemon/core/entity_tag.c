/*
 * The hash is XXH3 with 128 bits: fast, and of fixed form since xxHash 0.8, so that a
 * tag outlives a daemon. Between two bodies that nobody made to collide the odds are 2^-128.
 *
 * Inside the quotes of a tag a backslash is a byte like any other, unlike in quoted
 * strings, so tags are taken apart here.
 */
#include "core/entity_tag.h"

#include <string.h>
#include <xxhash.h>

#include "base/errors.h"

static char *put_hex(char *out, uint64_t number)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[number >> shift & 15];
    return out;
}

void entity_tag_make(const char *body, size_t len, char out[ENTITY_TAG_MAX])
{
    XXH128_hash_t hash = XXH3_128bits(len > 0 ? body : "", len);
    char *at = out;
    *at++ = '"';
    at = put_hex(at, hash.high64);
    at = put_hex(at, hash.low64);
    *at++ = '"';
    *at = '\0';
}

bool entity_tag_append(const char *tag, const char *suffix, char out[ENTITY_TAG_MAX])
{
    size_t len = strlen(tag);
    size_t more = strlen(suffix);
    if (len < 2 || tag[0] != '"' || tag[len - 1] != '"' || len + more >= ENTITY_TAG_MAX)
        return false;
    memcpy(out, tag, len - 1);
    memcpy(out + len - 1, suffix, more);
    memcpy(out + len - 1 + more, "\"", 2);
    return true;
}

static struct field_text without_weakness(struct field_text tag)
{
    if (tag.len >= 2 && tag.data[0] == 'W' && tag.data[1] == '/')
        return (struct field_text){tag.data + 2, tag.len - 2};
    return tag;
}

static bool is_separator(char byte)
{
    return field_is_blank(byte) || byte == ',';
}

/* Takes one tag off the front; false when there is none, or something is stuck to it. */
static bool next_tag(struct field_text *rest, struct field_text *ret_tag)
{
    while (rest->len > 0 && is_separator(rest->data[0])) {
        rest->data++;
        rest->len--;
    }
    struct field_text opaque = without_weakness(*rest);
    if (opaque.len < 2 || opaque.data[0] != '"')
        return false;
    const char *end = memchr(opaque.data + 1, '"', opaque.len - 1);
    if (!end)
        return false;
    *ret_tag = (struct field_text){opaque.data, (size_t)(end + 1 - opaque.data)};
    rest->len -= (size_t)(end + 1 - rest->data);
    rest->data = end + 1;
    return rest->len == 0 || is_separator(rest->data[0]);
}

bool entity_tag_matches(struct field_text line, const char *tag)
{
    struct field_text wanted = without_weakness((struct field_text){tag, strlen(tag)});
    struct field_text given;
    line = field_trim(line.data, line.len);
    if (line.len == 1 && line.data[0] == '*')
        return true;
    while (next_tag(&line, &given))
        if (given.len == wanted.len && memcmp(given.data, wanted.data, wanted.len) == 0)
            return true;
    return false;
}

/*
 * Walking validated JSON without a tree: a span is a value's bytes inside the
 * text it came from. Every function here expects bytes that json_validate()
 * accepted and never reads past a span's end. Nothing allocates.
 */
#ifndef JSON_SPAN_H
#define JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>

#include "json/validate.h"

struct json_span {
    const char *data; /* borrowed; no white space around the value */
    size_t len;
};

enum json_type json_span_type(struct json_span span);

/* Members of an object or items of an array, in order; any other value has none. */
struct json_cursor {
    const char *at, *end;
    bool object;
};
struct json_item {
    struct json_span key; /* with its quotes; len 0 in arrays */
    struct json_span value;
};
struct json_cursor json_open(struct json_span container);
bool json_next(struct json_cursor *cursor, struct json_item *ret_item);

/* For json_key_is() alone. */
bool json_key_is_fully(struct json_span key, const char *name, size_t len);
/* True when the key's decoded value equals name[0..len). A key with an escape
 * that is not a Unicode scalar (lone surrogate) equals nothing. In line, for most keys
 * differ in the first byte or are too short: no escape is shorter than what it stands for. */
static inline bool json_key_is(struct json_span key, const char *name, size_t len)
{
    if (key.len < 2 || key.len - 2 < len ||
        (len > 0 && key.data[1] != name[0] && key.data[1] != '\\'))
        return false;
    return json_key_is_fully(key, name, len);
}
/* True when two keys have the same decoded value; false for lone surrogates, too. */
bool json_keys_equal(struct json_span a, struct json_span b);

/* Decodes a string span into out[0..cap); lone surrogates become U+FFFD.
 * Returns the decoded length, which may pass cap: then nothing past cap was
 * written. The decoded form is never longer than the span. */
size_t json_decode(struct json_span string, char *out, size_t cap);

/* True when a string span has a decoded form: no lone surrogates. */
bool json_is_decodable(struct json_span string);

/* Writes the JSON Pointer (RFC 6901) of the innermost value that contains
 * text[offset] to out (always terminated, cut at cap between characters). `text` is one
 * value. U+0000 in a key shows as U+FFFD. Costs up to a pass over the text for each level. */
void json_pointer_at(struct json_span text, size_t offset, char *out, size_t cap);

/* How many values (containers and scalars, keys not counted) a text holds; stops at `most`. */
size_t json_count_values(struct json_span text, size_t most);

#endif

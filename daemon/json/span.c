/*
 * Spans over validated text. As the grammar is known to hold, a reader needs to
 * look at very little (json/scan.h).
 *
 * json_pointer_at() walks down from the outermost value, at each level past the
 * items before the one that holds the offset: at worst the length times the
 * depth, which is right for error messages and wrong for every reply.
 *
 * Invariant: nothing at or after a span's end is read, even when the text is
 * not what it was promised to be; then only the results are meaningless.
 */
#include "json/span.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "json/scan.h"
#include "json/utf8.h"

enum { REPLACEMENT = 0xFFFD };

enum json_type json_span_type(struct json_span span)
{
    if (span.len == 0)
        return JSON_NONE;
    switch (span.data[0]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

static bool is_container(struct json_span span)
{
    return span.len >= 2 && (span.data[0] | FOLD) == '{';
}

struct json_cursor json_open(struct json_span container)
{
    if (!is_container(container))
        return (struct json_cursor){0};
    return (struct json_cursor){.at = container.data + 1,
                                .end = container.data + container.len - 1,
                                .object = container.data[0] == '{'};
}

static struct json_span span_between(const char *begin, const char *end)
{
    return (struct json_span){begin, (size_t)(end - begin)};
}

bool json_next(struct json_cursor *cursor, struct json_item *ret_item)
{
    const char *end = cursor->end;
    const char *at = skip_space(cursor->at, end);
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    if (at == end)
        return false;
    struct json_item item = {.key = {at, 0}};
    if (cursor->object) {
        const char *key_end = skip_string(at, end);
        item.key = span_between(at, key_end);
        at = skip_space(key_end, end);
        if (at < end)
            at = skip_space(at + 1, end);
        if (at == end)
            return false;
    }
    cursor->at = skip_value(at, end);
    item.value = span_between(at, cursor->at);
    *ret_item = item;
    return true;
}

/* What is between the quotes. */
static struct json_span inside(struct json_span string)
{
    return string.len < 2 ? (struct json_span){string.data, 0}
                          : (struct json_span){string.data + 1, string.len - 2};
}

static bool is_surrogate(uint32_t code)
{
    return code >= 0xD800 && code <= 0xDFFF;
}

static uint32_t hex_digit(char c)
{
    return c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 0x20) - 'a' + 10);
}

static uint32_t hex_four(const char *at)
{
    return hex_digit(at[0]) << 12 | hex_digit(at[1]) << 8 | hex_digit(at[2]) << 4 |
           hex_digit(at[3]);
}

/* Reads the \u escape at `at`, and a second one when both make a pair. The code is a
 * surrogate when it stands alone. */
static const char *read_unicode_escape(const char *at, const char *end, uint32_t *ret_code)
{
    *ret_code = REPLACEMENT;
    if (end - at < 6)
        return end;
    uint32_t code = hex_four(at + 2);
    at += 6;
    if (code >= 0xD800 && code <= 0xDBFF && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hex_four(at + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *ret_code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            return at + 6;
        }
    }
    *ret_code = code;
    return at;
}

/* Reads the escape at `at`; returns the position after it. */
static const char *read_escape(const char *at, const char *end, uint32_t *ret_code)
{
    static const char names[] = "bfnrt", codes[] = "\b\f\n\r\t";
    if (end - at < 2) {
        *ret_code = REPLACEMENT;
        return end;
    }
    if (at[1] == 'u')
        return read_unicode_escape(at, end, ret_code);
    const char *name = memchr(names, at[1], sizeof names - 1);
    *ret_code = (unsigned char)(name != NULL ? codes[name - names] : at[1]);
    return at + 2;
}

static unsigned encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (unsigned i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)((0xF00u >> len & 0xF0) | code);
    return len;
}

/* A string's decoded bytes, one at a time. */
struct reader {
    const char *at, *end;
    char encoded[4]; /* of the last escape */
    unsigned used, len;
    bool replace; /* a lone surrogate by U+FFFD */
};
enum { READER_END = -1, READER_LONE = -2 };

static struct reader read_string(struct json_span string, bool replace)
{
    struct json_span text = inside(string);
    return (struct reader){.at = text.data, .end = text.data + text.len, .replace = replace};
}

static int next_byte(struct reader *reader)
{
    if (reader->used < reader->len)
        return (unsigned char)reader->encoded[reader->used++];
    if (reader->at == reader->end)
        return READER_END;
    if (*reader->at != '\\')
        return (unsigned char)*reader->at++;
    uint32_t code;
    reader->at = read_escape(reader->at, reader->end, &code);
    if (is_surrogate(code)) {
        if (!reader->replace)
            return READER_LONE;
        code = REPLACEMENT;
    }
    reader->len = encode(code, reader->encoded);
    reader->used = 1;
    return (unsigned char)reader->encoded[0];
}

static bool has_escape(struct json_span text)
{
    return text.len > 0 && memchr(text.data, '\\', text.len) != NULL;
}

bool json_key_is_fully(struct json_span key, const char *name, size_t len)
{
    struct json_span text = inside(key);
    if (!has_escape(text))
        return text.len == len && (len == 0 || memcmp(text.data, name, len) == 0);
    struct reader reader = read_string(key, false);
    for (size_t i = 0; i < len; i++) {
        if (next_byte(&reader) != (unsigned char)name[i])
            return false;
    }
    return next_byte(&reader) == READER_END;
}

bool json_keys_equal(struct json_span a, struct json_span b)
{
    struct json_span text = inside(b);
    if (!has_escape(text))
        return json_key_is(a, text.data, text.len);
    struct reader left = read_string(a, false), right = read_string(b, false);
    for (;;) {
        int byte = next_byte(&left);
        if (byte != next_byte(&right) || byte == READER_LONE)
            return false;
        if (byte == READER_END)
            return true;
    }
}

bool json_is_decodable(struct json_span string)
{
    if (!has_escape(inside(string)))
        return true;
    struct reader reader = read_string(string, false);
    int byte = next_byte(&reader);
    while (byte >= 0)
        byte = next_byte(&reader);
    return byte == READER_END;
}

/* Copies what fits below cap; returns the length as if all had. */
static size_t put(char *out, size_t cap, size_t len, const char *data, size_t count)
{
    if (len < cap)
        memcpy(out + len, data, count < cap - len ? count : cap - len);
    return len + count;
}

size_t json_decode(struct json_span string, char *out, size_t cap)
{
    struct json_span text = inside(string);
    const char *at = text.data, *end = text.data + text.len;
    size_t len = 0;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *run_end = escape != NULL ? escape : end;
        len = put(out, cap, len, at, (size_t)(run_end - at));
        at = run_end;
        if (escape != NULL) {
            uint32_t code;
            char bytes[4];
            at = read_escape(escape, end, &code);
            unsigned count = encode(is_surrogate(code) ? REPLACEMENT : code, bytes);
            len = put(out, cap, len, bytes, count);
        }
    }
    return len;
}

struct pointer {
    char *out;
    size_t len, room; /* room does not count the terminator */
};

/* Adds all of it or, when it does not fit, nothing now or later. */
static void add(struct pointer *pointer, const char *data, size_t len)
{
    if (len > pointer->room - pointer->len) {
        pointer->room = pointer->len;
        return;
    }
    memcpy(pointer->out + pointer->len, data, len);
    pointer->len += len;
}

/* One character at a time, so that the pointer is cut between characters. It is a C
 * string: U+0000 becomes U+FFFD in it. */
static void add_key(struct pointer *pointer, struct json_span key)
{
    struct reader reader = read_string(key, true);
    add(pointer, "/", 1);
    for (int byte = next_byte(&reader); byte != READER_END; byte = next_byte(&reader)) {
        char character[4] = {(char)byte};
        unsigned len = utf8_lead((unsigned char)byte).len;
        for (unsigned i = 1; i < len; i++)
            character[i] = (char)next_byte(&reader);
        if (byte == '~')
            add(pointer, "~0", 2);
        else if (byte == '/')
            add(pointer, "~1", 2);
        else if (byte == 0)
            add(pointer, "\xEF\xBF\xBD", 3);
        else
            add(pointer, character, len);
    }
}

static void add_index(struct pointer *pointer, size_t index)
{
    char text[24];
    int len = snprintf(text, sizeof text, "/%zu", index);
    add(pointer, text, (size_t)len);
}

/* Finds the item of a container whose value holds the byte at `target`. */
static bool find_item(struct json_span container, const char *target, struct json_item *ret_item,
                      size_t *ret_index)
{
    struct json_cursor cursor = json_open(container);
    struct json_item item;
    for (size_t index = 0; json_next(&cursor, &item) && item.value.data <= target; index++) {
        if (target < item.value.data + item.value.len) {
            *ret_item = item;
            *ret_index = index;
            return true;
        }
    }
    return false;
}

void json_pointer_at(struct json_span text, size_t offset, char *out, size_t cap)
{
    if (cap == 0)
        return;
    struct pointer pointer = {.out = out, .room = cap - 1};
    struct json_item item;
    size_t index;
    while (offset < text.len && find_item(text, text.data + offset, &item, &index)) {
        if (item.key.len > 0)
            add_key(&pointer, item.key);
        else
            add_index(&pointer, index);
        offset -= (size_t)(item.value.data - text.data);
        text = item.value;
    }
    out[pointer.len] = '\0';
}

/* Each comma stands between two values, each container that is not empty holds one more
 * than it has commas, and the outermost value is held by none. */
size_t json_count_values(struct json_span text, size_t most)
{
    const char *at = text.data, *end = text.data + text.len;
    size_t count = text.len > 0;
    while (at < end && count < most) {
        at = find_any(at, end, FOLD, "\"{,");
        if (at == end)
            break;
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (*at == ',') {
            count++;
            at++;
        } else {
            at = skip_space(at + 1, end);
            count += at < end && (*at | FOLD) != '}';
        }
    }
    return count < most ? count : most;
}

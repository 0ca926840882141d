/*
 * Writing JSON text. Strings are copied in runs; only a quote, a backslash, a
 * control character or a bad byte ends one. Bad UTF-8 is replaced as browsers
 * do it: one U+FFFD for the longest prefix that a character could have had.
 * Errors stay in the buffer, as its header says.
 */
#include "json/write.h"

#include <stdint.h>
#include <string.h>

#include "json/utf8.h"

/* How many bytes from `at` on can be copied as they are. */
static size_t plain_run(const char *at, const char *end)
{
    const char *begin = at;
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        if (c >= 0x80) {
            struct utf8_step step = utf8_step(at, (size_t)(end - at));
            if (step.kind != UTF8_GOOD)
                break;
            at += step.len;
        } else if (c >= 0x20 && c != '"' && c != '\\') {
            at++;
        } else {
            break;
        }
    }
    return (size_t)(at - begin);
}

static void put_escape(struct buffer *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char codes[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *code = memchr(codes, c, sizeof codes - 1);
    if (code != NULL) {
        char text[2] = {'\\', names[code - codes]};
        buffer_append(out, text, sizeof text);
    } else {
        char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        buffer_append(out, text, sizeof text);
    }
}

void json_put_string(struct buffer *out, const char *data, size_t len)
{
    const char *at = data, *end = data + len;
    buffer_byte(out, '"');
    while (at < end) {
        size_t run = plain_run(at, end);
        buffer_append(out, at, run);
        at += run;
        if (at == end)
            break;
        if ((unsigned char)*at < 0x80) {
            put_escape(out, (unsigned char)*at);
            at++;
        } else {
            buffer_append(out, "\xEF\xBF\xBD", 3);
            at += utf8_step(at, (size_t)(end - at)).len;
        }
    }
    buffer_byte(out, '"');
}

void json_put_text(struct buffer *out, const char *string)
{
    json_put_string(out, string, strlen(string));
}

void json_put_milliseconds(struct buffer *out, unsigned long long microseconds)
{
    unsigned thousandths = (unsigned)(microseconds % 1000);
    buffer_printf(out, "%llu", microseconds / 1000);
    if (thousandths == 0)
        return;
    char digits[4] = {'.', (char)('0' + thousandths / 100), (char)('0' + thousandths / 10 % 10),
                      (char)('0' + thousandths % 10)};
    size_t len = sizeof digits;
    while (digits[len - 1] == '0')
        len--;
    buffer_append(out, digits, len);
}

/* Encodes up to three bytes; returns how many characters they need. */
static size_t encode_group(const unsigned char *bytes, size_t count, char out[4])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t group = (uint32_t)bytes[0] << 16;
    if (count > 1)
        group |= (uint32_t)bytes[1] << 8;
    if (count > 2)
        group |= bytes[2];
    for (unsigned i = 0; i < 4; i++)
        out[i] = alphabet[group >> (18 - 6 * i) & 63];
    return count + 1;
}

void json_put_base64url(struct buffer *out, const char *data, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)data;
    char text[1024];
    size_t used = 0;
    buffer_byte(out, '"');
    for (size_t at = 0; at < len; at += 3) {
        used += encode_group(bytes + at, len - at < 3 ? len - at : 3, text + used);
        if (used > sizeof text - 4) {
            buffer_append(out, text, used);
            used = 0;
        }
    }
    buffer_append(out, text, used);
    buffer_byte(out, '"');
}

/*
 * The rules are those of the W3C Recommendation "Trace Context": an invalid traceparent is
 * as good as none and takes tracestate with it; an invalid tracestate goes alone. We may
 * not understand a future version, so what we send is always version 00.
 */
#include "core/trace_context.h"

#include <string.h>

enum { STATE_MAX = 512, MEMBERS_MAX = 32, KEY_MAX = 256, TENANT_MAX = 241, SYSTEM_MAX = 14 };

static int digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1; /* capitals are invalid */
}

static bool read_bytes(const char *text, size_t count, unsigned char *out)
{
    for (size_t i = 0; i < count; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

bool trace_parent_parse(const char *text, size_t len, struct trace_context *ret_context)
{
    unsigned char version, parent[8], flags;
    struct trace_context context = {.state = NULL};
    if (len < TRACEPARENT_TEXT || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return false;
    if (!read_bytes(text, 1, &version) || version == 0xff)
        return false;
    if (len > TRACEPARENT_TEXT && (version == 0 || text[TRACEPARENT_TEXT] != '-'))
        return false;
    if (!read_bytes(text + 3, 16, context.trace_id) || !read_bytes(text + 36, 8, parent) ||
        !read_bytes(text + 53, 1, &flags))
        return false;
    if (all_zero(context.trace_id, 16) || all_zero(parent, 8))
        return false;
    for (size_t i = 0; i < sizeof parent; i++)
        context.parent = context.parent << 8 | parent[i];
    context.flags = flags & (TRACE_SAMPLED | TRACE_RANDOM);
    *ret_context = context;
    return true;
}

/* ---- tracestate ---- */

static bool is_lower(char byte)
{
    return byte >= 'a' && byte <= 'z';
}

static bool is_numeral(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool key_part(const char *key, size_t len, bool may_begin_with_digit)
{
    if (len == 0 || !(is_lower(key[0]) || (may_begin_with_digit && is_numeral(key[0]))))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_lower(key[i]) && !is_numeral(key[i]) && !memchr("_-*/", key[i], 4))
            return false;
    return true;
}

static bool key_valid(const char *key, size_t len)
{
    const char *at = memchr(key, '@', len);
    if (!at)
        return len <= KEY_MAX && key_part(key, len, false);
    size_t tenant = (size_t)(at - key), system = len - tenant - 1;
    return tenant <= TENANT_MAX && system <= SYSTEM_MAX && key_part(key, tenant, true) &&
           key_part(at + 1, system, false);
}

static bool value_valid(const char *value, size_t len)
{
    if (len == 0 || len > KEY_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (value[i] < 0x20 || value[i] > 0x7e || value[i] == ',' || value[i] == '=')
            return false;
    return value[len - 1] != ' ';
}

static bool member_valid(const char *member, size_t len)
{
    const char *equals = memchr(member, '=', len);
    if (!equals)
        return false;
    size_t key = (size_t)(equals - member);
    return key_valid(member, key) && value_valid(equals + 1, len - key - 1);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Empty members are allowed. */
bool trace_state_valid(const char *text, size_t len)
{
    const char *at = text, *end = text + len;
    size_t members = 0;
    if (len > STATE_MAX)
        return false;
    for (; at <= end; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        const char *next = stop;
        while (at < stop && is_blank(*at))
            at++;
        while (stop > at && is_blank(stop[-1]))
            stop--;
        if (stop > at && (++members > MEMBERS_MAX || !member_valid(at, (size_t)(stop - at))))
            return false;
        at = next;
    }
    return members > 0;
}

/* ---- fields ---- */

static const char *joined_state(const struct header_list *headers, struct arena *arena)
{
    const char *joined = NULL;
    size_t len = 0;
    for (size_t i = 0; i < headers->count && len <= STATE_MAX; i++) {
        const struct header *header = &headers->items[i];
        if (!header_is(header, "tracestate"))
            continue;
        joined = joined ? arena_printf(arena, "%s,%s", joined, header->value) : header->value;
        len = strlen(joined);
    }
    return joined && trace_state_valid(joined, len) ? joined : NULL;
}

const struct trace_context *trace_read(const struct header_list *headers, struct arena *arena)
{
    const char *value = NULL;
    struct trace_context context;
    for (size_t i = 0; i < headers->count; i++) {
        if (!header_is(&headers->items[i], "traceparent"))
            continue;
        if (value)
            return NULL; /* which of them? */
        value = headers->items[i].value;
    }
    if (!value || !trace_parent_parse(value, strlen(value), &context))
        return NULL;
    struct trace_context *kept = arena_alloc(arena, sizeof *kept);
    *kept = context;
    kept->state = joined_state(headers, arena);
    return kept;
}

/* ---- writing ---- */

static void put_bytes(const unsigned char *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void trace_id_write(const unsigned char trace_id[16], char out[TRACE_ID_TEXT + 1])
{
    put_bytes(trace_id, 16, out);
    out[TRACE_ID_TEXT] = '\0';
}

void span_id_write(uint64_t id, char out[SPAN_ID_TEXT + 1])
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(id >> (56 - 8 * i));
    put_bytes(bytes, sizeof bytes, out);
    out[SPAN_ID_TEXT] = '\0';
}

void trace_parent_write(const struct trace_context *context, uint64_t span,
                        char out[TRACEPARENT_TEXT + 1])
{
    unsigned char flags = (unsigned char)context->flags;
    memcpy(out, "00-", 3);
    trace_id_write(context->trace_id, out + 3);
    out[35] = '-';
    span_id_write(span, out + 36);
    out[52] = '-';
    put_bytes(&flags, 1, out + 53);
    out[TRACEPARENT_TEXT] = '\0';
}

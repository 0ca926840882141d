/*
 * The reference validator: a pushdown automaton that is fed one byte at a time
 * and never looks ahead or back. It shares no code with the vectorised one in
 * validate.c, so that each can be held against the other.
 *
 * Which byte a verdict names (both validators obey):
 *   SYNTAX, CONTROL_CHAR  the byte itself
 *   TOO_DEEP              the bracket that opens one container too many
 *   TRAILING              the first byte after the value that is not white space
 *   BAD_UTF8              the first byte of the bad sequence
 *   BAD_ESCAPE            its backslash
 *   EMPTY, TRUNCATED      len
 * The fault is the one of the first byte that no valid text could have after
 * the bytes before it. A sequence or an escape that could still have become
 * good when the text ended is TRUNCATED. A number ends at the first byte that
 * cannot continue it, so "01" is TRAILING at 1 and "[01]" is SYNTAX at 2.
 *
 * Invariants: bit d of `kinds` tells whether the container open at depth d+1 is
 * an object; state DONE means depth 0; a refused text has only fault and offset.
 */
#include "json/validate.h"

#include <assert.h>
#include <stdbool.h>

enum state {
    BEFORE_TEXT,
    VALUE,
    FIRST_ITEM, /* after '[': a value or ']' */
    FIRST_KEY,  /* after '{': a key or '}' */
    KEY,
    COLON,
    AFTER_VALUE, /* in a container: a comma or its end */
    DONE,
    STRING,
    ESCAPE,
    HEX,
    CONTINUATION, /* inside a UTF-8 sequence */
    LITERAL,
    MINUS,
    ZERO,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,
    EXPONENT_SIGN,
    EXPONENT_DIGITS,
};

struct machine {
    enum state state;
    enum json_type type;
    unsigned depth, depth_allowed;
    bool string_is_key;
    unsigned pending;                  /* bytes left of a HEX escape or a UTF-8 sequence */
    unsigned char next_low, next_high; /* what the next continuation byte may be */
    const char *literal;               /* what is left of true, false or null */
    size_t at;                         /* offset of the byte being fed */
    size_t sequence;                   /* where the current escape or UTF-8 sequence began */
    size_t start, end;                 /* of the top-level value */
    unsigned char kinds[JSON_DEPTH_MAX / 8];
};

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(unsigned char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool in_object(const struct machine *m)
{
    return (m->kinds[(m->depth - 1) / 8] >> ((m->depth - 1) % 8)) & 1;
}

static void value_done(struct machine *m, size_t end)
{
    m->state = m->depth > 0 ? AFTER_VALUE : DONE;
    m->end = end;
}

static enum json_fault open_container(struct machine *m, bool object)
{
    if (m->depth == m->depth_allowed)
        return JSON_TOO_DEEP;
    unsigned char bit = (unsigned char)(1u << (m->depth % 8));
    unsigned char *kinds = &m->kinds[m->depth / 8];
    *kinds = (unsigned char)(object ? *kinds | bit : *kinds & ~bit);
    m->depth++;
    m->state = object ? FIRST_KEY : FIRST_ITEM;
    return JSON_VALID;
}

static enum json_fault close_container(struct machine *m)
{
    m->depth--;
    value_done(m, m->at + 1);
    return JSON_VALID;
}

static enum json_fault begin_string(struct machine *m, bool key)
{
    m->string_is_key = key;
    m->state = STRING;
    return JSON_VALID;
}

static enum json_fault begin_literal(struct machine *m, const char *rest)
{
    m->literal = rest;
    m->state = LITERAL;
    return JSON_VALID;
}

static enum json_fault begin_number(struct machine *m, unsigned char c)
{
    m->state = c == '-' ? MINUS : c == '0' ? ZERO : INTEGER;
    return JSON_VALID;
}

static enum json_type type_of(unsigned char c)
{
    switch (c) {
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
        return c == '-' || is_digit(c) ? JSON_NUMBER : JSON_NONE;
    }
}

static enum json_fault begin_value(struct machine *m, unsigned char c)
{
    enum json_type type = type_of(c);
    if (m->state == BEFORE_TEXT) {
        m->type = type;
        m->start = m->at;
    }
    switch (type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return open_container(m, type == JSON_OBJECT);
    case JSON_STRING:
        return begin_string(m, false);
    case JSON_NUMBER:
        return begin_number(m, c);
    case JSON_TRUE:
        return begin_literal(m, "rue");
    case JSON_FALSE:
        return begin_literal(m, "alse");
    case JSON_NULL:
        return begin_literal(m, "ull");
    case JSON_NONE:
        break;
    }
    return JSON_SYNTAX;
}

/* Between tokens. */
static enum json_fault feed_structure(struct machine *m, unsigned char c)
{
    if (is_space(c))
        return JSON_VALID;
    switch (m->state) {
    case DONE:
        return JSON_TRAILING;
    case FIRST_ITEM:
        return c == ']' ? close_container(m) : begin_value(m, c);
    case FIRST_KEY:
        if (c == '}')
            return close_container(m);
        return c == '"' ? begin_string(m, true) : JSON_SYNTAX;
    case KEY:
        return c == '"' ? begin_string(m, true) : JSON_SYNTAX;
    case COLON:
        m->state = VALUE;
        return c == ':' ? JSON_VALID : JSON_SYNTAX;
    case AFTER_VALUE:
        if (c == (in_object(m) ? '}' : ']'))
            return close_container(m);
        m->state = in_object(m) ? KEY : VALUE;
        return c == ',' ? JSON_VALID : JSON_SYNTAX;
    default:
        return begin_value(m, c);
    }
}

static void begin_sequence(struct machine *m, unsigned char c)
{
    m->sequence = m->at;
    m->pending = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    m->next_low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    m->next_high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    m->state = CONTINUATION;
}

static enum json_fault feed_string(struct machine *m, unsigned char c)
{
    if (c < 0x20)
        return JSON_CONTROL_CHAR;
    if (c == '"') {
        if (m->string_is_key)
            m->state = COLON;
        else
            value_done(m, m->at + 1);
    } else if (c == '\\') {
        m->sequence = m->at;
        m->state = ESCAPE;
    } else if (c >= 0x80) {
        m->sequence = m->at;
        if (c < 0xC2 || c > 0xF4)
            return JSON_BAD_UTF8;
        begin_sequence(m, c);
    }
    return JSON_VALID;
}

static enum json_fault feed_escape(struct machine *m, unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        m->state = STRING;
        return JSON_VALID;
    case 'u':
        m->pending = 4;
        m->state = HEX;
        return JSON_VALID;
    default:
        return JSON_BAD_ESCAPE;
    }
}

static enum json_fault feed_hex(struct machine *m, unsigned char c)
{
    if (!is_hex(c))
        return JSON_BAD_ESCAPE;
    if (--m->pending == 0)
        m->state = STRING;
    return JSON_VALID;
}

static enum json_fault feed_continuation(struct machine *m, unsigned char c)
{
    if (c < m->next_low || c > m->next_high)
        return JSON_BAD_UTF8;
    m->next_low = 0x80;
    m->next_high = 0xBF;
    if (--m->pending == 0)
        m->state = STRING;
    return JSON_VALID;
}

static enum json_fault feed_literal(struct machine *m, unsigned char c)
{
    if (c != (unsigned char)*m->literal)
        return JSON_SYNTAX;
    if (*++m->literal == '\0')
        value_done(m, m->at + 1);
    return JSON_VALID;
}

/* Where c leads inside a number; DONE when it is no longer part of it. */
static enum state number_after(enum state state, unsigned char c)
{
    bool digit = is_digit(c), exponent = c == 'e' || c == 'E';
    switch (state) {
    case MINUS:
        return c == '0' ? ZERO : digit ? INTEGER : DONE;
    case ZERO:
        return c == '.' ? POINT : exponent ? EXPONENT : DONE;
    case INTEGER:
        return digit ? INTEGER : c == '.' ? POINT : exponent ? EXPONENT : DONE;
    case POINT:
        return digit ? FRACTION : DONE;
    case FRACTION:
        return digit ? FRACTION : exponent ? EXPONENT : DONE;
    case EXPONENT:
        return digit ? EXPONENT_DIGITS : c == '+' || c == '-' ? EXPONENT_SIGN : DONE;
    default:
        return digit ? EXPONENT_DIGITS : DONE;
    }
}

static bool number_may_end(enum state state)
{
    return state == ZERO || state == INTEGER || state == FRACTION || state == EXPONENT_DIGITS;
}

static enum json_fault feed_number(struct machine *m, unsigned char c)
{
    enum state next = number_after(m->state, c);
    if (next != DONE) {
        m->state = next;
        return JSON_VALID;
    }
    if (!number_may_end(m->state))
        return JSON_SYNTAX;
    value_done(m, m->at);
    return feed_structure(m, c);
}

static enum json_fault feed(struct machine *m, unsigned char c)
{
    switch (m->state) {
    case STRING:
        return feed_string(m, c);
    case ESCAPE:
        return feed_escape(m, c);
    case HEX:
        return feed_hex(m, c);
    case CONTINUATION:
        return feed_continuation(m, c);
    case LITERAL:
        return feed_literal(m, c);
    case MINUS:
    case ZERO:
    case INTEGER:
    case POINT:
    case FRACTION:
    case EXPONENT:
    case EXPONENT_SIGN:
    case EXPONENT_DIGITS:
        return feed_number(m, c);
    default:
        return feed_structure(m, c);
    }
}

static enum json_fault finish(struct machine *m)
{
    if (m->state == BEFORE_TEXT)
        return JSON_EMPTY;
    if (m->depth == 0 && number_may_end(m->state))
        value_done(m, m->at);
    return m->state == DONE ? JSON_VALID : JSON_TRUNCATED;
}

static size_t fault_offset(const struct machine *m, enum json_fault fault)
{
    return fault == JSON_BAD_UTF8 || fault == JSON_BAD_ESCAPE ? m->sequence : m->at;
}

struct json_verdict json_validate_scalar(const char *data, size_t len, unsigned depth)
{
    assert(depth <= JSON_DEPTH_MAX);
    struct machine m;
    m.state = BEFORE_TEXT;
    m.type = JSON_NONE;
    m.depth = 0;
    m.depth_allowed = depth;
    m.start = m.end = 0;
    enum json_fault fault = JSON_VALID;
    for (m.at = 0; m.at < len && fault == JSON_VALID; m.at++) {
        fault = feed(&m, (unsigned char)data[m.at]);
        if (fault != JSON_VALID)
            return (struct json_verdict){.fault = fault, .offset = fault_offset(&m, fault)};
    }
    fault = finish(&m);
    if (fault != JSON_VALID)
        return (struct json_verdict){.fault = fault, .offset = len};
    return (struct json_verdict){.type = m.type, .start = m.start, .end = m.end};
}

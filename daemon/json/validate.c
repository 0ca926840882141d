/*
 * The vectorised validator. It only finds out whether a text is valid, with no
 * word on why not: a text it does not accept is judged again by the scalar
 * validator, which names the fault. So both agree on every refused text, and
 * the one thing left to prove is that nothing invalid is accepted here.
 *
 * The idea: for each block of 64 bytes one vector pass marks the special bytes,
 * those that end a run of plain string text. The grammar is then a short walk
 * from value to value that takes string ends from the marks, so that finding
 * one does not wait for the one before. Each step takes a position and returns
 * the next one, or NULL to give up.
 *
 * Invariants: `end` is just after a closing bracket (other texts go to the
 * scalar validator at once). As no token but a bracket can hold that byte, a step
 * need not ask whether the text is over, except after a closing bracket and
 * where it takes several bytes at once. Marks are consumed in order; those before
 * a string (line breaks, its opening quote) are passed over when its end is asked for.
 */
#include "json/validate.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "json/utf8.h"

const char *json_fault_text(enum json_fault fault)
{
    switch (fault) {
    case JSON_VALID:
        return "valid";
    case JSON_EMPTY:
        return "empty text";
    case JSON_SYNTAX:
        return "syntax error";
    case JSON_TRUNCATED:
        return "truncated text";
    case JSON_BAD_UTF8:
        return "invalid UTF-8";
    case JSON_BAD_ESCAPE:
        return "invalid escape";
    case JSON_CONTROL_CHAR:
        return "control character in a string";
    case JSON_TOO_DEEP:
        return "nested too deep";
    case JSON_TRAILING:
        return "text after the value";
    }
    return "unknown fault";
}

#if defined(__SSE2__)

#include <emmintrin.h>

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* One function in the end: only then do the marks and the position stay in registers. */
#define fast inline __attribute__((always_inline))

enum { VECTOR = 16, BLOCK = 64 };

typedef const unsigned char *position;

struct nesting {
    unsigned depth, depth_allowed;
    unsigned char closing;               /* the bracket that ends the innermost container */
    uint64_t kinds[JSON_DEPTH_MAX / 64]; /* of all open ones: a set bit is an object */
};

/* Lives in registers: it is handed to inline functions only. */
struct judge {
    position end;
    position block; /* the block that the marks are of */
    position next_block;
    uint64_t special; /* its special bytes that were not yet consumed */
    struct nesting *nesting;
};

static fast __m128i load(position at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

/* One bit for each byte that ends a run of plain string text: a quote, a backslash,
 * a control character, or the start of non-ASCII. XOR 2 moves the quote (0x22) next to
 * the control characters; then what is below 0x21, as a signed byte, is all but the
 * backslash. Only the sign of each byte counts. */
static fast uint64_t special_bits(position at)
{
    __m128i bytes = load(at);
    __m128i low = _mm_subs_epi8(_mm_xor_si128(bytes, _mm_set1_epi8(2)), _mm_set1_epi8(0x21));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, backslash));
}

/* One bit for each byte that is not white space. */
static fast unsigned solid_bits(position at)
{
    __m128i bytes = load(at);
    __m128i blank = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')),
                                 _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')));
    __m128i line = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')),
                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(blank, line)) ^ 0xFFFF;
}

/* How many of a vector's bytes are blanks before another comes. */
static fast unsigned leading_blanks(position at)
{
    __m128i blank = _mm_cmpeq_epi8(load(at), _mm_set1_epi8(' '));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(blank) + 1);
}

static fast bool is_space(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static fast bool is_digit(unsigned char c)
{
    return (unsigned char)(c - '0') < 10;
}

static fast bool is_hex(unsigned char c)
{
    return is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

static fast size_t left(const struct judge *judge, position at)
{
    return (size_t)(judge->end - at);
}

/* Not inlined: the constants would be loaded for each string. */
static uint64_t __attribute__((noinline)) block_bits(position block)
{
    return special_bits(block) | special_bits(block + VECTOR) << VECTOR |
           special_bits(block + 2 * VECTOR) << 2 * VECTOR |
           special_bits(block + 3 * VECTOR) << 3 * VECTOR;
}

/* A text shorter than a block. */
static uint64_t short_text_bits(position text, size_t len)
{
    unsigned char block[BLOCK];
    memset(block, ' ', sizeof block);
    memcpy(block, text, len);
    return block_bits(block);
}

/* The last block of a text overlaps the one before: marks seen twice are passed over. */
static fast bool mark_next_block(struct judge *judge)
{
    if (unlikely(left(judge, judge->next_block) < BLOCK)) {
        if (judge->next_block == judge->end)
            return false;
        judge->next_block = judge->end - BLOCK;
    }
    judge->block = judge->next_block;
    judge->special = block_bits(judge->block);
    judge->next_block += BLOCK;
    return true;
}

/* Consumes marks up to the first special byte that is not before `at`. */
static fast position next_special(struct judge *judge, position at)
{
    position special;
    do {
        while (unlikely(judge->special == 0)) {
            if (!mark_next_block(judge))
                return NULL;
        }
        special = judge->block + (unsigned)__builtin_ctzll(judge->special);
        judge->special &= judge->special - 1;
    } while (unlikely(special < at));
    return special;
}

static position __attribute__((noinline)) skip_long_space(position at, position end)
{
    while ((size_t)(end - at) >= VECTOR) {
        unsigned solid = solid_bits(at);
        if (solid != 0)
            return at + __builtin_ctz(solid);
        at += VECTOR;
    }
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Compact texts have no space at all, printed ones a blank, or a line break and an
 * indentation: one comparison finds the end of a short one. The line break has a mark,
 * which goes with it. */
static fast position skip_space(struct judge *judge, position at)
{
    if (*at > ' ')
        return at;
    if (*at == ' ' && at[1] > ' ')
        return at + 1;
    if (likely(*at == '\n' && left(judge, at) > VECTOR + 1)) {
        position next = at + 1 + leading_blanks(at + 1);
        judge->special &= judge->special - 1;
        if (likely(*next > ' '))
            return next;
    }
    return skip_long_space(at, judge->end);
}

static position judge_escape(position at)
{
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        break;
    default:
        return NULL;
    }
    for (unsigned i = 2; i < 6; i++) {
        if (!is_hex(at[i]))
            return NULL;
    }
    return at + 6;
}

static position judge_non_ascii(position at, position end)
{
    while (*at >= 0x80) {
        struct utf8_step step = utf8_step((const char *)at, (size_t)(end - at));
        if (step.kind != UTF8_GOOD)
            return NULL;
        at += step.len;
    }
    return at;
}

static position __attribute__((noinline)) judge_special(position at, position end)
{
    if (*at < 0x20)
        return NULL;
    return *at == '\\' ? judge_escape(at) : judge_non_ascii(at, end);
}

/* From the opening quote to after the closing one. */
static fast position judge_string(struct judge *judge, position at)
{
    judge->special &= judge->special - 1; /* the opening quote's mark or an earlier one */
    at++;
    for (;;) {
        position special = next_special(judge, at);
        if (unlikely(special == NULL))
            return NULL;
        if (likely(*special == '"'))
            return special + 1;
        at = judge_special(special, judge->end);
        if (at == NULL)
            return NULL;
    }
}

/* Eight bytes at once: a byte XOR '0' is below 10 for digits only, so that adding 118 to
 * it carries into its top bit for anything else. A carry out of a byte disturbs only the
 * bytes after the first that is not a digit. */
static fast position skip_digits(position at, position end)
{
    while ((size_t)(end - at) >= 8) {
        uint64_t bytes;
        memcpy(&bytes, at, 8);
        bytes ^= 0x3030303030303030;
        uint64_t others = (bytes | (bytes + 0x7676767676767676)) & 0x8080808080808080;
        if (others != 0)
            return at + (unsigned)__builtin_ctzll(others) / 8;
        at += 8;
    }
    while (is_digit(*at))
        at++;
    return at;
}

/* From a point or an exponent mark to the end of the number. */
static fast position judge_number_rest(position at, position end)
{
    if (*at == '.') {
        position first = at + 1;
        at = skip_digits(first, end);
        if (at == first)
            return NULL;
    }
    if ((*at | 0x20) != 'e')
        return at;
    at++;
    if (*at == '+' || *at == '-')
        at++;
    position first = at;
    at = skip_digits(first, end);
    return at == first ? NULL : at;
}

/* From the first digit. */
static fast position judge_number(position at, position end)
{
    position first = at;
    at = skip_digits(first, end);
    if (unlikely(*first == '0') && at != first + 1)
        return NULL;
    return *at == '.' || (*at | 0x20) == 'e' ? judge_number_rest(at, end) : at;
}

static fast position judge_word(position at, position end, const char *word, size_t len)
{
    return (size_t)(end - at) > len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

static fast position judge_rare(position at, position end)
{
    switch (*at) {
    case 't':
        return judge_word(at, end, "true", 4);
    case 'f':
        return judge_word(at, end, "false", 5);
    case 'n':
        return judge_word(at, end, "null", 4);
    case '-':
        return is_digit(at[1]) ? judge_number(at + 1, end) : NULL;
    default:
        return NULL;
    }
}

/* From a key's quote to after its colon. */
static fast position judge_key(struct judge *judge, position at)
{
    if (*at != '"') {
        at = skip_space(judge, at);
        if (*at != '"')
            return NULL;
    }
    at = judge_string(judge, at);
    if (unlikely(at == NULL))
        return NULL;
    if (*at != ':') {
        at = skip_space(judge, at);
        if (*at != ':')
            return NULL;
    }
    return at + 1;
}

static fast void enter(struct nesting *nesting, bool object)
{
    uint64_t bit = (uint64_t)1 << (nesting->depth % 64);
    uint64_t *kinds = &nesting->kinds[nesting->depth / 64];
    *kinds = object ? *kinds | bit : *kinds & ~bit;
    nesting->depth++;
    nesting->closing = object ? '}' : ']';
}

static fast void leave(struct nesting *nesting)
{
    nesting->depth--;
    unsigned outer = nesting->depth - 1;
    bool object = nesting->depth > 0 && (nesting->kinds[outer / 64] >> (outer % 64) & 1);
    nesting->closing = object ? '}' : ']';
}

/* From a value's end to where the next one may begin, or to `end` when the text is over. */
static fast position pass_to_next(struct judge *judge, position at)
{
    struct nesting *nesting = judge->nesting;
    while (*at != ',') {
        if (*at == nesting->closing) {
            leave(nesting);
            at++;
            if (at == judge->end)
                return nesting->depth == 0 ? at : NULL;
            if (nesting->depth == 0)
                return NULL;
        } else if (*at <= ' ' && is_space(*at)) {
            at = skip_space(judge, at);
        } else {
            return NULL;
        }
    }
    return nesting->closing == '}' ? judge_key(judge, at + 1) : skip_space(judge, at + 1);
}

/* From an opening bracket to the first value, or to `end` when the text is over. */
static fast position judge_open(struct judge *judge, position at)
{
    bool object = *at == '{';
    if (judge->nesting->depth == judge->nesting->depth_allowed)
        return NULL;
    enter(judge->nesting, object);
    at = skip_space(judge, at + 1);
    if (*at == judge->nesting->closing)
        return pass_to_next(judge, at);
    return object ? judge_key(judge, at) : at;
}

/* Judges a container; `end`, or NULL. The order of the cases is by how common they are. */
static fast position judge_text(struct judge *judge, position at)
{
    while (at != NULL && at != judge->end) {
        if (*at == '"') {
            at = judge_string(judge, at);
        } else if (is_digit(*at)) {
            at = judge_number(at, judge->end);
        } else if (*at == ' ') { /* the usual one behind a colon */
            at++;
            continue;
        } else if (is_space(*at)) {
            at = skip_space(judge, at);
            continue;
        } else if (*at == '{' || *at == '[') {
            at = judge_open(judge, at);
            continue;
        } else {
            at = judge_rare(at, judge->end);
        }
        if (at != NULL)
            at = pass_to_next(judge, at);
    }
    return at;
}

bool json_vector_accepts(const char *data, size_t len, unsigned depth)
{
    bool object = len >= 2 && data[0] == '{' && data[len - 1] == '}';
    bool array = len >= 2 && data[0] == '[' && data[len - 1] == ']';
    if (!object && !array)
        return false;
    struct nesting nesting;
    nesting.depth = 0;
    nesting.depth_allowed = depth;
    nesting.closing = 0;
    position start = (position)data, end = start + len;
    struct judge judge = {end, start, start, 0, &nesting};
    if (len < BLOCK) {
        judge.special = short_text_bits(start, len);
        judge.next_block = end;
    }
    return judge_text(&judge, start) != NULL;
}

#else

bool json_vector_accepts(const char *data, size_t len, unsigned depth)
{
    (void)data;
    (void)len;
    (void)depth;
    return false;
}

#endif

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

struct json_verdict json_validate(const char *data, size_t len, unsigned depth)
{
    assert(depth <= JSON_DEPTH_MAX);
    size_t start = 0, end = len;
    while (end > 0 && is_blank(data[end - 1]))
        end--;
    while (start < end && is_blank(data[start]))
        start++;
    if (!json_vector_accepts(data + start, end - start, depth))
        return json_validate_scalar(data, len, depth);
    enum json_type type = data[start] == '{' ? JSON_OBJECT : JSON_ARRAY;
    return (struct json_verdict){.type = type, .start = start, .end = end};
}

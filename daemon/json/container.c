/*
 * Sixty-four bytes at a time become masks of quotes and brackets. The running parity of
 * the quotes says which bytes are inside strings; brackets outside are counted. A block
 * with a backslash is read byte by byte, as is what is left at the end.
 */
#include "json/container.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { FOLD = 0x20, BLOCK = 64 }; /* ORed into '[' and ']' it makes them '{' and '}' */

struct state {
    size_t depth;
    bool in_string;
};

/* Byte by byte from `at` to `stop`. True at the end of the container, which is then in *ret_at. An
 * escape may take it beyond `stop`. */
static bool read_bytes(struct state *state, const char *at, const char *stop, const char **ret_at)
{
    for (; at < stop; at++) {
        if (state->in_string && *at == '\\') {
            at++;
        } else if (*at == '"') {
            state->in_string = !state->in_string;
        } else if (!state->in_string && (*at | FOLD) == '{') {
            state->depth++;
        } else if (!state->in_string && (*at | FOLD) == '}' && --state->depth == 0) {
            *ret_at = at + 1;
            return true;
        }
    }
    *ret_at = at;
    return false;
}

#if defined(__SSE2__)
struct masks {
    uint64_t quotes, escapes, opening, closing;
};

static inline uint64_t mask(__m128i bytes, char byte, unsigned shift)
{
    __m128i equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
    return (uint64_t)(unsigned)_mm_movemask_epi8(equal) << shift;
}

static inline struct masks read_masks(const char *at)
{
    struct masks masks = {0, 0, 0, 0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + i));
        __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(FOLD));
        masks.quotes |= mask(bytes, '"', i);
        masks.escapes |= mask(bytes, '\\', i);
        masks.opening |= mask(folded, '{', i);
        masks.closing |= mask(folded, '}', i);
    }
    return masks;
}

/* Bit n: whether an odd number of the bits 0..n is set. */
static inline uint64_t parity(uint64_t bits)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* One block without a backslash. */
static bool read_block(struct state *state, const char *at, const struct masks *masks,
                       const char **ret_at)
{
    uint64_t strings = parity(masks->quotes) ^ (state->in_string ? ~(uint64_t)0 : 0);
    uint64_t brackets = (masks->opening | masks->closing) & ~strings;
    for (; brackets != 0; brackets &= brackets - 1) {
        unsigned place = (unsigned)__builtin_ctzll(brackets);
        state->depth += masks->opening >> place & 1 ? 1 : -1;
        if (state->depth == 0) {
            *ret_at = at + place + 1;
            return true;
        }
    }
    state->in_string = strings >> 63;
    *ret_at = at + BLOCK;
    return false;
}
#endif

const char *json_container_end(const char *at, const char *end)
{
    struct state state = {0, false};
#if defined(__SSE2__)
    while (end - at >= BLOCK) {
        struct masks masks = read_masks(at);
        if (masks.escapes != 0 ? read_bytes(&state, at, at + BLOCK, &at)
                               : read_block(&state, at, &masks, &at))
            return at;
    }
#endif
    (void)read_bytes(&state, at, end, &at);
    return at < end ? at : end;
}

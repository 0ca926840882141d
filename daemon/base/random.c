/*
 * xoshiro256** by Blackman and Vigna: 256 bits of state, a few instructions a number. A
 * state of zeros would stay there for ever, so it is never used. Derived numbers are
 * splitmix64, whose outputs differ for different inputs.
 */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

static uint64_t rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

int random_seed(struct random *random)
{
    if (getrandom(random->state, sizeof random->state, 0) != sizeof random->state)
        return -errno;
    random->state[0] |= 1;
    return 0;
}

uint64_t random_next(struct random *random)
{
    uint64_t *state = random->state;
    uint64_t result = rotate(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 45);
    return result;
}

uint64_t random_derive(uint64_t seed, uint64_t index)
{
    uint64_t value = seed + (index + 1) * 0x9e3779b97f4a7c15ULL;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
    value ^= value >> 31;
    return value ? value : 1;
}

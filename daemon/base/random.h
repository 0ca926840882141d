/*
 * Random numbers for names that must not repeat (trace ids) and for sampling: fast, seeded
 * by the kernel, no secret. One thread each.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

#include "base/errors.h"

struct random {
    uint64_t state[4];
};

/* 0 or -errno. */
int must_check random_seed(struct random *random);
uint64_t random_next(struct random *random);

/* Number `index` of the sequence that `seed` stands for; never 0. Whoever knows both gets
 * the same one, on any thread. */
uint64_t random_derive(uint64_t seed, uint64_t index);

/* True for a share of `part` / 2^32 of all calls. */
static inline int random_hits(struct random *random, uint64_t part)
{
    return part > UINT32_MAX || random_next(random) >> 32 < part;
}

#endif

/* The limits that are counted where they refuse or end something. */
#ifndef CORE_LIMIT_H
#define CORE_LIMIT_H

enum tally_limit {
    TALLY_NO_LIMIT,
#define LIMIT(name, text, meaning) TALLY_##name,
#include "core/limits.def"
#undef LIMIT
    TALLY_LIMITS
};

#endif

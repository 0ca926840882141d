/* Which absolute URLs an ad-hoc batch may name: the `egress.allow` list. */
#ifndef CORE_EGRESS_H
#define CORE_EGRESS_H

#include <stdbool.h>

#include "core/url.h"

struct egress_rule {
    bool suffix;         /* "*.example.com": any name below it, not itself */
    const char *host;    /* lower case; for a suffix the part after "*." */
    unsigned short port; /* 0: the scheme's default port only (80 or 443) */
};

struct egress {
    struct egress_rule *rules;
    size_t count;
};

/* "host", "host:port", "*.suffix", "*.suffix:port", "[::1]:port". NULL when fine,
 * otherwise a sentence that says what is wrong. */
const char *egress_rule_parse(struct arena *arena, const char *text, struct egress_rule *ret_rule);
bool egress_allows(const struct egress *egress, const struct origin *origin);

#endif

/* The HTTP proxy in front of an upstream, as the configuration writes it. */
#ifndef CORE_PROXY_H
#define CORE_PROXY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"

struct proxy {
    const char *text; /* as written: what two must have in common to be one */
    const char *host; /* lower case; an IPv6 literal without brackets */
    bool literal;     /* `host` is an address */
    unsigned short port;
    const char *user, *password; /* decoded; NULL: none are sent */
};

/* Parses "http://host:port", with "user:password@" before the host if it wants them,
 * percent-encoded where needed. NULL when it is one; else what is wrong. */
const char *proxy_parse(struct arena *arena, const char *text, struct proxy *ret_proxy);

/* Writes the text with "***" in place of the user and the password. */
void proxy_mask(const char *text, struct buffer *out);

#endif

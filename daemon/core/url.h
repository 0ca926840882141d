/* URLs, parsed once and by the parser that libcurl itself uses. The only user of
 * curl's URL API in core. */
#ifndef CORE_URL_H
#define CORE_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

#define URL_LENGTH_MAX 8192

struct origin {
    bool tls;              /* https */
    bool literal;          /* `host` is an address, so there is nothing to look up */
    const char *host;      /* lower case; an IPv6 literal without brackets */
    unsigned short port;   /* never 0 */
    const char *authority; /* for the Host field: brackets kept, default port left out */
};

struct url {
    struct origin origin;
    const char *target; /* path and query, begins with '/'; no fragment */
};

/* Parses an absolute http or https URL. NULL when it is one; otherwise a
 * sentence that says what is wrong with it: another scheme, user info, a zone id,
 * port 0, control characters, spaces, backslash, non-ASCII, percent-encoded or
 * empty host, too long, a '.' or '..' path segment. */
const char *url_parse(struct arena *arena, const char *text, struct url *ret_url);

/* True when it begins like one: with http:// or https://. */
bool url_is_absolute(const char *text);

/* Judges an origin-form target ("/path?query") by the same rules; NULL when fine.
 * The characters RFC 3986 forbids are refused except '[', ']' and '|' in the query;
 * '%' must begin a triplet. A path whose decoded form has a segment '.' or '..'
 * (split at '/' and '\') is refused. */
const char *url_check_target(const char *target, size_t len);

/* The length of a target's path: up to '?' or the end. */
size_t url_path_length(const char *target, size_t len);

/* True when `path` (up to '?' or the end) matches a glob: '*' is any run inside one
 * segment, '**' any run of segments, also none. Percent-encoded unreserved
 * characters in the path compare as what they stand for. An encoded slash or
 * backslash ends what a '*' may match: some servers decode it. */
bool url_path_matches(const char *glob, const char *path, size_t path_len);

/* RFC 3986 2.3: letters, digits, "-._~". */
bool url_is_unreserved(char byte);
/* The byte of the triplet at `at`, or -1 when there is none before `end`. */
int url_triplet(const char *at, const char *end);

/* Reads one character of a path for comparing, and moves on: a byte, also where an
 * unreserved one is percent-encoded; URL_ENCODED plus the byte for other triplets. */
#define URL_ENCODED 0x100u
unsigned url_next_character(const char **at, const char *end);

#endif

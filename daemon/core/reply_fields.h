/* Which fields of an upstream's reply go on to the client. */
#ifndef CORE_REPLY_FIELDS_H
#define CORE_REPLY_FIELDS_H

#include "core/outcome.h"

struct reply_field {
    const char *name; /* as it came; borrowed like the value, not terminated */
    size_t name_len;
    const char *value;
    size_t value_len;
};

struct reply_fields {
    struct reply_field *items; /* in the order they came */
    size_t count;
};

/* All end-to-end fields except Set-Cookie, which belongs to the upstream's host, and
 * Content-Length, which belongs to its message. Connection may name further fields
 * that end here (RFC 9110 7.6.1); the first REPLY_FIELDS_NAMED of them are heeded. */
#define REPLY_FIELDS_NAMED 16
struct reply_fields reply_fields_read(const struct outcome *outcome, struct arena *arena);

/* False for what never leaves here in any reply: of both kinds below and above, by name. */
bool reply_name_passed(const char *name);

/* True for what a reply passed on whole must not carry although it is end-to-end: the
 * daemon's own fields (Date, Server, Via, Aggregate-Status), and what speaks for the origin it
 * comes from, because that is the daemon's now (CORS, HSTS, Alt-Svc, Clear-Site-Data). */
bool reply_field_is_the_origins(const struct reply_field *field);

#endif

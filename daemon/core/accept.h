/* Which form of reply a client asks for in Accept (RFC 9110 12.5.1). */
#ifndef CORE_ACCEPT_H
#define CORE_ACCEPT_H

#include "core/header.h"

enum reply_form {
    FORM_WHOLE,         /* one reply when all is done: JSON, or a single upstream's */
    FORM_X_NDJSON,      /* application/x-ndjson, as parts complete */
    FORM_NDJSON,        /* the same as application/ndjson */
    FORM_SERVER_EVENTS, /* text/event-stream, as parts complete */
};

/* A stream only for a client that names its type, not by a wildcard, and gives it a higher
 * weight than application/json has. Of several the one with the highest weight, the first
 * of equals. What is not well-formed counts as absent. */
enum reply_form accept_form(const struct header_list *headers);

/* The media type of a stream; "application/json" for FORM_WHOLE. */
const char *accept_media(enum reply_form form);

#endif

/* Accept-Encoding (RFC 9110 12.5.3): whether a client would rather have gzip. */
#ifndef CORE_ACCEPT_ENCODING_H
#define CORE_ACCEPT_ENCODING_H

#include "core/field_list.h"

/* Weights in thousandths; -1: not named. Begin with ACCEPT_ENCODING_NONE. */
struct accept_encoding {
    int gzip, identity, any;
};
#define ACCEPT_ENCODING_NONE ((struct accept_encoding){-1, -1, -1})

/* Adds one field line. Elements whose weight is none are passed over. */
void accept_encoding_read(struct accept_encoding *accept, struct field_text line);

/* True when gzip is acceptable and weighs no less than what is plain. A client that named
 * neither gzip nor `*` does not want it. */
bool accept_encoding_gzip(const struct accept_encoding *accept);

#endif

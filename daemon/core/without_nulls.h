/* An object without its null members, as a merge patch (RFC 7396) makes one. */
#ifndef CORE_WITHOUT_NULLS_H
#define CORE_WITHOUT_NULLS_H

#include "base/buffer.h"
#include "json/span.h"

/* Leaves out the null members of a validated object and of the objects that are its members'
 * values, at any depth; arrays are values and stay as they are. All else keeps its bytes. */
void without_nulls_put(struct buffer *out, struct json_span object);

#endif

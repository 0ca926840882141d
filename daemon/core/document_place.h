/* Where in a client document a byte is, also when the text goes wrong there. */
#ifndef CORE_DOCUMENT_PLACE_H
#define CORE_DOCUMENT_PLACE_H

#include "base/arena.h"

/* The JSON Pointer (RFC 6901) of the innermost member or item that was begun before
 * data[offset]; cut when it is long. The bytes before `offset` are the beginning of valid JSON
 * with at most `depth` open lists and objects. */
const char *document_place(struct arena *arena, const char *data, size_t offset, unsigned depth);

/* The name, decoded, of the last member that was begun before data[offset] in the innermost open
 * object; "" when there is none. The same is asked of the bytes. */
const char *document_last_key(struct arena *arena, const char *data, size_t offset, unsigned depth);

#endif

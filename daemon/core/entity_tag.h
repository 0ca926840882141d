/* ETag and If-None-Match (RFC 9110 8.8.3, 13.1.2). */
#ifndef CORE_ENTITY_TAG_H
#define CORE_ENTITY_TAG_H

#include "core/field_list.h"

#define ENTITY_TAG_MAX 64

/* A strong tag of the bytes: a 128-bit hash in quotes. Equal bytes have equal tags, here and
 * after a restart. It is no secret and proves nothing: who can choose the bytes may be able to
 * make two bodies with one tag, for clients of their own. */
void entity_tag_make(const char *body, size_t len, char out[ENTITY_TAG_MAX]);

/* "x" with `suffix` is "xsuffix"; `out` as above. A tag that is too long for that, or weak, or
 * none at all, is false. */
bool entity_tag_append(const char *tag, const char *suffix, char out[ENTITY_TAG_MAX]);

/* True when one line of If-None-Match names `tag`: weakly compared, or as `*`. What is not
 * a list of tags matches nothing. */
bool entity_tag_matches(struct field_text line, const char *tag);

#endif

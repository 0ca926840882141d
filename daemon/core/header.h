/* HTTP fields as a list in order, and which of them may be set by whom. */
#ifndef CORE_HEADER_H
#define CORE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buffer.h"

struct header {
    const char *name;  /* as given; compared without case */
    const char *value; /* no CR, LF, NUL; no white space around it */
};

struct header_list {
    struct header *items;
    size_t count, cap;
};

/* Appends; name and value are borrowed and must live as long as the arena. */
void header_add(struct arena *arena, struct header_list *list, const char *name, const char *value);
/* Most fields differ from a name in its first letter; this bit is the case of that. */
static inline bool header_is(const struct header *header, const char *name)
{
    return (header->name[0] | ' ') == (name[0] | ' ') && strcasecmp(header->name, name) == 0;
}
/* The first value of a field, or NULL. */
const char *header_get(const struct header_list *list, const char *name);

/* Field lines as they go out; an empty value leaves no blank behind the colon. */
void header_put(struct buffer *out, const char *name, const char *value);
void header_put_all(struct buffer *out, const struct header_list *list);

/* RFC 9110: a field name is a token; a value has no control characters but tab. */
bool header_name_valid(const char *name);
bool header_value_valid(const char *value, size_t len);
/* An upper-case-or-any token of at most 32 characters. */
bool header_method_valid(const char *method);
/* The standard method that differs from `method` in the case of its letters only, or NULL.
 * Methods are case-sensitive (RFC 9110 9.1), so it was probably meant. */
const char *header_method_meant(const char *method);
#define HEADER_METHOD_CASE "methods are case-sensitive; did you mean \"%s\"?"

/* Fields nobody may set on an upstream call: hop-by-hop (RFC 9110 7.6.1), those
 * the carrier writes itself (Host, Content-Length, ...), and claims about the
 * client's identity (Forwarded, X-Forwarded-*, X-Real-IP, Via). */
bool header_refused(const char *name);

/* GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110 9.2.2). */
bool header_method_idempotent(const char *method);

/* What a Content-Type value says about the body. */
enum media_kind { MEDIA_NONE, MEDIA_JSON, MEDIA_TEXT, MEDIA_OTHER };
enum media_kind header_media_kind(const char *content_type); /* NULL: MEDIA_NONE */

#endif

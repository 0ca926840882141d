/* The elements of a field value that is a list (RFC 9110 5.6.1), and the numbers in them. */
#ifndef CORE_FIELD_LIST_H
#define CORE_FIELD_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct field_text {
    const char *data; /* borrowed, not terminated */
    size_t len;
};

static inline bool field_is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The text without white space at its ends. */
struct field_text field_trim(const char *data, size_t len);

/* Takes the next element off `*rest`, trimmed; empty ones are passed over. Commas inside
 * quoted strings do not count; a quoted string without an end goes to the end of the value.
 * False when there are no more. */
bool field_list_next(struct field_text *rest, struct field_text *ret_element);

/* Compared without case. Most texts differ in length, and that of a literal is known. */
static inline bool field_text_is(struct field_text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

/* True when one of the elements is `word`. */
bool field_list_has(struct field_text list, const char *word);

/* delta-seconds (RFC 9111 1.2.2): digits only; what is larger is FIELD_SECONDS_MAX. */
#define FIELD_SECONDS_MAX 2147483648U
bool field_seconds(struct field_text text, uint32_t *ret_seconds);

#endif

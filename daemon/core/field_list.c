/*
 * One pass over borrowed bytes, no allocation: whatever an upstream or a client sends
 * costs what it is long.
 */
#include "core/field_list.h"

#include <string.h>

struct field_text field_trim(const char *data, size_t len)
{
    while (len > 0 && field_is_blank(data[0])) {
        data++;
        len--;
    }
    while (len > 0 && field_is_blank(data[len - 1]))
        len--;
    return (struct field_text){data, len};
}

/* How far the element at the front goes. */
static size_t element_length(struct field_text text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            quoted = !quoted;
        else if (quoted && text.data[i] == '\\')
            i++;
        else if (!quoted && text.data[i] == ',')
            return i;
    }
    return text.len;
}

bool field_list_next(struct field_text *rest, struct field_text *ret_element)
{
    while (rest->len > 0) {
        size_t len = element_length(*rest);
        *ret_element = field_trim(rest->data, len);
        size_t used = len < rest->len ? len + 1 : len;
        rest->data += used;
        rest->len -= used;
        if (ret_element->len > 0)
            return true;
    }
    return false;
}

bool field_list_has(struct field_text list, const char *word)
{
    struct field_text element;
    while (field_list_next(&list, &element))
        if (field_text_is(element, word))
            return true;
    return false;
}

bool field_seconds(struct field_text text, uint32_t *ret_seconds)
{
    uint64_t seconds = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        seconds = seconds * 10 + (uint64_t)(text.data[i] - '0');
        if (seconds > FIELD_SECONDS_MAX)
            seconds = FIELD_SECONDS_MAX;
    }
    *ret_seconds = (uint32_t)seconds;
    return text.len > 0;
}

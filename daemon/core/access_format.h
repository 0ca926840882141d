/* Lines of the access log: one JSON object each, or what a format string says. */
#ifndef CORE_ACCESS_FORMAT_H
#define CORE_ACCESS_FORMAT_H

#include "core/access_record.h"
#include "core/faults.h"

struct access_format;

/* `text` is "json" or has fields: "%{status} %{target} %{header:Via}", with "%%" for a percent
 * sign. What is wrong becomes a fault at `node`, and the result is NULL. From the arena. */
const struct access_format *access_format_compile(struct arena *arena, const char *text,
                                                  const struct node *node, struct faults *faults);

/* What of a request's head a format shows, so that a record has it. */
struct access_shown {
    bool host, user_agent, referer;
    unsigned format; /* for the record: it tells formats with different names apart */
    size_t count;
    const char *names[ACCESS_HEADERS_MAX]; /* of fields */
};
const struct access_shown *access_format_shown(const struct access_format *format);

/* Appends a line with its end. `offset` is what makes a monotonic moment one since 1970. In
 * strings of a format, bytes that could break a line or pass for a quote are \xNN; so are
 * blanks, unless the format has quotes around the field. */
void access_format_write(const struct access_format *format, const struct access_record *record,
                         usec_t offset, struct buffer *out);

/* The table of fields, for the reference; false at its end. */
bool access_field(size_t index, const char **ret_name, const char **ret_text);

#endif

/* Lines of the access log: one JSON object each, or what a format string says. */
#ifndef CORE_ACCESS_FORMAT_H
#define CORE_ACCESS_FORMAT_H

#include "core/access_record.h"
#include "core/faults.h"

struct access_format;

/* `text` is "json" or has fields: "%{status} %{target}", with "%%" for a percent sign. What
 * is wrong becomes a fault at `node`, and the result is NULL. From the arena. */
const struct access_format *access_format_compile(struct arena *arena, const char *text,
                                                  const struct node *node, struct faults *faults);

/* Appends a line with its end. `offset` is what makes a monotonic moment one since 1970. In
 * strings of a format, bytes that could break a line or pass for a quote are \xNN. */
void access_format_write(const struct access_format *format, const struct access_record *record,
                         usec_t offset, struct buffer *out);

/* "192.0.2.1", "2001:db8::1", "unix", or "". */
enum { ACCESS_ADDRESS_TEXT = 64 };
void access_client_write(const struct access_record *record, char out[ACCESS_ADDRESS_TEXT]);

/* The table of fields, for the reference; false at its end. */
bool access_field(size_t index, const char **ret_name, const char **ret_text);

#endif

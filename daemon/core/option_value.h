/* One scalar option: reading its value from a node, its default, and writing it as text. */
#ifndef CORE_OPTION_VALUE_H
#define CORE_OPTION_VALUE_H

#include "base/buffer.h"
#include "core/faults.h"
#include "core/options.h"

/* Not for OPTION_NODE, SECTION, LIST and MAP. A wrong type or a value out of range is a
 * fault at the node and leaves *field as it is. */
void option_value_read(const struct option *option, const struct node *node, void *field,
                       struct arena *arena, struct faults *faults);
/* The row's fallback, which there must be. */
void option_value_default(const struct option *option, void *field, struct arena *arena);

/* As YAML (one line, which option_value_read() takes again); nothing when absent. */
void option_value_write(const struct option *option, const void *field, struct buffer *out);
/* True when there is something to write. */
bool option_value_present(const struct option *option, const void *field);

/* A double-quoted string that YAML and JSON both read back as the same bytes. */
void option_quote(struct buffer *out, const char *data, size_t len);

/* "1 to 1024", "100ms to 10m", "at least 1"; "" when the row has no range. */
void option_range_text(const struct option *option, char *out, size_t cap);

/* The n-th name of "a|b|c" and its length; false beyond the last. */
bool option_enum_name(const char *names, size_t index, const char **ret_name, size_t *ret_len);

#endif

/*
 * Values are compared in the form in which they are printed, so that one value
 * written in two ways is no change.
 */
#include "core/config_changes.h"

#include <stdint.h>
#include <string.h>

#include "core/option_value.h"

static bool same_value(const struct option *option, const void *left, const void *right)
{
    struct buffer before scope_buffer;
    struct buffer after scope_buffer;
    buffer_init(&before, SIZE_MAX);
    buffer_init(&after, SIZE_MAX);
    option_value_write(option, left, &before);
    option_value_write(option, right, &after);
    return before.len == after.len &&
           (before.len == 0 || memcmp(before.data, after.data, before.len) == 0);
}

struct changes {
    struct arena *arena;
    struct buffer *names;
};

/* Adds the names of changed restart options; `prefix` is the section's, with a dot. */
static void collect_changes(const struct changes *changes, enum option_section section,
                            const char *prefix, const void *running, const void *loaded)
{
    size_t count;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++) {
        const void *before = (const char *)running + rows[i].offset;
        const void *after = (const char *)loaded + rows[i].offset;
        if (rows[i].type == OPTION_SECTION)
            collect_changes(changes, rows[i].inner,
                            arena_printf(changes->arena, "%s.", rows[i].name), before, after);
        else if ((rows[i].flags & OPTION_RESTART) && !same_value(&rows[i], before, after))
            buffer_printf(changes->names, "%s%s%s", changes->names->len > 0 ? ", " : "", prefix,
                          rows[i].name);
    }
}

const char *config_needs_restart(const struct config *running, const struct config *loaded,
                                 struct arena *arena)
{
    struct buffer names scope_buffer;
    buffer_init(&names, SIZE_MAX);
    struct changes changes = {arena, &names};
    collect_changes(&changes, SECTION_TOP, "", running, loaded);
    return names.len > 0 ? arena_copy(arena, names.data, names.len) : NULL;
}

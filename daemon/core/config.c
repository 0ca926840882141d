/*
 * A snapshot and everything it points to lives in one arena; only its gauges
 * are counted on their own, because they outlive it. Nothing in it changes after
 * loading but the reference count.
 */
#include "core/config.h"

#include <string.h>

#include "core/config_check.h"
#include "core/config_files.h"
#include "core/option_value.h"
#include "core/options_read.h"
#include "core/yaml.h"

enum { DEFAULTS_FAULTS = 8 };

static struct config *config_new(void)
{
    struct arena *arena = arena_new();
    struct config *config = arena_alloc(arena, sizeof(*config));
    config->arena = arena;
    config->references = 1;
    config->routes = routes_new(arena);
    return config;
}

static void share_gauges(struct config *config, const struct config *previous)
{
    struct upstream *upstreams = config->upstreams.items;
    config->in_flight = previous ? gauge_ref(previous->in_flight) : gauge_new();
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct upstream *before =
            previous ? config_upstream(previous, upstreams[i].name) : NULL;
        upstreams[i].in_flight = before ? gauge_ref(before->in_flight) : gauge_new();
    }
}

/* Reads a tree into a new configuration; `root` NULL: defaults. */
static void fill(struct config *config, const struct node *root, struct faults *faults)
{
    options_read(SECTION_TOP, root, false, config, config->arena, faults);
    config_check_values(config, root, faults);
    config_check_endpoints(config, faults);
    config_check_calls(config, faults);
}

/* Takes `config`: it comes back complete, or NULL with faults. */
static struct config *finish(struct config *config, const struct node *root,
                             const struct config *previous, struct faults *faults)
{
    config->root = root;
    if (root)
        fill(config, root, faults);
    if (faults_any(faults))
        return config_unref(config);
    share_gauges(config, previous);
    return config;
}

struct config *config_load(const char *file, struct config *previous, struct faults *faults)
{
    struct config *config = config_new();
    config->file = arena_string(config->arena, file);
    const struct node *root = config_files_read(config->arena, config->file, faults);
    return finish(config, root, previous, faults);
}

struct config *config_load_memory(const char *name, const char *data, size_t len,
                                  struct faults *faults)
{
    struct config *config = config_new();
    config->file = arena_string(config->arena, name);
    const struct node *root = yaml_parse(config->arena, config->file, data, len, faults);
    return finish(config, root, NULL, faults);
}

struct config *config_defaults(void)
{
    struct config *config = config_new();
    struct faults faults;
    faults_init(&faults, config->arena, DEFAULTS_FAULTS);
    fill(config, NULL, &faults);
    assert(!faults_any(&faults));
    share_gauges(config, NULL);
    return config;
}

struct config *config_ref(struct config *config)
{
    __atomic_add_fetch(&config->references, 1, __ATOMIC_RELAXED);
    return config;
}

struct config *config_unref(struct config *config)
{
    if (!config || __atomic_sub_fetch(&config->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        gauge_unref(upstreams[i].in_flight);
    gauge_unref(config->in_flight);
    arena_free(config->arena);
    return NULL;
}

const struct upstream *config_upstream(const struct config *config, const char *name)
{
    const struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        if (strcmp(upstreams[i].name, name) == 0)
            return &upstreams[i];
    return NULL;
}

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

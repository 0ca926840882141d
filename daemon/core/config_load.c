/*
 * Files become a tree, the tree becomes options, options become what runs. A file
 * that cannot be parsed ends it; after that every step goes on in spite of faults,
 * so that people see all of them at once.
 */
#include "core/config_load.h"

#include "core/config_check.h"
#include "core/config_files.h"
#include "core/options_read.h"
#include "core/yaml.h"

enum { DEFAULTS_FAULTS = 8 };

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
    config_share(config, previous);
    return config;
}

struct config *config_load(const char *file, struct config *previous, struct faults *faults)
{
    struct config *config = config_new();
    config->file = arena_string(config->arena, file);
    const struct node *root =
        config_files_read(config->arena, config->file, previous ? previous->root : NULL, faults);
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
    config_share(config, NULL);
    return config;
}

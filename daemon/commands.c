/* Results go to stdout, complaints to stderr, one line each. */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "back/curl_global.h"
#include "cli.h"
#include "core/config_print.h"
#include "core/jansson_tree.h"
#include "core/yaml.h"
#include "front/listen.h"
#include "front/server.h"
#include "load.h"
#include "sys/journal.h"

#define PRINT_MAX ((size_t)64 * 1024 * 1024)

typedef struct config *load_fn(const char *file, struct config *previous, struct faults *faults);

static struct config *load(const char *file, load_fn *how)
{
    scope_arena struct arena *arena = arena_new();
    struct faults faults;
    faults_init(&faults, arena, LOAD_FAULTS_SHOWN);
    struct config *config = how(file, NULL, &faults);
    const char *priority = journal_has_stderr() ? "<3>" : ""; /* an error, to the journal */
    for (const struct fault *fault = faults.first; fault; fault = fault->next)
        fprintf(stderr, "%s%s: %s\n", priority, fault->place, fault->text);
    if (faults.count > faults.most)
        fprintf(stderr, "%sand %zu more\n", priority, faults.count - faults.most);
    return config;
}

struct config *command_load(const char *file)
{
    return load(file, load_config_to_serve);
}

int command_check_config(const char *file)
{
    struct config *config = load(file, load_config_to_check);
    if (!config)
        return EXIT_MISUSED;
    const char *unknown = load_unknown_credential(config);
    if (unknown)
        fprintf(stderr, "CREDENTIALS_DIRECTORY is not set here: %s was not looked at\n", unknown);
    printf("%s: ok\n", file ? file : "built-in defaults");
    config_unref(config);
    return EXIT_SUCCESS;
}

static int print(struct buffer *out)
{
    if (buffer_status(out) != 0) {
        fputs("gatherd: there is no memory for the text\n", stderr);
        return EXIT_FAILED;
    }
    fwrite(out->data, 1, out->len, stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

int command_print_config(const char *file)
{
    scope_buffer struct buffer out;
    buffer_init(&out, PRINT_MAX);
    struct config *config = load(file, load_config);
    if (!config)
        return EXIT_MISUSED;
    config_print(config, &out);
    config_unref(config);
    return print(&out);
}

int command_print_schema(void)
{
    scope_buffer struct buffer out;
    buffer_init(&out, PRINT_MAX);
    config_print_schema(&out);
    return print(&out);
}

int command_print_reference(void)
{
    scope_buffer struct buffer out;
    buffer_init(&out, PRINT_MAX);
    config_print_reference(&out);
    return print(&out);
}

int command_print_man(void)
{
    scope_buffer struct buffer out;
    buffer_init(&out, PRINT_MAX);
    config_print_man(&out);
    return print(&out);
}

int command_version(void)
{
    printf("gatherd %s\nlibmicrohttpd %s\nlibcurl %s\njansson %s\nlibyaml %s\n", GATHERD_VERSION,
           server_library_version(), curl_global_version(), document_library_version(),
           yaml_library_version());
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

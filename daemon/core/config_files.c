/*
 * Merging moves nodes from one file's tree into the other's. Every node keeps
 * the file and line it was written in, so later faults name the right place.
 *
 * A file that is empty where it was not may have been caught in the middle of a write: taking
 * it would end every endpoint in it.
 */
#include "core/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/lists.h"
#include "core/yaml.h"

enum { CHUNK = 16384 };

static void read_stream(FILE *stream, struct buffer *out)
{
    char chunk[CHUNK];
    size_t got;
    while (buffer_status(out) == 0 && (got = fread(chunk, 1, sizeof(chunk), stream)) > 0)
        buffer_append(out, chunk, got);
}

/* What a shell hands over: a pipe such as /dev/stdin, whose writer is there already. */
static bool is_handed_over(const char *file)
{
    return strncmp(file, "/dev/", 5) == 0 || strncmp(file, "/proc/", 6) == 0;
}

/* A stream, or NULL with a fault. Opening and reading a pipe or a device could wait for ever:
 * only `may_wait` allows it. */
static FILE *open_file(const char *file, bool may_wait, struct faults *faults)
{
    struct stat status;
    FILE *stream = NULL;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool found = fd >= 0 && fstat(fd, &status) == 0;
    if (found && !may_wait && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        fault_in(faults, file, "is not a file");
        close(fd);
        return NULL;
    }
    if (found && fcntl(fd, F_SETFL, 0) == 0)
        stream = fdopen(fd, "r");
    if (stream)
        return stream;
    fault_in(faults, file, "cannot be read: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* False with a fault. */
static bool read_file(const char *file, bool may_wait, struct buffer *out, struct faults *faults)
{
    FILE *stream = open_file(file, may_wait, faults);
    if (!stream)
        return false;
    errno = 0;
    read_stream(stream, out);
    int error = ferror(stream) ? errno : 0;
    fclose(stream);
    if (error != 0)
        fault_in(faults, file, "cannot be read: %s", strerror(error));
    else if (buffer_status(out) != 0)
        fault_in(faults, file, "is larger than %zu MiB", YAML_FILE_MAX >> 20);
    return error == 0 && buffer_status(out) == 0;
}

/* Whether something in the tree was written in the file. */
static bool has_part_of(const struct node *tree, const char *file)
{
    for (const struct node *child = tree->first; child; child = child->next)
        if (strcmp(child->file, file) == 0 || has_part_of(child, file))
            return true;
    return false;
}

static struct node *parse_file(struct arena *arena, const char *file, bool may_wait,
                               const struct node *previous, struct faults *faults)
{
    struct buffer content scope_buffer;
    buffer_init(&content, YAML_FILE_MAX);
    if (!read_file(file, may_wait, &content, faults))
        return NULL;
    struct node *root =
        yaml_parse(arena, file, content.data ? content.data : "", content.len, faults);
    if (root && root->kind != NODE_MAP) {
        fault_at(faults, root, "must be a map of options, not %s", node_kind_text(root->kind));
        return NULL;
    }
    if (root && !root->first && previous && has_part_of(previous, file)) {
        fault_in(faults, file,
                 "is empty, and options in force are from it; write a new file beside it and "
                 "rename that, or remove this one or restart if it is meant");
        return NULL;
    }
    return root;
}

static void append_children(struct node *target, struct node *source)
{
    struct node *child = source->first;
    while (child) {
        struct node *next = child->next;
        node_append(target, child);
        child = next;
    }
}

/* A member written without a value says nothing: the other file's stands. */
static void replace(struct node *empty, const struct node *by)
{
    struct node *parent = empty->parent, *next = empty->next;
    size_t position = empty->position;
    *empty = *by;
    empty->parent = parent;
    empty->next = next;
    empty->position = position;
    for (struct node *child = empty->first; child; child = child->next)
        child->parent = empty;
}

/* `depth` 0: the members of the file; 1: those of its sections. Deeper nothing merges, nor
 * do two upstreams of one name. */
static void merge_maps(struct arena *arena, struct node *target, struct node *source,
                       unsigned depth, struct faults *faults)
{
    struct node *child = source->first;
    while (child) {
        struct node *next = child->next;
        struct node *twin = (struct node *)node_get(target, child->key);
        if (!twin) {
            node_append(target, child);
        } else if (twin->kind == NODE_NULL) {
            replace(twin, child);
        } else if (child->kind == NODE_NULL) {
            ; /* the other file's stands */
        } else if (depth == 0 && twin->kind == NODE_MAP && child->kind == NODE_MAP) {
            merge_maps(arena, twin, child, depth + 1, faults);
        } else if (depth == 0 && twin->kind == NODE_LIST && child->kind == NODE_LIST &&
                   strcmp(child->key, "endpoints") == 0) {
            append_children(twin, child);
        } else {
            fault_at_key(faults, child, "\"%.100s\" is also given at %s", child->key,
                         node_place(arena, twin, 1));
        }
        child = next;
    }
}

static int is_part(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

/* By bytes: the order must not depend on the locale. */
static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

/* Lists conf.d beside `file` in order; none when there is no such directory. */
static struct strings list_parts(struct arena *arena, const char *file, struct faults *faults)
{
    struct dirent **entries = NULL;
    const char *slash = strrchr(file, '/');
    int folder_len = slash ? (int)(slash - file) + 1 : 0;
    const char *folder = arena_printf(arena, "%.*sconf.d", folder_len, file);
    int count = scandir(folder, &entries, is_part, compare_names);
    if (count < 0 && errno != ENOENT && errno != ENOTDIR)
        fault_in(faults, folder, "cannot be read: %s", strerror(errno));
    struct strings parts = {arena_array(arena, count > 0 ? (size_t)count : 0, sizeof(char *)), 0};
    for (int i = 0; i < count; i++) {
        parts.items[parts.count++] = arena_printf(arena, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return parts;
}

/* All files are parsed before any is merged: what is wrong in each of them is told at
 * once, and nothing is made of a configuration that lacks a part. */
struct node *config_files_read(struct arena *arena, const char *file, const struct node *previous,
                               struct faults *faults)
{
    size_t faults_before = faults->count;
    bool may_wait = !previous && is_handed_over(file);
    struct node *root = parse_file(arena, file, may_wait, previous, faults);
    struct strings parts = list_parts(arena, file, faults);
    struct node **trees = arena_array(arena, parts.count, sizeof(struct node *));
    for (size_t i = 0; i < parts.count; i++)
        trees[i] = parse_file(arena, parts.items[i], false, previous, faults);
    if (faults->count > faults_before)
        return NULL;
    for (size_t i = 0; i < parts.count; i++)
        merge_maps(arena, root, trees[i], 0, faults);
    return root;
}

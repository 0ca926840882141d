/*
 * One reader by offset serves the configuration file, endpoints and client
 * documents. Members are taken in the order in which they were written, so that
 * faults come in that order; what was not written has its default already.
 */
#include "core/options_read.h"

#include <string.h>

#include "base/nearest.h"
#include "core/lists.h"
#include "core/option_value.h"

enum { NAMES_MAX = 64 };

/* Names that people may try, and why they cannot have them. */
struct refusal {
    enum option_section section;
    const char *name, *why;
};
static const char reserved[] = "this version does not have it; a later one may";
static const char unsupported[] = "it is not supported";
static const struct refusal refusals[] = {
    {SECTION_UPSTREAM, "urls", reserved},
    {SECTION_REQUEST, "retry", reserved},
    {SECTION_REQUEST, "hedge", reserved},
    {SECTION_REQUEST, "cache", reserved},
    {SECTION_REQUEST, "atomicityGroup", unsupported},
    {SECTION_REQUEST, "if", unsupported},
};

struct reading {
    bool document;
    struct arena *arena;
    struct faults *faults;
};

static bool may_write(const struct option *option, bool document)
{
    return !document || !(option->flags & OPTION_CONFIG_ONLY);
}

/* The row for a member, and the struct that its offset counts from. */
static const struct option *find_option(enum option_section section, const char *name,
                                        bool document, void *target, void **ret_target)
{
    size_t count, offset;
    enum option_section inner;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0 && may_write(&rows[i], document)) {
            *ret_target = target;
            return &rows[i];
        }
    if (option_base(section, &inner, &offset))
        return find_option(inner, name, document, (char *)target + offset, ret_target);
    return NULL;
}

static size_t collect_names(enum option_section section, bool document, const char **names)
{
    size_t count, offset, found = 0;
    enum option_section inner;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++)
        if (may_write(&rows[i], document))
            names[found++] = rows[i].name;
    if (option_base(section, &inner, &offset))
        found += collect_names(inner, document, names + found);
    assert(found <= NAMES_MAX);
    return found;
}

/* A batch in the configuration is part of an endpoint, so the endpoint's members count too. */
static bool is_config_only(enum option_section section, const char *name)
{
    size_t count;
    const struct option *rows =
        options_of(section == SECTION_BATCH ? SECTION_ENDPOINT : section, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (rows[i].flags & OPTION_CONFIG_ONLY) != 0;
    return false;
}

static void fault_unknown(const struct reading *reading, enum option_section section,
                          const struct node *member)
{
    const char *names[NAMES_MAX];
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].section == section && strcmp(refusals[i].name, member->key) == 0) {
            fault_at_key(reading->faults, member, "\"%s\" cannot be used: %s", member->key,
                         refusals[i].why);
            return;
        }
    if (reading->document && is_config_only(section, member->key)) {
        fault_at_key(reading->faults, member, "\"%s\" is possible only in the configuration",
                     member->key);
        return;
    }
    size_t count = collect_names(section, reading->document, names);
    const char *nearest = nearest_name(member->key, names, count);
    if (nearest)
        fault_at_key(reading->faults, member, "unknown member \"%.100s\"; did you mean \"%s\"?",
                     member->key, nearest);
    else
        fault_at_key(reading->faults, member, "unknown member \"%.100s\"", member->key);
}

static void read_section(const struct reading *reading, enum option_section section,
                         const struct node *map, void *target);

static bool check_kind(const struct reading *reading, const struct node *node, enum node_kind kind,
                       const char *wanted)
{
    if (node->kind == kind)
        return true;
    fault_at(reading->faults, node, "must be %s, not %s", wanted, node_kind_text(node->kind));
    return false;
}

/* Lists and maps of sections: one struct per child, a map's key as its name. */
static void read_children(const struct reading *reading, const struct option *option,
                          const struct node *node, struct option_list *list)
{
    bool named = option->type == OPTION_MAP;
    if (node->kind == NODE_NULL && !reading->document && option->min == 0)
        return; /* "upstreams:" with everything below it commented out */
    if (!check_kind(reading, node, named ? NODE_MAP : NODE_LIST, named ? "a map" : "a list"))
        return;
    if (node->count < option->min)
        fault_at(reading->faults, node, "must not be empty");
    size_t size = option_section_size(option->inner);
    list->items = arena_array(reading->arena, node->count, size);
    list->count = node->count;
    for (const struct node *child = node->first; child; child = child->next) {
        char *item = (char *)list->items + child->position * size;
        if (named)
            *(const char **)(void *)item = child->key;
        read_section(reading, option->inner, child, item);
    }
}

static void read_member(const struct reading *reading, const struct option *option,
                        const struct node *node, void *target)
{
    void *field = (char *)target + option->offset;
    if (option->type == OPTION_SECTION)
        read_section(reading, option->inner, node, field);
    else if (option->type == OPTION_LIST || option->type == OPTION_MAP)
        read_children(reading, option, node, field);
    else if (option->type == OPTION_NODE)
        *(const struct node **)field = node;
    else
        option_value_read(option, node, field, reading->arena, reading->faults);
}

/* Defaults first: what is written replaces them, and what is wrong leaves them. */
static void set_defaults(const struct reading *reading, enum option_section section, void *target)
{
    size_t count, offset;
    enum option_section inner;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++) {
        void *field = (char *)target + rows[i].offset;
        if (rows[i].type == OPTION_SECTION)
            set_defaults(reading, rows[i].inner, field);
        else if (rows[i].fallback)
            option_value_default(&rows[i], field, reading->arena);
    }
    if (option_base(section, &inner, &offset))
        set_defaults(reading, inner, (char *)target + offset);
}

static void check_required(const struct reading *reading, enum option_section section,
                           const struct node *map)
{
    size_t count, offset;
    enum option_section inner;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++)
        if ((rows[i].flags & OPTION_REQUIRED) && !node_get(map, rows[i].name))
            fault_at(reading->faults, map, "\"%s\" is missing", rows[i].name);
    if (option_base(section, &inner, &offset))
        check_required(reading, inner, map);
}

static void read_section(const struct reading *reading, enum option_section section,
                         const struct node *map, void *target)
{
    size_t node_offset;
    set_defaults(reading, section, target);
    if (option_section_node(section, &node_offset))
        *(const struct node **)(void *)((char *)target + node_offset) = map;
    if (map->kind != NODE_NULL || reading->document)
        if (!check_kind(reading, map, NODE_MAP, reading->document ? "an object" : "a map"))
            return;
    for (const struct node *member = map->first; member; member = member->next) {
        void *owner;
        const struct option *option =
            find_option(section, member->key, reading->document, target, &owner);
        if (option)
            read_member(reading, option, member, owner);
        else
            fault_unknown(reading, section, member);
    }
    check_required(reading, section, map);
}

void options_read(enum option_section section, const struct node *map, bool document, void *target,
                  struct arena *arena, struct faults *faults)
{
    struct reading reading = {document, arena, faults};
    if (map)
        read_section(&reading, section, map, target);
    else
        set_defaults(&reading, section, target);
}

/*
 * One table, read by offset: a row says where its value lies in the section's
 * struct, so one reader serves the configuration file, endpoints and client
 * documents. Members are taken in the order in which they were written, so that
 * faults come in that order; what was not written gets its default afterwards.
 */
#include "core/options.h"

#include <string.h>

#include "base/nearest.h"
#include "core/config.h"
#include "core/option_value.h"

#define KIB(n)          ((uint64_t)(n) << 10)
#define MIB(n)          ((uint64_t)(n) << 20)
#define GIB(n)          ((uint64_t)(n) << 30)
#define MILLISECONDS(n) ((n)*USEC_PER_MSEC)
#define SECONDS(n)      ((n)*USEC_PER_SEC)
#define MINUTES(n)      ((n)*60 * USEC_PER_SEC)

#define OPTION(section_, struct_, field_, name_, type_, ...)                                       \
    {.section = SECTION_##section_,                                                                \
     .name = name_,                                                                                \
     .type = OPTION_##type_,                                                                       \
     .offset = offsetof(struct struct_, field_),                                                   \
     __VA_ARGS__},
static const struct option table[] = {
#include "core/options.def"
};
#undef OPTION

enum { ROWS = sizeof(table) / sizeof(table[0]), NAMES_MAX = 64 };

/* What a section's structs are, and where they remember the node they came from. */
struct layout {
    size_t size, node;
    bool has_node;
};
static const struct layout layouts[SECTION_COUNT] = {
    [SECTION_TOP] = {sizeof(struct config), 0, false},
    [SECTION_LIMITS] = {sizeof(struct limits), 0, false},
    [SECTION_RESOLVER] = {sizeof(struct resolver_options), 0, false},
    [SECTION_EGRESS] = {sizeof(struct egress_options), 0, false},
    [SECTION_PROPAGATE] = {sizeof(struct propagate), 0, false},
    [SECTION_UPSTREAM] = {sizeof(struct upstream), offsetof(struct upstream, node), true},
    [SECTION_UPSTREAM_BATCH] = {sizeof(struct upstream_batch), 0, false},
    [SECTION_ENDPOINT] = {sizeof(struct endpoint), offsetof(struct endpoint, node), true},
    [SECTION_FORWARD] = {sizeof(struct forward), 0, false},
    [SECTION_BATCH] = {sizeof(struct batch), 0, false},
    [SECTION_REQUEST] = {sizeof(struct request), offsetof(struct request, node), true},
};

/* Names that people may try, and why they cannot have them. */
struct refusal {
    enum option_section section;
    const char *name, *why;
};
static const char reserved[] = "this version does not have it; a later one may";
static const char unsupported[] = "it is not supported";
static const struct refusal refusals[] = {
    {SECTION_TOP, "admin", reserved},         {SECTION_UPSTREAM, "urls", reserved},
    {SECTION_REQUEST, "dependsOn", reserved}, {SECTION_REQUEST, "select", reserved},
    {SECTION_REQUEST, "allow", reserved},     {SECTION_REQUEST, "deny", reserved},
    {SECTION_REQUEST, "rename", reserved},    {SECTION_REQUEST, "group", reserved},
    {SECTION_REQUEST, "foreach", reserved},   {SECTION_REQUEST, "dedupe", reserved},
    {SECTION_REQUEST, "retry", reserved},     {SECTION_REQUEST, "hedge", reserved},
    {SECTION_REQUEST, "cache", reserved},     {SECTION_REQUEST, "atomicityGroup", unsupported},
    {SECTION_REQUEST, "if", unsupported},
};

struct reading {
    bool document;
    struct arena *arena;
    struct faults *faults;
};

const struct option *options_of(enum option_section section, size_t *ret_count)
{
    size_t first = 0;
    while (first < ROWS && table[first].section != section)
        first++;
    size_t end = first;
    while (end < ROWS && table[end].section == section)
        end++;
    assert(end > first);
    *ret_count = end - first;
    return &table[first];
}

bool option_base(enum option_section section, enum option_section *ret_inner, size_t *ret_offset)
{
    if (section != SECTION_ENDPOINT)
        return false;
    *ret_inner = SECTION_BATCH;
    *ret_offset = offsetof(struct endpoint, batch);
    return true;
}

size_t option_section_size(enum option_section section)
{
    return layouts[section].size;
}

const char *option_section_name(enum option_section section)
{
    static const char *const names[SECTION_COUNT] = {
        "file",          "limits",   "resolver", "egress", "propagate", "upstream",
        "upstreamBatch", "endpoint", "forward",  "batch",  "request",
    };
    return names[section];
}

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
    if (node->kind == NODE_NULL && !reading->document)
        return; /* "upstreams:" with everything below it commented out */
    if (!check_kind(reading, node, named ? NODE_MAP : NODE_LIST, named ? "a map" : "a list"))
        return;
    if (node->count < option->min)
        fault_at(reading->faults, node, "must not be empty");
    size_t size = layouts[option->inner].size;
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
    set_defaults(reading, section, target);
    if (layouts[section].has_node)
        *(const struct node **)(void *)((char *)target + layouts[section].node) = map;
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

/*
 * One table: a row says where its value lies in the section's struct, so whoever
 * reads, prints or compares options does it by offset and knows no struct.
 */
#include "core/options.h"

#include "base/clock.h"
#include "base/errors.h"
#include "core/config.h"
#include "core/join.h"

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

enum { ROWS = sizeof(table) / sizeof(table[0]) };

/* What a section's structs are, and where they remember the node they came from. */
struct layout {
    size_t size, node;
    bool has_node;
};
static const struct layout layouts[SECTION_COUNT] = {
    [SECTION_TOP] = {sizeof(struct config), 0, false},
    [SECTION_LIMITS] = {sizeof(struct limits), 0, false},
    [SECTION_STREAM] = {sizeof(struct stream_options), 0, false},
    [SECTION_RESOLVER] = {sizeof(struct resolver_options), 0, false},
    [SECTION_EGRESS] = {sizeof(struct egress_options), 0, false},
    [SECTION_PROPAGATE] = {sizeof(struct propagate), 0, false},
    [SECTION_COMPRESSION] = {sizeof(struct compression), 0, false},
    [SECTION_ACCESS_LOG] = {sizeof(struct access_log_options), 0, false},
    [SECTION_TRACING] = {sizeof(struct tracing_options), 0, false},
    [SECTION_UPSTREAM] = {sizeof(struct upstream), offsetof(struct upstream, node), true},
    [SECTION_UPSTREAM_BATCH] = {sizeof(struct upstream_batch), 0, false},
    [SECTION_ENDPOINT] = {sizeof(struct endpoint), offsetof(struct endpoint, node), true},
    [SECTION_FORWARD] = {sizeof(struct forward), 0, false},
    [SECTION_BATCH] = {sizeof(struct batch), 0, false},
    [SECTION_JOIN] = {sizeof(struct join), offsetof(struct join, node), true},
    [SECTION_REQUEST] = {sizeof(struct request), offsetof(struct request, node), true},
    [SECTION_FOREACH] = {sizeof(struct foreach), 0, false},
};

/* From the end: what client documents have is there, and they are read most often. */
const struct option *options_of(enum option_section section, size_t *ret_count)
{
    size_t end = ROWS;
    while (end > 0 && table[end - 1].section != section)
        end--;
    size_t first = end;
    while (first > 0 && table[first - 1].section == section)
        first--;
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

bool option_section_node(enum option_section section, size_t *ret_offset)
{
    if (!layouts[section].has_node)
        return false;
    *ret_offset = layouts[section].node;
    return true;
}

const char *option_section_name(enum option_section section)
{
    static const char *const names[SECTION_COUNT] = {
        "file",        "limits",    "stream",  "resolver", "egress",        "propagate",
        "compression", "accessLog", "tracing", "upstream", "upstreamBatch", "endpoint",
        "forward",     "batch",     "join",    "request",  "foreach",
    };
    return names[section];
}

/*
 * One definition per section, the members of a file at the top. What the table
 * does not say (the shape of a `body`, of `success`) is left open.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/config_print.h"
#include "core/option_value.h"
#include "json/write.h"

static const char duration_pattern[] = "^[0-9]+(\\.[0-9]+)?(ms|s|m)$";
static const char size_pattern[] = "^[0-9]+(KiB|MiB|GiB)?$";

static void put_pattern(struct buffer *out, const char *pattern)
{
    buffer_string(out, "{\"type\":\"string\",\"pattern\":");
    json_put_text(out, pattern);
    buffer_byte(out, '}');
}

static void put_enum(struct buffer *out, const struct option *option)
{
    const char *name;
    size_t len;
    buffer_string(out, "\"enum\":[");
    for (size_t i = 0; option_enum_name(option->names, i, &name, &len); i++) {
        if (i > 0)
            buffer_byte(out, ',');
        json_put_string(out, name, len);
        if ((option->flags & OPTION_NUMBER_TOO) && strspn(name, "0123456789") == len)
            buffer_printf(out, ",%.*s", (int)len, name);
    }
    buffer_byte(out, ']');
}

static void put_reference(struct buffer *out, enum option_section section)
{
    buffer_printf(out, "{\"$ref\":\"#/$defs/%s\"}", option_section_name(section));
}

static void put_string(struct buffer *out, const struct option *option)
{
    buffer_string(out, option->flags & OPTION_NUMBER_TOO ? "\"type\":[\"string\",\"integer\"]"
                                                         : "\"type\":\"string\"");
    if (option->max > 0)
        buffer_printf(out, ",\"minLength\":%" PRIu64 ",\"maxLength\":%" PRIu64, option->min,
                      option->max);
}

/* The keywords that say what a value may be. */
static void put_type(struct buffer *out, const struct option *option)
{
    switch (option->type) {
    case OPTION_BOOL:
        buffer_string(out, "\"type\":\"boolean\"");
        break;
    case OPTION_COUNT:
        buffer_printf(out, "\"type\":\"integer\",\"minimum\":%" PRIu64 ",\"maximum\":%" PRIu64,
                      option->min, option->max);
        break;
    case OPTION_SIZE:
        buffer_printf(out,
                      "\"anyOf\":[{\"type\":\"integer\",\"minimum\":%" PRIu64
                      ",\"maximum\":%" PRIu64 "},",
                      option->min, option->max);
        put_pattern(out, size_pattern);
        buffer_byte(out, ']');
        break;
    case OPTION_DURATION:
        buffer_string(out, option->min == 0 ? "\"anyOf\":[{\"enum\":[0,\"0\"]}," : "\"anyOf\":[");
        put_pattern(out, duration_pattern);
        buffer_byte(out, ']');
        break;
    case OPTION_STRING:
        put_string(out, option);
        break;
    case OPTION_STRINGS:
        buffer_string(out, "\"anyOf\":[{\"type\":\"string\",\"minLength\":1},{\"type\":\"array\","
                           "\"items\":{\"type\":\"string\",\"minLength\":1}}]");
        break;
    case OPTION_ENUM:
        put_enum(out, option);
        break;
    case OPTION_NODE:
        if (option->inner != SECTION_TOP) {
            buffer_string(out, "\"anyOf\":[{\"const\":\"off\"},");
            put_reference(out, option->inner);
            buffer_byte(out, ']');
        } else if (option->schema) {
            buffer_string(out, option->schema);
        }
        break;
    case OPTION_SECTION:
        buffer_printf(out, "\"$ref\":\"#/$defs/%s\"", option_section_name(option->inner));
        break;
    case OPTION_LIST:
        buffer_string(out, option->min > 0 ? "\"type\":\"array\",\"minItems\":1,\"items\":"
                                           : "\"type\":[\"array\",\"null\"],\"items\":");
        put_reference(out, option->inner);
        break;
    case OPTION_MAP:
        buffer_string(out, "\"type\":[\"object\",\"null\"],\"additionalProperties\":");
        put_reference(out, option->inner);
        break;
    }
}

/* Written through the reader's own field, so that a default has the type it has in a file. */
static void put_default(struct buffer *out, const struct option *option)
{
    struct arena *arena scope_arena = arena_new();
    union {
        bool flag;
        uint64_t number;
        int choice;
        const char *string;
        struct strings strings;
    } field = {0};
    struct buffer text scope_buffer;
    buffer_init(&text, SIZE_MAX);
    if (!option->fallback)
        return;
    option_value_default(option, &field, arena);
    option_value_write(option, &field, &text);
    buffer_string(out, ",\"default\":");
    bool bare = option->type == OPTION_ENUM || option->type == OPTION_DURATION ||
                option->type == OPTION_SIZE;
    if (bare)
        json_put_string(out, text.data, text.len);
    else
        buffer_append(out, text.data, text.len);
}

static void put_properties(struct buffer *out, enum option_section section, bool first)
{
    size_t count, offset;
    enum option_section inner;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++) {
        buffer_string(out, first && i == 0 ? "\n  " : ",\n  ");
        json_put_text(out, rows[i].name);
        buffer_string(out, ":{\"description\":");
        json_put_text(out, rows[i].text);
        if (rows[i].type != OPTION_NODE || rows[i].inner != SECTION_TOP || rows[i].schema)
            buffer_byte(out, ',');
        put_type(out, &rows[i]);
        put_default(out, &rows[i]);
        buffer_byte(out, '}');
    }
    if (option_base(section, &inner, &offset))
        put_properties(out, inner, false);
}

/* Names of required members; returns how many there are. */
static size_t put_required(struct buffer *out, enum option_section section, size_t before)
{
    size_t count, offset;
    enum option_section inner;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++) {
        if (!(rows[i].flags & OPTION_REQUIRED))
            continue;
        buffer_string(out, before++ == 0 ? ",\"required\":[" : ",");
        json_put_text(out, rows[i].name);
    }
    if (option_base(section, &inner, &offset))
        return put_required(out, inner, before);
    if (before > 0)
        buffer_byte(out, ']');
    return before;
}

/* The keywords of a section's object, without its braces. */
static void put_object(struct buffer *out, enum option_section section)
{
    struct buffer required scope_buffer;
    buffer_init(&required, SIZE_MAX);
    size_t count = put_required(&required, section, 0);
    buffer_string(out, count > 0 ? "\"type\":\"object\"" : "\"type\":[\"object\",\"null\"]");
    buffer_append(out, required.data, required.len);
    buffer_string(out, ",\"additionalProperties\":false,\"properties\":{");
    put_properties(out, section, true);
    buffer_byte(out, '}');
}

void config_print_schema(struct buffer *out)
{
    buffer_string(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\n"
                       "\"title\":\"gatherd configuration\",\n");
    put_object(out, SECTION_TOP);
    buffer_string(out, ",\n\"$defs\":{");
    bool first = true;
    for (int section = SECTION_TOP + 1; section < SECTION_COUNT; section++) {
        if (section == SECTION_BATCH)
            continue; /* part of every endpoint */
        buffer_printf(out, "%s\n\"%s\":{", first ? "" : ",",
                      option_section_name((enum option_section)section));
        put_object(out, (enum option_section)section);
        buffer_byte(out, '}');
        first = false;
    }
    buffer_string(out, "}}\n");
}

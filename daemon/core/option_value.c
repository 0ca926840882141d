/*
 * Every value is read from its text, whether it was written by a person or is
 * the table's own default, so a default can hold nothing that a file could not.
 */
#include "core/option_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/lists.h"
#include "core/units.h"
#include "json/utf8.h"

enum { NUMBER_TEXT_MAX = 32, RANGE_TEXT_MAX = 80 };

bool option_enum_name(const char *names, size_t index, const char **ret_name, size_t *ret_len)
{
    for (; index > 0; index--) {
        names = strchr(names, '|');
        if (!names)
            return false;
        names++;
    }
    *ret_name = names;
    *ret_len = strcspn(names, "|");
    return true;
}

static void print_number(const struct option *option, uint64_t value, char *out, size_t cap)
{
    if (option->type == OPTION_DURATION)
        units_print_duration(value, out, cap);
    else if (option->type == OPTION_SIZE)
        units_print_size(value, out, cap);
    else
        snprintf(out, cap, "%" PRIu64, value);
}

void option_range_text(const struct option *option, char *out, size_t cap)
{
    char least[NUMBER_TEXT_MAX], most[NUMBER_TEXT_MAX];
    print_number(option, option->min, least, sizeof(least));
    print_number(option, option->max, most, sizeof(most));
    if (option->max == 0)
        snprintf(out, cap, "%s", "");
    else if (option->max == UINT64_MAX)
        snprintf(out, cap, "at least %s", least);
    else
        snprintf(out, cap, "%s to %s", least, most);
}

static bool in_range(const struct option *option, uint64_t value)
{
    return option->max == 0 || (value >= option->min && value <= option->max);
}

static const char *wanted_text(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
        return "true or false";
    case OPTION_COUNT:
        return "a whole number";
    case OPTION_SIZE:
        return "a size: a number, or one with KiB, MiB or GiB";
    case OPTION_DURATION:
        return "a duration: a number with ms, s or m, such as \"300ms\"";
    case OPTION_STRINGS:
        return "a string or a list of strings";
    default:
        return "a string";
    }
}

static void fault_kind(const struct option *option, const struct node *node, struct faults *faults)
{
    bool unquoted = option->type == OPTION_STRING || option->type == OPTION_STRINGS;
    bool scalar = node->kind == NODE_NUMBER || node->kind == NODE_BOOL || node->kind == NODE_NULL;
    fault_at(faults, node, "must be %s, not %s%s", wanted_text(option->type),
             node_kind_text(node->kind), unquoted && scalar && node->file ? " (quote it)" : "");
}

static void fault_count(const struct option *option, const struct node *node, struct faults *faults)
{
    char range[RANGE_TEXT_MAX];
    option_range_text(option, range, sizeof(range));
    const char *got = node->kind == NODE_NUMBER ? node->text : node_kind_text(node->kind);
    fault_at(faults, node, "must be %s%s%s, not %.40s", wanted_text(option->type),
             *range ? " from " : "", range, got);
}

static bool parse_number(enum option_type type, const char *text, uint64_t *ret_value)
{
    if (type == OPTION_DURATION)
        return units_duration(text, ret_value);
    if (type == OPTION_SIZE)
        return units_size(text, ret_value);
    return units_count(text, ret_value);
}

static void read_number(const struct option *option, const struct node *node, uint64_t *field,
                        struct faults *faults)
{
    uint64_t value;
    char range[RANGE_TEXT_MAX];
    if (option->type == OPTION_COUNT) {
        if (node->kind == NODE_NUMBER && units_count(node->text, &value) && in_range(option, value))
            *field = value;
        else
            fault_count(option, node, faults);
        return;
    }
    if (node->kind != NODE_NUMBER && node->kind != NODE_STRING) {
        fault_kind(option, node, faults);
        return;
    }
    if (strlen(node->text) != node->text_len || !parse_number(option->type, node->text, &value)) {
        fault_at(faults, node, "must be %s, not \"%.40s\"", wanted_text(option->type), node->text);
        return;
    }
    if (!in_range(option, value)) {
        option_range_text(option, range, sizeof(range));
        fault_at(faults, node, "must be %s, not %.40s", range, node->text);
        return;
    }
    *field = value;
}

/* A string that C code can hold; NULL with a fault otherwise. */
static const char *read_text(const struct node *node, struct faults *faults)
{
    if (strlen(node->text) == node->text_len)
        return node->text;
    fault_at(faults, node, "must not contain a NUL character");
    return NULL;
}

static bool is_text(const struct option *option, const struct node *node)
{
    return node->kind == NODE_STRING ||
           ((option->flags & OPTION_NUMBER_TOO) && node->kind == NODE_NUMBER);
}

static void read_string(const struct option *option, const struct node *node, const char **field,
                        struct faults *faults)
{
    if (!is_text(option, node)) {
        fault_kind(option, node, faults);
        return;
    }
    const char *text = read_text(node, faults);
    if (!text)
        return;
    if (in_range(option, node->text_len))
        *field = text;
    else if (node->text_len == 0)
        fault_at(faults, node, "must not be empty");
    else
        fault_at(faults, node, "must be at most %" PRIu64 " characters long", option->max);
}

static void read_strings(const struct option *option, const struct node *node,
                         struct strings *field, struct arena *arena, struct faults *faults)
{
    bool single = node->kind == NODE_STRING;
    if (!single && node->kind != NODE_LIST) {
        fault_kind(option, node, faults);
        return;
    }
    size_t count = single ? 1 : node->count;
    const char **items = arena_array(arena, count, sizeof(*items));
    const struct node *item = single ? node : node->first;
    size_t good = 0;
    for (size_t i = 0; i < count; i++, item = item->next) {
        const char *text = NULL;
        if (item->kind != NODE_STRING)
            fault_kind(&(struct option){.type = OPTION_STRING}, item, faults);
        else if (item->text_len == 0)
            fault_at(faults, item, "must not be empty");
        else
            text = read_text(item, faults);
        if (text)
            items[good++] = text;
    }
    *field = (struct strings){items, good};
}

static bool find_enum(const struct option *option, const char *text, int *ret_index)
{
    const char *name;
    size_t len;
    for (size_t i = 0; option_enum_name(option->names, i, &name, &len); i++)
        if (strlen(text) == len && memcmp(text, name, len) == 0) {
            *ret_index = (int)i;
            return true;
        }
    return false;
}

static void fault_enum(const struct option *option, const struct node *node, struct faults *faults)
{
    const char *name, *after;
    size_t len, after_len;
    char choices[RANGE_TEXT_MAX * 2] = "";
    for (size_t i = 0; option_enum_name(option->names, i, &name, &len); i++) {
        bool last = !option_enum_name(option->names, i + 1, &after, &after_len);
        const char *joint = i == 0 ? "" : last ? " or " : ", ";
        size_t used = strlen(choices);
        snprintf(choices + used, sizeof(choices) - used, "%s\"%.*s\"", joint, (int)len, name);
    }
    if (is_text(option, node))
        fault_at(faults, node, "must be %s, not \"%.40s\"", choices, node->text);
    else
        fault_at(faults, node, "must be %s, not %s", choices, node_kind_text(node->kind));
}

void option_value_read(const struct option *option, const struct node *node, void *field,
                       struct arena *arena, struct faults *faults)
{
    switch (option->type) {
    case OPTION_BOOL:
        if (node->kind == NODE_BOOL)
            *(bool *)field = node->text[0] == 't';
        else
            fault_kind(option, node, faults);
        break;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_DURATION:
        read_number(option, node, field, faults);
        break;
    case OPTION_STRING:
        read_string(option, node, field, faults);
        break;
    case OPTION_STRINGS:
        read_strings(option, node, field, arena, faults);
        break;
    case OPTION_ENUM:
        if (!is_text(option, node) || strlen(node->text) != node->text_len ||
            !find_enum(option, node->text, field))
            fault_enum(option, node, faults);
        break;
    default:
        assert(false); /* read by options_read.c itself */
    }
}

static struct strings split_words(const char *text, struct arena *arena)
{
    struct strings words = {arena_array(arena, strlen(text) / 2 + 1, sizeof(char *)), 0};
    while (*text) {
        size_t len = strcspn(text, " ");
        words.items[words.count++] = arena_copy(arena, text, len);
        text += len;
        text += strspn(text, " ");
    }
    return words;
}

void option_value_default(const struct option *option, void *field, struct arena *arena)
{
    bool good = true;
    switch (option->type) {
    case OPTION_BOOL:
        *(bool *)field = strcmp(option->fallback, "true") == 0;
        break;
    case OPTION_STRING:
        *(const char **)field = option->fallback;
        break;
    case OPTION_STRINGS:
        *(struct strings *)field = split_words(option->fallback, arena);
        break;
    case OPTION_ENUM:
        good = find_enum(option, option->fallback, field);
        break;
    default:
        good = parse_number(option->type, option->fallback, field);
    }
    assert(good);
}

static void quote_character(struct buffer *out, const char *data, size_t len)
{
    unsigned char byte = (unsigned char)data[0];
    if (byte == '"' || byte == '\\')
        buffer_printf(out, "\\%c", byte);
    else if (byte < 0x20 || byte == 0x7F)
        buffer_printf(out, "\\u%04x", byte);
    else if (len == 2 && byte == 0xC2 && (unsigned char)data[1] < 0xA0)
        buffer_printf(out, "\\u%04x", (unsigned char)data[1]); /* C1 controls */
    else if (len == 3 &&
             (memcmp(data, "\xEF\xBF\xBE", 3) == 0 || memcmp(data, "\xEF\xBF\xBF", 3) == 0 ||
              memcmp(data, "\xEF\xBB\xBF", 3) == 0 || memcmp(data, "\xE2\x80\xA8", 3) == 0 ||
              memcmp(data, "\xE2\x80\xA9", 3) == 0))
        /* What YAML does not let stand or folds: U+FFFE, U+FFFF, the BOM, line separators. */
        buffer_printf(out, "\\u%04x",
                      (unsigned)((byte & 0x0F) << 12 | ((unsigned char)data[1] & 0x3F) << 6 |
                                 ((unsigned char)data[2] & 0x3F)));
    else
        buffer_append(out, data, len);
}

void option_quote(struct buffer *out, const char *data, size_t len)
{
    buffer_byte(out, '"');
    for (size_t i = 0; i < len;) {
        struct utf8_step step = utf8_step(data + i, len - i);
        if (step.kind == UTF8_GOOD)
            quote_character(out, data + i, step.len);
        else
            buffer_string(out, "\\ufffd");
        i += step.len;
    }
    buffer_byte(out, '"');
}

bool option_value_present(const struct option *option, const void *field)
{
    switch (option->type) {
    case OPTION_STRING:
        return *(const char *const *)field != NULL;
    case OPTION_DURATION:
        return option->fallback || *(const usec_t *)field > 0;
    case OPTION_NODE:
        return *(const struct node *const *)field != NULL;
    default:
        return true;
    }
}

static void write_strings(const struct strings *strings, struct buffer *out)
{
    buffer_byte(out, '[');
    for (size_t i = 0; i < strings->count; i++) {
        if (i > 0)
            buffer_string(out, ", ");
        option_quote(out, strings->items[i], strlen(strings->items[i]));
    }
    buffer_byte(out, ']');
}

void option_value_write(const struct option *option, const void *field, struct buffer *out)
{
    char text[NUMBER_TEXT_MAX];
    const char *name;
    size_t len;
    if (!option_value_present(option, field))
        return;
    switch (option->type) {
    case OPTION_BOOL:
        buffer_string(out, *(const bool *)field ? "true" : "false");
        break;
    case OPTION_STRING:
        name = *(const char *const *)field;
        option_quote(out, name, strlen(name));
        break;
    case OPTION_STRINGS:
        write_strings(field, out);
        break;
    case OPTION_ENUM:
        if (option_enum_name(option->names, (size_t) * (const int *)field, &name, &len))
            buffer_append(out, name, len);
        break;
    default:
        print_number(option, *(const uint64_t *)field, text, sizeof(text));
        buffer_string(out, text);
    }
}

/*
 * A field is written to the end of what is there and taken back if it did not fit,
 * so that a cut never shows half a value.
 */
#include "base/log_fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"

struct text {
    char *out;
    size_t len, size;
    bool full;
};

static void add(struct log_fields *fields, struct log_field field)
{
    assert(fields->count < LOG_FIELDS_MAX);
    fields->items[fields->count++] = field;
}

void log_add_text(struct log_fields *fields, const char *name, const char *text)
{
    if (text)
        add(fields, (struct log_field){.name = name, .text = text});
}

void log_add_number(struct log_fields *fields, const char *name, uint64_t number)
{
    add(fields, (struct log_field){.name = name, .number = number});
}

static void put(struct text *text, char byte)
{
    if (text->len + 1 < text->size)
        text->out[text->len++] = byte;
    else
        text->full = true;
}

static void put_name(struct text *text, const char *name)
{
    put(text, ' ');
    for (; *name; name++)
        put(text, *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name);
    put(text, '=');
}

static bool needs_quotes(const char *value)
{
    for (const char *byte = value; *byte; byte++)
        if ((unsigned char)*byte <= 0x20 || *byte == 0x7f || *byte == '"' || *byte == '\\')
            return true;
    return value[0] == '\0';
}

static void put_value(struct text *text, const char *value)
{
    bool quoted = needs_quotes(value);
    if (quoted)
        put(text, '"');
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            put(text, '\\');
        put(text, (unsigned char)*value < 0x20 || *value == 0x7f ? ' ' : *value);
    }
    if (quoted)
        put(text, '"');
}

static void put_field(struct text *text, const struct log_field *field)
{
    char number[24];
    size_t before = text->len;
    snprintf(number, sizeof number, "%" PRIu64, field->number);
    put_name(text, field->name);
    put_value(text, field->text ? field->text : number);
    if (text->full)
        text->len = before;
    text->full = false;
}

size_t log_fields_write(const struct log_fields *fields, char *out, size_t size)
{
    struct text text = {.out = out, .size = size};
    assert(size > 0);
    for (size_t i = 0; fields && i < fields->count; i++)
        if (strcmp(fields->items[i].name, LOG_MESSAGE_ID) != 0)
            put_field(&text, &fields->items[i]);
    out[text.len] = '\0';
    return text.len;
}

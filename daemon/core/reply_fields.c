/*
 * Two fixed lists of names and one that the reply brings along. Every line costs
 * a bounded number of comparisons, whatever the upstream sends.
 */
#include "core/reply_fields.h"

#include <string.h>
#include <strings.h>

static const char *const not_passed[] = {
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Content-Length",
    "Set-Cookie",
};

static const char *const the_origins[] = {
    "Date",
    "Server",
    "Via",
    "Aggregate-Status",
    "Alt-Svc",
    "Strict-Transport-Security",
    "Clear-Site-Data",
};

struct named {
    struct {
        const char *name;
        size_t len;
    } items[REPLY_FIELDS_NAMED];
    size_t count;
};

static bool name_is(const struct reply_field *field, const char *name, size_t len)
{
    return field->name_len == len && strncasecmp(field->name, name, len) == 0;
}

static bool name_in(const struct reply_field *field, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (name_is(field, names[i], strlen(names[i])))
            return true;
    }
    return false;
}

static bool next_field(const struct outcome *outcome, size_t *position, struct reply_field *field)
{
    return outcome_next_header(outcome, position, &field->name, &field->name_len, &field->value,
                               &field->value_len);
}

static bool is_separator(char byte)
{
    return byte == ',' || byte == ' ' || byte == '\t';
}

/* The tokens of one Connection value. */
static void read_named(struct named *named, const char *value, size_t len)
{
    const char *end = value + len;
    while (value < end && named->count < REPLY_FIELDS_NAMED) {
        const char *start = value;
        while (value < end && !is_separator(*value))
            value++;
        if (value > start) {
            named->items[named->count].name = start;
            named->items[named->count++].len = (size_t)(value - start);
        }
        while (value < end && is_separator(*value))
            value++;
    }
}

static bool is_named(const struct named *named, const struct reply_field *field)
{
    for (size_t i = 0; i < named->count; i++) {
        if (name_is(field, named->items[i].name, named->items[i].len))
            return true;
    }
    return false;
}

struct reply_fields reply_fields_read(const struct outcome *outcome, struct arena *arena)
{
    size_t lines = 0;
    size_t position = 0;
    struct reply_field field;
    struct named named = {.count = 0};
    while (next_field(outcome, &position, &field)) {
        lines++;
        if (name_is(&field, "Connection", strlen("Connection")))
            read_named(&named, field.value, field.value_len);
    }
    struct reply_fields fields = {.items = arena_array(arena, lines, sizeof field)};
    for (position = 0; next_field(outcome, &position, &field);) {
        if (!name_in(&field, not_passed, sizeof not_passed / sizeof *not_passed) &&
            !is_named(&named, &field))
            fields.items[fields.count++] = field;
    }
    return fields;
}

bool reply_name_passed(const char *name)
{
    struct reply_field field = {.name = name, .name_len = strlen(name)};
    return !name_in(&field, not_passed, sizeof not_passed / sizeof *not_passed) &&
           !reply_field_is_the_origins(&field);
}

bool reply_field_is_the_origins(const struct reply_field *field)
{
    static const char cors[] = "Access-Control-";
    size_t len = strlen(cors);
    return name_in(field, the_origins, sizeof the_origins / sizeof *the_origins) ||
           (field->name_len > len && strncasecmp(field->name, cors, len) == 0);
}

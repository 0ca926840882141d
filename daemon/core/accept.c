/*
 * Weights are thousandths. A range that names a type decides over "application/" with a
 * star, and that over the range of everything, wherever they stand in the list. Most
 * requests have no Accept that is long enough to name a stream and end here at once.
 */
#include "core/accept.h"

#include <string.h>
#include <strings.h>

enum { WEIGHT_FULL = 1000, WEIGHT_NONE = -1 };

static const char *const media[] = {
    [FORM_WHOLE] = "application/json",
    [FORM_X_NDJSON] = "application/x-ndjson",
    [FORM_NDJSON] = "application/ndjson",
    [FORM_SERVER_EVENTS] = "text/event-stream",
};

enum { FORMS = sizeof media / sizeof *media };

struct ranges {         /* what the ranges seen so far say */
    int weights[FORMS]; /* of ranges that name the type */
    size_t order[FORMS];
    int application, everything; /* of wildcards that hold for JSON */
    size_t seen;
};

struct text {
    const char *data;
    size_t len;
};

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct text trimmed(const char *data, size_t len)
{
    while (len > 0 && is_space(data[0]))
        data++, len--;
    while (len > 0 && is_space(data[len - 1]))
        len--;
    return (struct text){data, len};
}

/* Up to `mark` or the end, quoted strings skipped; *rest is moved behind the mark. */
static struct text next_piece(struct text *rest, char mark)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->data[i] != mark); i++) {
        if (quoted && rest->data[i] == '\\' && i + 1 < rest->len)
            i++;
        else if (rest->data[i] == '"')
            quoted = !quoted;
    }
    struct text piece = trimmed(rest->data, i);
    size_t used = i < rest->len ? i + 1 : i;
    rest->data += used;
    rest->len -= used;
    return piece;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* "0", "0.5", "1.000"; WEIGHT_NONE for anything else. */
static int read_weight(struct text value)
{
    int weight = 0;
    int unit = WEIGHT_FULL;
    if (value.len == 0 || value.len > 5 || (value.data[0] != '0' && value.data[0] != '1'))
        return WEIGHT_NONE;
    if (value.len > 1 && value.data[1] != '.')
        return WEIGHT_NONE;
    weight = (value.data[0] - '0') * unit;
    for (size_t i = 2; i < value.len; i++) {
        if (!is_digit(value.data[i]))
            return WEIGHT_NONE;
        unit /= 10;
        weight += (value.data[i] - '0') * unit;
    }
    return weight <= WEIGHT_FULL ? weight : WEIGHT_NONE;
}

/* Of the parameters behind a type; those other than q do not tell our types apart. */
static int weight_of(struct text parameters)
{
    while (parameters.len > 0) {
        struct text one = next_piece(&parameters, ';');
        if (one.len >= 2 && (one.data[0] | 0x20) == 'q' && one.data[1] == '=')
            return read_weight((struct text){one.data + 2, one.len - 2});
    }
    return WEIGHT_FULL;
}

static bool is_named(struct text type, const char *name)
{
    return type.len == strlen(name) && strncasecmp(type.data, name, type.len) == 0;
}

static void take_range(struct ranges *ranges, struct text range)
{
    struct text type = next_piece(&range, ';');
    int weight = weight_of(range);
    ranges->seen++;
    if (weight == WEIGHT_NONE)
        return;
    if (is_named(type, "*/*"))
        ranges->everything = weight;
    else if (is_named(type, "application/*"))
        ranges->application = weight;
    for (size_t form = 0; form < FORMS; form++) {
        if (ranges->weights[form] >= weight || !is_named(type, media[form]))
            continue;
        ranges->weights[form] = weight;
        ranges->order[form] = ranges->seen;
    }
}

static int weight_of_json(const struct ranges *ranges)
{
    if (ranges->weights[FORM_WHOLE] != WEIGHT_NONE)
        return ranges->weights[FORM_WHOLE];
    if (ranges->application != WEIGHT_NONE)
        return ranges->application;
    return ranges->everything != WEIGHT_NONE ? ranges->everything : 0;
}

static enum reply_form choose(const struct ranges *ranges)
{
    enum reply_form best = FORM_WHOLE;
    int weight = weight_of_json(ranges);
    for (size_t form = FORM_WHOLE + 1; form < FORMS; form++) {
        bool earlier = best != FORM_WHOLE && ranges->weights[form] == weight &&
                       ranges->order[form] < ranges->order[best];
        if (ranges->weights[form] <= weight && !earlier)
            continue;
        best = (enum reply_form)form;
        weight = ranges->weights[form];
    }
    return best;
}

static bool is_accept(const char *name)
{
    return (name[0] | 0x20) == 'a' && strcasecmp(name, "Accept") == 0;
}

enum reply_form accept_form(const struct header_list *headers)
{
    struct ranges ranges = {
        {WEIGHT_NONE, WEIGHT_NONE, WEIGHT_NONE, WEIGHT_NONE}, {0}, WEIGHT_NONE, WEIGHT_NONE, 0};
    bool long_enough = false;
    for (size_t i = 0; i < headers->count && !long_enough; i++)
        long_enough = is_accept(headers->items[i].name) &&
                      strlen(headers->items[i].value) >= strlen(media[FORM_SERVER_EVENTS]);
    if (!long_enough)
        return FORM_WHOLE;
    for (size_t i = 0; i < headers->count; i++) {
        const char *value = headers->items[i].value;
        struct text rest = {value, is_accept(headers->items[i].name) ? strlen(value) : 0};
        while (rest.len > 0)
            take_range(&ranges, next_piece(&rest, ','));
    }
    return choose(&ranges);
}

const char *accept_media(enum reply_form form)
{
    return media[form];
}

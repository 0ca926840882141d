/* Sections in the order of a file; the words around the tables are here, all else is the table's.
 */
#include <stdio.h>
#include <string.h>

#include "core/config_print.h"
#include "core/option_value.h"

enum { RANGE_TEXT_MAX = 80 };

struct chapter {
    enum option_section section;
    const char *title, *text;
};

static const char introduction[] =
    "# Configuration reference\n"
    "\n"
    "<!-- Written by `gatherd --print-reference`; edit the option table instead. -->\n"
    "\n"
    "gatherd reads one YAML file and then `conf.d/*.yaml` beside it, in the order of their names.\n"
    "Every option has a default; an empty file is a valid one. What is given twice, is unknown or\n"
    "has the wrong type is reported with its file, line and column, and nothing is loaded.\n"
    "`gatherd --check-config` only checks; `gatherd --print-config` shows what is in force.\n"
    "\n"
    "| Type | Written as |\n"
    "|---|---|\n"
    "| duration | `300ms`, `1.5s`, `2m`; `0` needs no unit |\n"
    "| size | `512` (bytes), `64KiB`, `8MiB`, `1GiB` |\n"
    "| strings | a list, or one string alone |\n"
    "\n"
    "A changed option takes effect with a *reload* (`systemctl reload gatherd`, SIGHUP) or with a\n"
    "*restart*; a reload reports changes that have to wait for one.\n";

static const struct chapter chapters[] = {
    {SECTION_TOP, "The file", "The members at the top of the file."},
    {SECTION_LIMITS, "limits",
     "What is beyond a limit is refused as early as possible: a request with 413, 414, 431 or "
     "400,\n"
     "an upstream's reply as that call's failure, a connection by closing it."},
    {SECTION_RESOLVER, "resolver", "Names are resolved by a few threads and kept for a while."},
    {SECTION_EGRESS, "egress",
     "Ad-hoc batches may name absolute URLs only at the hosts listed here: by default, at none."},
    {SECTION_PROPAGATE, "propagate",
     "Nothing else of a client's request reaches an upstream unless it is forwarded by name."},
    {SECTION_UPSTREAM, "upstreams.NAME",
     "A name has at most 64 letters, digits, `-` and `_`, and begins with a letter or digit."},
    {SECTION_UPSTREAM_BATCH, "upstreams.NAME.batch",
     "What requests of an ad-hoc batch may do on this upstream; endpoints may do anything."},
    {SECTION_ENDPOINT, "endpoints[]",
     "An endpoint has these members and those of a batch, below. `/batch`, `/jobs` and `/-/` are\n"
     "the daemon's own."},
    {SECTION_FORWARD, "endpoints[].forward", "By default nothing is forwarded."},
    {SECTION_BATCH, "A batch",
     "In an endpoint, and as the document that a client posts to `/batch`."},
    {SECTION_REQUEST, "requests[]", "One call of a batch."},
    {SECTION_FOREACH, "requests[].foreach",
     "One call per item. Where the request is optional or has a `default`, an item that failed is\n"
     "replaced by that or by null; otherwise the first failure ends the others."},
};

static const char *type_text(enum option_type type)
{
    static const char *const texts[] = {
        [OPTION_BOOL] = "true, false",  [OPTION_COUNT] = "number",    [OPTION_SIZE] = "size",
        [OPTION_DURATION] = "duration", [OPTION_STRING] = "string",   [OPTION_STRINGS] = "strings",
        [OPTION_ENUM] = "choice",       [OPTION_NODE] = "value",      [OPTION_SECTION] = "map",
        [OPTION_LIST] = "list of maps", [OPTION_MAP] = "map of maps",
    };
    return texts[type];
}

static void put_type(struct buffer *out, const struct option *option)
{
    const char *name;
    size_t len;
    size_t first = option->flags & OPTION_UNWRITTEN ? 1 : 0;
    if (option->type == OPTION_NODE && option->inner != SECTION_TOP)
        buffer_string(out, "`off`, map");
    else if (option->type == OPTION_NODE)
        buffer_string(out, option->shape);
    else if (option->type != OPTION_ENUM)
        buffer_string(out, option->flags & OPTION_NUMBER_TOO ? "number, string"
                                                             : type_text(option->type));
    else
        for (size_t i = first; option_enum_name(option->names, i, &name, &len); i++)
            buffer_printf(out, "%s`%.*s`", i > first ? ", " : "", (int)len, name);
}

static void put_default(struct buffer *out, const struct option *option)
{
    if (option->flags & OPTION_REQUIRED)
        buffer_string(out, "required");
    else if (option->fallback && !(option->flags & OPTION_UNWRITTEN))
        buffer_printf(out, "`%s`", option->fallback);
}

static void put_range(struct buffer *out, const struct option *option)
{
    char range[RANGE_TEXT_MAX];
    option_range_text(option, range, sizeof(range));
    buffer_string(out, range);
    if (option->type == OPTION_STRING && *range)
        buffer_string(out, " characters");
}

static void put_row(struct buffer *out, const struct option *option)
{
    bool shared = option->section == SECTION_BATCH || option->section == SECTION_REQUEST;
    buffer_printf(out, "| `%s` | ", option->name);
    put_type(out, option);
    buffer_string(out, " | ");
    put_default(out, option);
    buffer_string(out, " | ");
    put_range(out, option);
    buffer_printf(out, " | %s | %s%s |\n", option->flags & OPTION_RESTART ? "restart" : "reload",
                  option->text,
                  shared && (option->flags & OPTION_CONFIG_ONLY) ? " Not in client documents."
                                                                 : "");
}

static void put_chapter(struct buffer *out, const struct chapter *chapter)
{
    size_t count;
    const struct option *rows = options_of(chapter->section, &count);
    bool words = strchr(chapter->title, ' ') != NULL;
    buffer_printf(out, words ? "\n## %s\n\n%s\n\n" : "\n## `%s`\n\n%s\n\n", chapter->title,
                  chapter->text);
    buffer_string(out, "| Name | Type | Default | Range | Takes effect | Meaning |\n"
                       "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        put_row(out, &rows[i]);
}

void config_print_reference(struct buffer *out)
{
    buffer_string(out, introduction);
    for (size_t i = 0; i < sizeof(chapters) / sizeof(chapters[0]); i++)
        put_chapter(out, &chapters[i]);
}

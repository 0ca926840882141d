/* Sections in the order of a file; the words around the tables are here, all else is the
 * table's. Two pages are written from this, one in Markdown and one in roff.
 */
#include "core/config_chapters.h"

#include <string.h>

#include "core/option_value.h"

enum { RANGE_TEXT_MAX = 80 };

static const struct config_chapter chapters[] = {
    {SECTION_TOP, "The file", "The members at the top of the file."},
    {SECTION_LIMITS, "limits",
     "What is beyond a limit is refused as early as possible: a request with 413, 414, 431 or "
     "400,\n"
     "an upstream's reply as that call's failure, a connection by closing it."},
    {SECTION_STREAM, "stream",
     "A client that asks for `application/x-ndjson`, `application/ndjson` or `text/event-stream`\n"
     "in `Accept`, with a higher weight than JSON has there, gets every part as it completes."},
    {SECTION_RESOLVER, "resolver", "Names are resolved by a few threads and kept for a while."},
    {SECTION_EGRESS, "egress",
     "Ad-hoc batches may name absolute URLs only at the hosts listed here: by default, at none."},
    {SECTION_PROPAGATE, "propagate",
     "Nothing else of a client's request reaches an upstream unless it is forwarded by name."},
    {SECTION_COMPRESSION, "compression",
     "Compressed replies carry `Vary: Accept-Encoding`, and so do others that may be stored."},
    {SECTION_ACCESS_LOG, "accessLog",
     "Lines are written by a thread of their own: a slow disk loses lines and holds no request.\n"
     "With it, `tracing` or `propagate.requestId`, every request has an id: the client's\n"
     "`X-Request-Id`, if it is a token of at most 128 characters, otherwise a new one. The reply\n"
     "carries it."},
    {SECTION_TRACING, "tracing",
     "One span for a client's request, and one for each time that a call of it was sent."},
    {SECTION_UPSTREAM, "upstreams.NAME",
     "A name has at most 64 letters, digits, `-` and `_`, and begins with a letter or digit."},
    {SECTION_UPSTREAM_BATCH, "upstreams.NAME.batch",
     "What requests of an ad-hoc batch may do on this upstream; endpoints may do anything."},
    {SECTION_ENDPOINT, "endpoints[]",
     "An endpoint has these members and those of a batch, below. `/batch` is the daemon's own;\n"
     "`/jobs` and `/-/` are reserved."},
    {SECTION_FORWARD, "endpoints[].forward", "By default nothing is forwarded."},
    {SECTION_BATCH, "A batch",
     "In an endpoint, and as the document that a client posts to `/batch`."},
    {SECTION_JOIN, "join",
     "What one request knows about the items of another: [shaping.md](shaping.md#joining)."},
    {SECTION_REQUEST, "requests[]", "One call of a batch."},
    {SECTION_FOREACH, "requests[].foreach",
     "One call per item. Where the request is optional or has a `default`, an item that failed is\n"
     "replaced by that or by null; otherwise the first failure ends the others."},
};

static const struct config_notation notations[] = {
    {"duration", "`300ms`, `1.5s`, `2m`; `0` needs no unit"},
    {"size", "`512` (bytes), `64KiB`, `8MiB`, `1GiB`"},
    {"strings", "a list, or one string alone"},
};

const struct config_chapter *config_chapter(size_t index)
{
    return index < sizeof(chapters) / sizeof(chapters[0]) ? &chapters[index] : NULL;
}

bool config_chapter_in_words(const struct config_chapter *chapter)
{
    return strchr(chapter->title, ' ') != NULL;
}

const struct config_notation *config_notation(size_t index)
{
    return index < sizeof(notations) / sizeof(notations[0]) ? &notations[index] : NULL;
}

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

void config_put_type(struct buffer *out, const struct option *option)
{
    const char *name;
    size_t len;
    if (option->type == OPTION_NODE && option->inner != SECTION_TOP)
        buffer_string(out, "`off`, map");
    else if (option->type == OPTION_NODE)
        buffer_string(out, option->shape);
    else if (option->type != OPTION_ENUM)
        buffer_string(out, option->flags & OPTION_NUMBER_TOO ? "number, string"
                                                             : type_text(option->type));
    else
        for (size_t i = 0; option_enum_name(option->names, i, &name, &len); i++)
            buffer_printf(out, "%s`%.*s`", i > 0 ? ", " : "", (int)len, name);
}

/* As one would write it in YAML. */
static void put_fallback(struct buffer *out, const struct option *option)
{
    bool list = option->type == OPTION_STRINGS && strchr(option->fallback, ' ');
    buffer_string(out, list ? "`[" : "`");
    for (const char *at = option->fallback; *at; at++)
        buffer_printf(out, list && *at == ' ' ? ",%c" : "%c", *at);
    if (!*option->fallback)
        buffer_string(out, "\"\"");
    buffer_string(out, list ? "]`" : "`");
}

void config_put_default(struct buffer *out, const struct option *option)
{
    if (option->flags & OPTION_REQUIRED)
        buffer_string(out, "required");
    else if (option->type == OPTION_SECTION)
        buffer_string(out, "those of its members");
    else if (option->fallback)
        put_fallback(out, option);
    else
        buffer_string(out, option->otherwise);
}

void config_put_range(struct buffer *out, const struct option *option)
{
    char range[RANGE_TEXT_MAX];
    if (option->range) {
        buffer_string(out, option->range);
        return;
    }
    option_range_text(option, range, sizeof(range));
    buffer_string(out, range);
    if (option->type == OPTION_STRING && *range)
        buffer_string(out, " characters");
}

void config_put_text(struct buffer *out, const struct option *option)
{
    bool shared = option->section == SECTION_BATCH || option->section == SECTION_REQUEST;
    buffer_string(out, option->text);
    if (shared && (option->flags & OPTION_CONFIG_ONLY))
        buffer_string(out, " Not in client documents.");
}

const char *config_effect(const struct option *option)
{
    return option->flags & OPTION_RESTART ? "restart" : "reload";
}

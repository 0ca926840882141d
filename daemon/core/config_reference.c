/* The chapters as a page in Markdown, one table each. */
#include "core/access_format.h"
#include "core/config_chapters.h"
#include "core/config_print.h"
#include "core/metrics_text.h"

static const char introduction[] =
    "# Configuration reference\n"
    "\n"
    "<!-- Written by `gatherd --print-reference`; edit the option table instead. -->\n"
    "\n"
    "gatherd reads one YAML file and then `conf.d/*.yaml` beside it, in the order of their names.\n"
    "An option that is not given has its default, and an empty file is a valid one. What is given\n"
    "twice, is unknown or has the wrong type is reported with its file, line and column, and "
    "nothing\n"
    "is loaded.\n"
    "`gatherd --check-config` only checks; `gatherd --print-config` shows what is in force.\n"
    "\n"
    "| Type | Written as |\n"
    "|---|---|\n";

static const char effects[] =
    "\n"
    "A changed option takes effect with a *reload* (`systemctl reload gatherd`, SIGHUP) or with a\n"
    "*restart*; a reload reports changes that have to wait for one.\n";

static void put_row(struct buffer *out, const struct option *option)
{
    buffer_printf(out, "| `%s` | ", option->name);
    config_put_type(out, option);
    buffer_string(out, " | ");
    config_put_default(out, option);
    buffer_string(out, " | ");
    config_put_range(out, option);
    buffer_printf(out, " | %s | ", config_effect(option));
    config_put_text(out, option);
    buffer_string(out, " |\n");
}

static void put_chapter(struct buffer *out, const struct config_chapter *chapter)
{
    size_t count;
    const struct option *rows = options_of(chapter->section, &count);
    buffer_printf(out,
                  config_chapter_in_words(chapter) ? "\n## %s\n\n%s\n\n" : "\n## `%s`\n\n%s\n\n",
                  chapter->title, chapter->text);
    buffer_string(out, "| Name | Type | Default | Range | Takes effect | Meaning |\n"
                       "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        put_row(out, &rows[i]);
}

static void put_access_fields(struct buffer *out)
{
    const char *name, *text;
    buffer_string(
        out,
        "\n## Fields of the access log\n\n"
        "In `accessLog.format`, and the members of a JSON line. What is not known is `-`, in JSON\n"
        "`null`. In a format string quotes, backslashes and all but printable ASCII are "
        "`\\xNN`.\n\n"
        "| Field | Meaning |\n|---|---|\n");
    for (size_t i = 0; access_field(i, &name, &text); i++)
        buffer_printf(out, "| `%%{%s}` | %s |\n", name, text);
}

void config_print_reference(struct buffer *out)
{
    const struct config_notation *notation;
    const struct config_chapter *chapter;
    buffer_string(out, introduction);
    for (size_t i = 0; (notation = config_notation(i)); i++)
        buffer_printf(out, "| %s | %s |\n", notation->type, notation->written);
    buffer_string(out, effects);
    for (size_t i = 0; (chapter = config_chapter(i)); i++)
        put_chapter(out, chapter);
    put_access_fields(out);
    metrics_put_reference(out);
}

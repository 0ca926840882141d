/* The chapters as a manual page, gatherd.yaml(5). The table's texts are Markdown; roff() turns
 * what they use of it into man(7): `code` is bold, *emphasis* italic, and whatever troff
 * would take for its own is escaped.
 */
#include <string.h>

#include "core/access_format.h"
#include "core/config_chapters.h"
#include "core/config_print.h"

enum { TEXT_MAX = 4096 };

static const char introduction[] =
    ".\\\" Written by gatherd --print-man; edit the option table instead.\n"
    ".TH GATHERD.YAML 5 \"\" \"gatherd " GATHERD_VERSION "\" \"File Formats\"\n"
    ".nh\n"
    ".SH NAME\n"
    "gatherd.yaml \\- configuration of gatherd\n"
    ".SH SYNOPSIS\n"
    ".I /etc/gatherd/gatherd.yaml\n"
    ".br\n"
    ".I /etc/gatherd/conf.d/*.yaml\n"
    ".SH DESCRIPTION\n"
    ".BR gatherd (8)\n"
    "reads one YAML file and then\n"
    ".I conf.d/*.yaml\n"
    "beside it, in the order of their names.\n"
    "Every option has a default; an empty file is a valid one.\n"
    "What is given twice, is unknown or has the wrong type is reported with its file, line and\n"
    "column, and nothing is loaded.\n"
    ".B gatherd \\-\\-check\\-config\n"
    "only checks;\n"
    ".B gatherd \\-\\-print\\-config\n"
    "shows what is in force.\n"
    ".PP\n"
    "A changed option takes effect with a reload\n"
    ".RB ( \"systemctl reload gatherd\" ,\n"
    "SIGHUP), or with a restart where this page says so; a reload reports changes that have to\n"
    "wait for one.\n"
    ".SH NOTATION\n";

static const char ending[] = ".SH FILES\n"
                             ".TP\n"
                             ".I /etc/gatherd/gatherd.yaml\n"
                             "The copy that is installed shows every option with its default.\n"
                             ".SH SEE ALSO\n"
                             ".BR gatherd (8)\n";

/* What stands for `byte` in running text; NULL: itself. */
static const char *escape(char byte, bool code)
{
    switch (byte) {
    case '\\':
        return "\\e";
    case '"':
        return "\\(dq";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    case '-':
        return code ? "\\-" : NULL;
    case '\'':
        return "\\(aq";
    default:
        return NULL;
    }
}

static bool begins_emphasis(const char *at)
{
    return at[1] != '\0' && at[1] != ' ' && strchr(at + 1, '*') != NULL;
}

static void roff(struct buffer *out, const char *text)
{
    bool code = false, emphasis = false;
    for (const char *at = text; *at; at++) {
        if (*at == '`') {
            code = !code;
            buffer_string(out, code ? "\\fB" : "\\fR");
            continue;
        }
        if (*at == '*' && !code && (emphasis || begins_emphasis(at))) {
            emphasis = !emphasis;
            buffer_string(out, emphasis ? "\\fI" : "\\fR");
            continue;
        }
        if (*at == '.' && (at == text || at[-1] == '\n'))
            buffer_string(out, "\\&");
        const char *escaped = escape(*at, code);
        if (escaped)
            buffer_string(out, escaped);
        else
            buffer_append(out, at, 1);
    }
}

/* A cell of the table, after `before`; nothing when it is empty. */
static void put_cell(struct buffer *out, const char *before, const struct option *option,
                     void (*put)(struct buffer *, const struct option *))
{
    scope_buffer struct buffer text;
    buffer_init(&text, TEXT_MAX);
    put(&text, option);
    if (text.len == 0)
        return;
    buffer_byte(&text, '\0');
    if (buffer_status(&text) != 0) {
        out->status = buffer_status(&text);
        return;
    }
    buffer_string(out, before);
    roff(out, text.data);
}

static void put_option(struct buffer *out, const struct option *option)
{
    buffer_printf(out, ".TP\n\\fB%s\\fR", option->name);
    put_cell(out, " (", option, config_put_type);
    put_cell(out, "; ", option, config_put_range);
    buffer_string(out, ")\n");
    put_cell(out, "", option, config_put_text);
    if (option->flags & OPTION_REQUIRED)
        buffer_string(out, "\nRequired");
    else
        put_cell(out, "\nDefault: ", option, config_put_default);
    if (option->flags & OPTION_REQUIRED || option->fallback)
        buffer_string(out, ".");
    if (option->flags & OPTION_RESTART)
        buffer_string(out, "\nA change needs a restart.");
    buffer_string(out, "\n");
}

static void put_chapter(struct buffer *out, const struct config_chapter *chapter)
{
    size_t count;
    const struct option *rows = options_of(chapter->section, &count);
    buffer_printf(out, ".SS %s\n", chapter->title);
    roff(out, chapter->text);
    buffer_string(out, "\n");
    for (size_t i = 0; i < count; i++)
        put_option(out, &rows[i]);
}

static void put_access_fields(struct buffer *out)
{
    const char *name, *text;
    buffer_string(out, ".SH FIELDS OF THE ACCESS LOG\n");
    for (size_t i = 0; access_field(i, &name, &text); i++) {
        buffer_printf(out, ".TP\n\\fB%%{%s}\\fR\n", name);
        roff(out, text);
        buffer_string(out, "\n");
    }
}

void config_print_man(struct buffer *out)
{
    const struct config_notation *notation;
    const struct config_chapter *chapter;
    buffer_string(out, introduction);
    for (size_t i = 0; (notation = config_notation(i)); i++) {
        buffer_printf(out, ".TP\n%s\n", notation->type);
        roff(out, notation->written);
        buffer_string(out, "\n");
    }
    buffer_string(out, ".SH OPTIONS\n");
    for (size_t i = 0; (chapter = config_chapter(i)); i++)
        put_chapter(out, chapter);
    put_access_fields(out);
    buffer_string(out, ending);
}

/* The chapters as a manual page, gatherd.yaml(5). The table's texts are Markdown; roff() turns
 * what they use of it into man(7): `code` is bold, *emphasis* and what a link stands on are
 * italic, and whatever troff would take for its own is escaped. Lines are folded for those
 * who read the source.
 */
#include <string.h>

#include "core/access_format.h"
#include "core/config_chapters.h"
#include "core/config_print.h"

enum { TEXT_MAX = 4096, LINE_MAX_BYTES = 78 };

/* Of the last change to what the page says, not of the build: builds are reproducible. */
#define PAGE_DATE "2026-11-28"

static const char introduction[] =
    ".\\\" Written by gatherd --print-man; edit the option table instead.\n"
    ".TH GATHERD.YAML 5 \"" PAGE_DATE "\" \"gatherd " GATHERD_VERSION "\" \"File Formats\"\n"
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
    "An option that is not given has its default, and an empty file is a valid one.\n"
    "What is given twice, is unknown or has the wrong type is reported with its\n"
    "file, line and column, and nothing is loaded.\n"
    ".B gatherd \\-\\-check\\-config\n"
    "only checks;\n"
    ".B gatherd \\-\\-print\\-config\n"
    "shows what is in force.\n"
    ".PP\n"
    "A changed option takes effect with a reload\n"
    ".RB ( \"systemctl reload gatherd\" ,\n"
    "SIGHUP), or with a restart where this page says so; a reload reports changes\n"
    "that have to wait for one.\n"
    ".SH NOTATION\n";

static const char ending[] = ".SH FILES\n"
                             ".TP\n"
                             ".I /etc/gatherd/gatherd.yaml\n"
                             "The copy that is installed shows every option with its default.\n"
                             ".TP\n"
                             ".I /usr/share/doc/gatherd/\n"
                             "The pages that are named here, as\n"
                             ".IR shaping.md .\n"
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

/* Where `[text](target)` that begins at `at` has its "]"; NULL: it is no link. */
static const char *link_middle(const char *at)
{
    const char *middle = strstr(at, "](");
    return middle && strcspn(at + 1, "[]") == (size_t)(middle - at - 1) && strchr(middle, ')')
               ? middle
               : NULL;
}

/* In one line. */
static void roff(struct buffer *out, const char *text)
{
    bool code = false, emphasis = false;
    const char *link = NULL;
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
        if (*at == '[' && !code && (link = link_middle(at))) {
            buffer_string(out, "\\fI");
            continue;
        }
        if (at == link) {
            buffer_string(out, "\\fR");
            at = strchr(at, ')');
            continue;
        }
        const char *escaped = escape(*at, code);
        if (escaped)
            buffer_string(out, escaped);
        else
            buffer_append(out, at, 1);
    }
}

/* Words into lines, none of which troff takes for a request. */
static void fold(struct buffer *out, const char *words)
{
    size_t column = 0;
    for (size_t len; *words; words += len + strspn(words + len, " \n")) {
        len = strcspn(words, " \n");
        if (column > 0 && column + 1 + len > LINE_MAX_BYTES) {
            buffer_byte(out, '\n');
            column = 0;
        }
        if (column > 0)
            buffer_byte(out, ' ');
        else if (*words == '.')
            buffer_string(out, "\\&");
        buffer_append(out, words, len);
        column += len + 1;
    }
}

static void paragraph(struct buffer *out, const char *text)
{
    scope_buffer struct buffer words;
    buffer_init(&words, TEXT_MAX);
    roff(&words, text);
    buffer_byte(&words, '\0');
    if (buffer_status(&words) == 0)
        fold(out, words.data);
    else
        out->status = buffer_status(&words);
    buffer_byte(out, '\n');
}

/* A cell of the table through `write`, after `before`; nothing when it is empty. */
static void put_cell(struct buffer *out, const char *before, const struct option *option,
                     void (*put)(struct buffer *, const struct option *),
                     void (*write)(struct buffer *, const char *))
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
    write(out, text.data);
}

static void put_option(struct buffer *out, const struct option *option)
{
    buffer_printf(out, ".TP\n\\fB%s\\fR", option->name);
    put_cell(out, " (", option, config_put_type, roff);
    put_cell(out, "; ", option, config_put_range, roff);
    buffer_string(out, ")\n");
    put_cell(out, "", option, config_put_text, paragraph);
    buffer_string(out, ".br\n");
    if (option->flags & OPTION_REQUIRED)
        buffer_string(out, "Required");
    else
        put_cell(out, "Default: ", option, config_put_default, roff);
    buffer_string(out, ".\n");
    if (option->flags & OPTION_RESTART)
        buffer_string(out, "A change needs a restart.\n");
}

static void put_chapter(struct buffer *out, const struct config_chapter *chapter)
{
    size_t count;
    const struct option *rows = options_of(chapter->section, &count);
    buffer_printf(out, ".SS %s\n", chapter->title);
    paragraph(out, chapter->text);
    for (size_t i = 0; i < count; i++)
        put_option(out, &rows[i]);
}

static void put_access_fields(struct buffer *out)
{
    const char *name, *text;
    buffer_string(out, ".SH FIELDS OF THE ACCESS LOG\n");
    for (size_t i = 0; access_field(i, &name, &text); i++) {
        buffer_printf(out, ".TP\n\\fB%%{%s}\\fR\n", name);
        paragraph(out, text);
    }
}

void config_print_man(struct buffer *out)
{
    const struct config_notation *notation;
    const struct config_chapter *chapter;
    buffer_string(out, introduction);
    for (size_t i = 0; (notation = config_notation(i)); i++) {
        buffer_printf(out, ".TP\n%s\n", notation->type);
        paragraph(out, notation->written);
    }
    buffer_string(out, ".SH OPTIONS\n");
    for (size_t i = 0; (chapter = config_chapter(i)); i++)
        put_chapter(out, chapter);
    put_access_fields(out);
    buffer_string(out, ending);
}

/*
 * Block style down to the options, flow style for the trees that are somebody's
 * values. Every string is quoted, so nothing can turn into a number or a
 * keyword when it is read again. What may hold secrets is masked by the names they go by
 * (core/mask.h).
 */
#include "core/config_print.h"

#include <stdint.h>
#include <string.h>

#include "core/mask.h"
#include "core/option_value.h"
#include "core/yaml_scalar.h"

enum { STEP = 2, SIMPLE_KEY_MAX = 1000 }; /* YAML's limit for a key before ':' is 1024 */

struct printer {
    struct buffer *out;
    int indent;
    bool dash; /* the next line begins an item of a list */
};

static void print_section(struct printer *printer, enum option_section section, const void *target);

static void begin_line(struct printer *printer, const char *name)
{
    int spaces = printer->dash ? printer->indent - STEP : printer->indent;
    buffer_printf(printer->out, "%*s%s%s:", spaces, "", printer->dash ? "- " : "", name);
    printer->dash = false;
}

static void print_tree(const struct node *node, bool masked, struct buffer *out);

static void print_key(const char *key, struct buffer *out)
{
    struct buffer quoted scope_buffer;
    buffer_init(&quoted, SIZE_MAX);
    option_quote(&quoted, key, strlen(key));
    if (quoted.len > SIMPLE_KEY_MAX)
        buffer_string(out, "? ");
    buffer_append(out, quoted.data, quoted.len);
    buffer_string(out, ": ");
}

static bool is_secret(const struct node *child)
{
    return child->key && mask_is_secret(child->key, strlen(child->key));
}

static void print_children(const struct node *node, bool masked, struct buffer *out)
{
    for (const struct node *child = node->first; child; child = child->next) {
        if (child != node->first)
            buffer_string(out, ", ");
        if (node->kind == NODE_MAP)
            print_key(child->key, out);
        if (masked && is_secret(child))
            option_quote(out, MASK_TEXT, strlen(MASK_TEXT));
        else
            print_tree(child, masked, out);
    }
}

static void print_tree(const struct node *node, bool masked, struct buffer *out)
{
    bool map = node->kind == NODE_MAP;
    if (map || node->kind == NODE_LIST) {
        buffer_byte(out, map ? '{' : '[');
        print_children(node, masked, out);
        buffer_byte(out, map ? '}' : ']');
    } else if (node->kind == NODE_STRING) {
        option_quote(out, node->text, node->text_len);
    } else if (node->kind == NODE_NULL) {
        buffer_string(out, "null");
    } else {
        buffer_append(out, node->text, node->text_len);
    }
}

/* A name that could be read as something else is quoted. */
static void begin_entry(struct printer *printer, const char *name)
{
    struct buffer text scope_buffer;
    buffer_init(&text, SIZE_MAX);
    if (yaml_scalar_kind(name, strlen(name)) == NODE_STRING)
        buffer_string(&text, name);
    else
        option_quote(&text, name, strlen(name));
    buffer_byte(&text, '\0');
    begin_line(printer, text.data);
    buffer_byte(printer->out, '\n');
}

static void print_entries(struct printer *printer, const struct option *option,
                          const struct option_list *list)
{
    size_t size = option_section_size(option->inner);
    if (list->count == 0) {
        buffer_string(printer->out, option->type == OPTION_MAP ? " {}\n" : " []\n");
        return;
    }
    buffer_byte(printer->out, '\n');
    printer->indent += STEP;
    for (size_t i = 0; i < list->count; i++) {
        const char *item = (const char *)list->items + i * size;
        if (option->type == OPTION_MAP)
            begin_entry(printer, *(const char *const *)(const void *)item);
        printer->indent += STEP;
        printer->dash = option->type == OPTION_LIST;
        print_section(printer, option->inner, item);
        printer->indent -= STEP;
    }
    printer->indent -= STEP;
}

static void print_inner(struct printer *printer, enum option_section section, const void *target)
{
    buffer_byte(printer->out, '\n');
    printer->indent += STEP;
    print_section(printer, section, target);
    printer->indent -= STEP;
}

/* What an upstream's `batch` came to, defaults included. */
static void print_upstream_batch(struct printer *printer, const struct upstream *upstream)
{
    if (upstream->batch.closed)
        buffer_string(printer->out, " off\n");
    else
        print_inner(printer, SECTION_UPSTREAM_BATCH, &upstream->batch);
}

static void print_masked_url(const char *text, struct buffer *out)
{
    struct buffer without_user scope_buffer;
    struct buffer masked scope_buffer;
    buffer_init(&without_user, SIZE_MAX);
    buffer_init(&masked, SIZE_MAX);
    proxy_mask(text, &without_user);
    mask_put_template(without_user.data, without_user.len, &masked);
    option_quote(out, masked.data, masked.len);
}

/* A body that is text: JSON of another name, or a form. */
static void print_masked_text(const struct node *node, struct buffer *out)
{
    struct buffer masked scope_buffer;
    buffer_init(&masked, SIZE_MAX);
    if (node->text_len > 0 && strchr("{[", node->text[0]))
        mask_put_json(node->text, node->text_len, &masked);
    else
        mask_put_form(node->text, node->text_len, &masked);
    option_quote(out, masked.data ? masked.data : "", masked.len);
}

static void print_names(const struct node *map, struct buffer *out)
{
    buffer_byte(out, '{');
    for (const struct node *child = map->first; child; child = child->next) {
        if (child != map->first)
            buffer_string(out, ", ");
        print_key(child->key, out);
        option_quote(out, MASK_TEXT, strlen(MASK_TEXT));
    }
    buffer_byte(out, '}');
}

static void print_masked(const struct option *option, const void *field, struct buffer *out)
{
    if (option->type != OPTION_NODE) {
        print_masked_url(*(const char *const *)field, out);
        return;
    }
    const struct node *node = *(const struct node *const *)field;
    if (option->flags & OPTION_SECRET_ALL)
        print_names(node, out);
    else if (node->kind == NODE_STRING)
        print_masked_text(node, out);
    else
        print_tree(node, true, out);
}

static void print_value(const struct option *option, const void *field, struct buffer *out)
{
    if (option->flags & OPTION_SECRET)
        print_masked(option, field, out);
    else if (option->type == OPTION_NODE)
        print_tree(*(const struct node *const *)field, false, out);
    else
        option_value_write(option, field, out);
}

static void print_option(struct printer *printer, const struct option *option, const void *target)
{
    const void *field = (const char *)target + option->offset;
    bool compiled = option->type == OPTION_NODE && option->inner == SECTION_UPSTREAM_BATCH;
    if (!compiled && !option_value_present(option, field))
        return;
    begin_line(printer, option->name);
    if (compiled) {
        print_upstream_batch(printer, target);
    } else if (option->type == OPTION_SECTION) {
        print_inner(printer, option->inner, field);
    } else if (option->type == OPTION_LIST || option->type == OPTION_MAP) {
        print_entries(printer, option, field);
    } else {
        buffer_byte(printer->out, ' ');
        print_value(option, field, printer->out);
        buffer_byte(printer->out, '\n');
    }
}

static void print_section(struct printer *printer, enum option_section section, const void *target)
{
    size_t count, offset;
    enum option_section inner;
    const struct option *rows = options_of(section, &count);
    for (size_t i = 0; i < count; i++)
        print_option(printer, &rows[i], target);
    if (option_base(section, &inner, &offset))
        print_section(printer, inner, (const char *)target + offset);
}

void config_print(const struct config *config, struct buffer *out)
{
    struct printer printer = {.out = out};
    print_section(&printer, SECTION_TOP, config);
}

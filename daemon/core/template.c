/*
 * A template is a list of parts: literal text, or an expression with its
 * operator and variables. What an operator writes first, between and around
 * values is the table of RFC 6570 appendix A; all values are strings, so its
 * list and map rules (and with them `*`) have nothing to do here.
 */
#include "core/template.h"

#include <stdint.h>
#include <string.h>

#include "core/url.h"

struct operator
{
    char sign; /* '\0': none */
    char first, separator;
    bool named;      /* name=value */
    bool empty_sign; /* an empty value keeps its '=' */
};

static const struct operator operators[] = {
    {'\0', '\0', ',', false, false}, {'.', '.', '.', false, false}, {'/', '/', '/', false, false},
    {';', ';', ';', true, false},    {'?', '?', '&', true, true},   {'&', '&', '&', true, true},
};

struct part {
    struct part *next;
    const struct operator* operator; /* NULL: literal text */
    const char *text;
    size_t len;
    const char **names;
    size_t name_count;
};

struct template
{
    struct part *first;
    const char *literal; /* NULL when there are variables */
    const char **names;
    size_t name_count;
};

struct compiler {
    struct arena *arena;
    struct template *compiled;
    struct part **tail;
    const char *text, *at;
    size_t variables_most; /* what the text can have at most */
};

static struct part *add_part(struct compiler *compiler)
{
    struct part *part = arena_alloc(compiler->arena, sizeof *part);
    *compiler->tail = part;
    compiler->tail = &part->next;
    return part;
}

static void note_name(struct template *compiled, const char *name)
{
    for (size_t i = 0; i < compiled->name_count; i++) {
        if (strcmp(compiled->names[i], name) == 0)
            return;
    }
    compiled->names[compiled->name_count++] = name;
}

static bool is_name_byte(char byte)
{
    return byte != '-' && byte != '.' && byte != '~' && url_is_unreserved(byte);
}

/* The length of a varname (RFC 6570 2.3): characters with single dots between. */
static size_t name_length(const char *text, const char *end)
{
    const char *at = text;
    while (at < end) {
        if (is_name_byte(*at))
            at++;
        else if (url_triplet(at, end) >= 0)
            at += 3;
        else if (*at == '.' && at > text && at[-1] != '.')
            at++;
        else
            break;
    }
    return (size_t)(at > text && at[-1] == '.' ? at - 1 - text : at - text);
}

static const char *refuse_operator(char sign)
{
    if (sign == '+' || sign == '#')
        return "the reserved forms {+x} and {#x} are not supported: values are always encoded";
    if (sign == '}')
        return "the braces are empty; write a name between them";
    return "this cannot begin an expression; write a name";
}

static const struct operator* find_operator(char sign)
{
    for (size_t i = 1; i < sizeof operators / sizeof operators[0]; i++) {
        if (operators[i].sign == sign)
            return &operators[i];
    }
    return &operators[0];
}

static size_t count_names(const char *data, const char *end)
{
    size_t count = 1;
    for (; data < end; data++)
        count += *data == ',';
    return count;
}

static const char *compile_names(struct compiler *compiler, struct part *part, const char *end)
{
    part->names = arena_array(compiler->arena, count_names(compiler->at, end), sizeof(char *));
    for (;;) {
        size_t len = name_length(compiler->at, end);
        if (len == 0)
            return "a variable's name is made of letters, digits and _";
        const char *name = arena_copy(compiler->arena, compiler->at, len);
        part->names[part->name_count++] = name;
        note_name(compiler->compiled, name);
        compiler->at += len;
        if (compiler->at == end)
            return NULL;
        if (*compiler->at == '*')
            return "explode (*) is not supported: values are strings";
        if (*compiler->at == ':')
            return "prefixes (:n) are not supported";
        if (*compiler->at != ',')
            return "a variable's name is made of letters, digits and _";
        compiler->at++;
    }
}

/* A runtime expression is a variable with a long name; what it means is up to the lookup. */
static void compile_runtime(struct compiler *compiler, const char *end)
{
    struct part *part = add_part(compiler);
    part->operator= & operators[0];
    part->names = arena_alloc(compiler->arena, sizeof(char *));
    part->names[0] = arena_copy(compiler->arena, compiler->at, (size_t)(end - compiler->at));
    part->name_count = 1;
    note_name(compiler->compiled, part->names[0]);
    compiler->at = end + 1;
}

static const char *compile_expression(struct compiler *compiler)
{
    const char *end = strchr(compiler->at, '}');
    if (!end)
        return "the closing } is missing";
    compiler->at++;
    if (*compiler->at == '$') {
        compile_runtime(compiler, end);
        return NULL;
    }
    const struct operator* operator= find_operator(*compiler->at);
    if (operator->sign != '\0')
        compiler->at++;
    else if (!is_name_byte(*compiler->at) && *compiler->at != '%')
        return refuse_operator(*compiler->at);
    struct part *part = add_part(compiler);
    part->operator= operator;
    const char *wrong = compile_names(compiler, part, end);
    if (!wrong)
        compiler->at = end + 1;
    return wrong;
}

static const char *compile_literal(struct compiler *compiler)
{
    size_t len = strcspn(compiler->at, "{}");
    struct part *part = add_part(compiler);
    part->text = arena_copy(compiler->arena, compiler->at, len);
    part->len = len;
    compiler->at += len;
    return *compiler->at == '}' ? "there is no { before this }" : NULL;
}

const char *template_compile(struct arena *arena, const char *text, struct template **ret_template,
                             size_t *ret_offset)
{
    struct template *compiled = arena_alloc(arena, sizeof *compiled);
    struct compiler compiler = {
        .arena = arena, .compiled = compiled, .tail = &compiled->first, .text = text, .at = text};
    /* Every variable but the first of an expression has a ',' before it. */
    for (const char *at = text; *at; at++)
        compiler.variables_most += *at == '{' || *at == ',';
    compiled->names = arena_array(arena, compiler.variables_most, sizeof(char *));
    const char *wrong = NULL;
    while (!wrong && *compiler.at)
        wrong = *compiler.at == '{' ? compile_expression(&compiler) : compile_literal(&compiler);
    if (wrong) {
        *ret_offset = (size_t)(compiler.at - text);
        return wrong;
    }
    if (compiled->name_count == 0)
        compiled->literal = arena_string(arena, text);
    *ret_template = compiled;
    return NULL;
}

size_t template_variables(const struct template *compiled, const char *const **ret_names)
{
    *ret_names = compiled->names;
    return compiled->name_count;
}

const char *template_literal(const struct template *compiled)
{
    return compiled->literal;
}

static void expand_part(const struct part *part, template_lookup_fn *lookup, const void *ctx,
                        struct buffer *out)
{
    const struct operator* operator= part->operator;
    bool first = true;
    for (size_t i = 0; i < part->name_count; i++) {
        struct template_value value = lookup(ctx, part->names[i]);
        if (!value.data)
            continue;
        char before = first ? operator->first : operator->separator;
        if (before != '\0')
            buffer_byte(out, before);
        first = false;
        if (operator->named) {
            buffer_string(out, part->names[i]);
            if (value.len > 0 || operator->empty_sign)
                buffer_byte(out, '=');
        }
        template_encode(value.data, value.len, out);
    }
}

void template_expand(const struct template *compiled, template_lookup_fn *lookup, const void *ctx,
                     struct buffer *out)
{
    for (const struct part *part = compiled->first; part; part = part->next) {
        if (part->operator)
            expand_part(part, lookup, ctx, out);
        else
            buffer_append(out, part->text, part->len);
    }
}

void template_encode(const char *data, size_t len, struct buffer *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t plain = 0; /* where the run of bytes that stay begins */
    for (size_t i = 0; i < len; i++) {
        if (url_is_unreserved(data[i]))
            continue;
        unsigned char byte = (unsigned char)data[i];
        char triplet[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        buffer_append(out, data + plain, i - plain);
        buffer_append(out, triplet, sizeof triplet);
        plain = i + 1;
    }
    buffer_append(out, data + plain, len - plain);
}

bool template_decode(struct arena *arena, const char *data, size_t len, const char **ret_data,
                     size_t *ret_len)
{
    if (len == 0 || !memchr(data, '%', len)) {
        *ret_data = data;
        *ret_len = len;
        return true;
    }
    const char *end = data + len;
    char *decoded = arena_copy(arena, data, len);
    char *out = decoded;
    for (const char *at = data; at < end;) {
        int byte = (unsigned char)*at;
        if (byte == '%')
            byte = url_triplet(at, end);
        if (byte < 0)
            return false;
        at += *at == '%' ? 3 : 1;
        *out++ = (char)byte;
    }
    *out = '\0';
    *ret_data = decoded;
    *ret_len = (size_t)(out - decoded);
    return true;
}

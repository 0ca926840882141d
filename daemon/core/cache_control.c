/*
 * A directive is a token, and may have an argument: a token or a quoted string; blanks
 * around "=" are let pass. Some write no-cache and private with the names of fields they
 * are meant for; they are taken here for the whole reply, which is stricter.
 *
 * Least means: what forbids wins whoever says it, what permits must be said by all, and
 * of times the smallest counts.
 */
#include "core/cache_control.h"

#include <string.h>

#include "core/decimal.h"

static bool is_token(struct field_text text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9');
        if (!plain && (byte == '\0' || !strchr(marks, byte)))
            return false;
    }
    return text.len > 0;
}

/* Takes the quotes off, if it is one quoted string and nothing else. */
static bool unquote(struct field_text *text)
{
    size_t at = 1;
    if (text->len < 2 || text->data[0] != '"')
        return false;
    while (at < text->len && text->data[at] != '"')
        at += text->data[at] == '\\' ? 2 : 1;
    if (at + 1 != text->len)
        return false;
    *text = (struct field_text){text->data + 1, text->len - 2};
    return true;
}

static void read_seconds(struct field_text argument, bool *has, uint32_t *least)
{
    uint32_t seconds = 0;
    if (!field_seconds(argument, &seconds))
        seconds = 0;
    if (!*has || seconds < *least)
        *least = seconds;
    *has = true;
}

static void read_directive(struct cache_control *control, struct field_text name,
                           struct field_text argument)
{
    if (field_text_is(name, "max-age"))
        read_seconds(argument, &control->has_max_age, &control->max_age);
    else if (field_text_is(name, "s-maxage"))
        read_seconds(argument, &control->has_s_maxage, &control->s_maxage);
    else if (field_text_is(name, "no-store"))
        control->no_store = true;
    else if (field_text_is(name, "no-cache"))
        control->no_cache = true;
    else if (field_text_is(name, "private"))
        control->is_private = true;
    else if (field_text_is(name, "public"))
        control->is_public = true;
    else if (field_text_is(name, "must-revalidate") || field_text_is(name, "proxy-revalidate"))
        control->must_revalidate = true;
    else if (field_text_is(name, "no-transform"))
        control->no_transform = true;
}

void cache_control_read(struct cache_control *control, struct field_text line)
{
    struct field_text element;
    control->present = true;
    while (field_list_next(&line, &element)) {
        const char *equals = memchr(element.data, '=', element.len);
        size_t name_len = equals ? (size_t)(equals - element.data) : element.len;
        struct field_text name = field_trim(element.data, name_len);
        struct field_text argument = {"", 0};
        if (equals)
            argument = field_trim(equals + 1, element.len - name_len - 1);
        bool sound = is_token(name) && (!equals || is_token(argument) || unquote(&argument));
        if (sound)
            read_directive(control, name, argument);
        else
            control->no_store = true;
    }
}

static uint32_t remaining(uint32_t lifetime, uint32_t age)
{
    return lifetime > age ? lifetime - age : 0;
}

struct freshness cache_control_freshness(const struct cache_control *control, uint32_t age,
                                         bool authorized)
{
    uint32_t own = control->has_max_age ? control->max_age : 0;
    bool may_share = control->is_public || control->has_s_maxage || control->must_revalidate;
    return (struct freshness){
        .no_store = !control->present || control->no_store,
        .no_cache = control->no_cache,
        .is_private = control->is_private || (authorized && !may_share),
        .is_public = control->is_public,
        .must_revalidate = control->must_revalidate,
        .own = remaining(own, age),
        .shared = remaining(control->has_s_maxage ? control->s_maxage : own, age),
    };
}

void freshness_limit(struct freshness *all, const struct freshness *one)
{
    all->no_store = all->no_store || one->no_store;
    all->no_cache = all->no_cache || one->no_cache;
    all->is_private = all->is_private || one->is_private;
    all->is_public = all->is_public && one->is_public;
    all->must_revalidate = all->must_revalidate || one->must_revalidate;
    if (one->own < all->own)
        all->own = one->own;
    if (one->shared < all->shared)
        all->shared = one->shared;
}

void freshness_write(const struct freshness *freshness, struct buffer *out)
{
    bool shareable = !freshness->is_private;
    if (freshness->no_store) {
        buffer_string(out, "no-store");
        return;
    }
    if (freshness->is_private)
        buffer_string(out, "private, ");
    else if (freshness->is_public)
        buffer_string(out, "public, ");
    /* What is stale at once is asked for again every time. */
    if (freshness->no_cache || (freshness->own == 0 && (!shareable || freshness->shared == 0))) {
        buffer_string(out, "no-cache");
        return;
    }
    buffer_string(out, "max-age=");
    decimal_put(out, freshness->own);
    if (shareable && freshness->shared != freshness->own) {
        buffer_string(out, ", s-maxage=");
        decimal_put(out, freshness->shared);
    }
    if (freshness->must_revalidate)
        buffer_string(out, ", must-revalidate");
}

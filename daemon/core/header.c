/*
 * Fields keep the order and the spelling they were given; lookups ignore case.
 * Character classes come from tables in the text of RFC 9110 (token: 5.6.2,
 * field value: 5.5), not from <ctype.h>, which depends on the locale.
 */
#include "core/header.h"

#include <string.h>
#include <strings.h>

#include "core/control.h"

enum { FIRST_HEADERS = 8, METHOD_MAX = 32 };

void header_add(struct arena *arena, struct header_list *list, const char *name, const char *value)
{
    if (list->count == list->cap) {
        size_t cap = list->cap > 0 ? list->cap * 2 : FIRST_HEADERS;
        struct header *items = arena_unset_array(arena, cap, sizeof *items);
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = (struct header){.name = name, .value = value};
}

const char *header_get(const struct header_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (header_is(&list->items[i], name))
            return list->items[i].value;
    }
    return NULL;
}

void header_put(struct buffer *out, const char *name, const char *value)
{
    buffer_string(out, name);
    buffer_append(out, ": ", value[0] ? 2 : 1);
    buffer_string(out, value);
    buffer_append(out, "\r\n", 2);
}

void header_put_all(struct buffer *out, const struct header_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        header_put(out, list->items[i].name, list->items[i].value);
}

static bool is_token_byte(char byte)
{
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
        (byte >= '0' && byte <= '9'))
        return true;
    return byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

bool header_name_valid(const char *name)
{
    const char *at = name;
    while (is_token_byte(*at))
        at++;
    return at > name && *at == '\0';
}

bool header_value_valid(const char *value, size_t len)
{
    return !control_is_in(value, len);
}

bool header_method_valid(const char *method)
{
    return header_name_valid(method) && strlen(method) <= METHOD_MAX;
}

const char *header_method_meant(const char *method)
{
    static const char *const standard[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                           "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++) {
        if (strcasecmp(method, standard[i]) == 0)
            return strcmp(method, standard[i]) == 0 ? NULL : standard[i];
    }
    return NULL;
}

static bool is_listed(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

bool header_refused(const char *name)
{
    static const char *const refused[] = {
        "Connection", "Keep-Alive",     "TE",     "Trailer",  "Transfer-Encoding",
        "Upgrade",    "HTTP2-Settings",                       /* hop-by-hop */
        "Host",       "Content-Length", "Expect",             /* the carrier's */
        "Forwarded",  "X-Real-IP",      "Via",    "CDN-Loop", /* who asked, and through whom */
    };
    static const char *const families[] = {"Proxy-", "X-Forwarded-"};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (strncasecmp(name, families[i], strlen(families[i])) == 0)
            return true;
    }
    return is_listed(name, refused, sizeof refused / sizeof refused[0]);
}

bool header_method_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(method, methods[i]) == 0)
            return true;
    }
    return false;
}

enum media_kind header_media_kind(const char *content_type)
{
    if (!content_type)
        return MEDIA_NONE;
    const char *type = content_type + strspn(content_type, " \t");
    size_t len = strcspn(type, "; \t,");
    if (len == 0)
        return MEDIA_NONE;
    const char *slash = memchr(type, '/', len);
    if (!slash || slash == type)
        return MEDIA_OTHER;
    size_t subtype_len = len - (size_t)(slash + 1 - type);
    if (len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0)
        return MEDIA_JSON;
    if (subtype_len > strlen("+json") && strncasecmp(type + len - strlen("+json"), "+json", 5) == 0)
        return MEDIA_JSON;
    if (subtype_len > 0 && strncasecmp(type, "text/", strlen("text/")) == 0)
        return MEDIA_TEXT;
    return MEDIA_OTHER;
}

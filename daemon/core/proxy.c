/*
 * User and password are cut out first: what remains is a URL like any other, and the
 * parser of those refuses user info.
 */
#include "core/proxy.h"

#include <string.h>

#include "base/mem.h"
#include "core/url.h"

static const char scheme[] = "http://";

/* Where the authority of an absolute URL begins, and the length of "user:password" in
 * it; 0 and no '@' after it when there is none. */
static const char *find_user(const char *text, size_t *ret_len)
{
    const char *mark = strstr(text, "://");
    const char *begin = mark ? mark + 3 : text;
    const char *end = begin + strcspn(begin, "/?#");
    const char *at = memrchr(begin, '@', (size_t)(end - begin));
    *ret_len = at ? (size_t)(at - begin) : 0;
    return begin;
}

void proxy_mask(const char *text, struct buffer *out)
{
    size_t len;
    const char *user = find_user(text, &len);
    buffer_append(out, text, (size_t)(user - text));
    if (user[len] == '@')
        buffer_string(out, "***");
    buffer_string(out, user + len);
}

/* Percent-decoded; NULL: a triplet is broken, or a character cannot be sent. */
static const char *decode(struct arena *arena, const char *text, size_t len)
{
    char *decoded = arena_alloc(arena, len + 1);
    const char *end = text + len;
    size_t count = 0;
    while (text < end) {
        int byte = *text == '%' ? url_triplet(text, end) : (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7F)
            return NULL;
        text += *text == '%' ? 3 : 1;
        decoded[count++] = (char)byte;
    }
    decoded[count] = '\0';
    return decoded;
}

static const char *parse_user(struct arena *arena, const char *text, size_t len,
                              struct proxy *proxy)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon ? (size_t)(colon - text) : len;
    if (user_len == 0)
        return "the proxy's user has no name";
    proxy->user = decode(arena, text, user_len);
    proxy->password = colon ? decode(arena, colon + 1, len - user_len - 1) : "";
    if (!proxy->user || !proxy->password)
        return "the proxy's user or password has a broken %XX or a control character";
    if (strchr(proxy->user, ':'))
        return "the proxy's user must not contain \":\"";
    return NULL;
}

const char *proxy_parse(struct arena *arena, const char *text, struct proxy *ret_proxy)
{
    struct url url;
    struct proxy proxy = {.text = text};
    size_t len;
    if (strncmp(text, scheme, sizeof scheme - 1) != 0)
        return "must be the URL of a proxy, such as \"http://proxy.example:3128\"";
    const char *user = find_user(text, &len);
    bool named = user[len] == '@';
    const char *rest = named ? user + len + 1 : user;
    const char *wrong = url_parse(arena, arena_printf(arena, "%s%s", scheme, rest), &url);
    if (!wrong && rest[strcspn(rest, "/?#")] != '\0' &&
        strcmp(rest + strcspn(rest, "/?#"), "/") != 0)
        wrong = "a proxy's URL has no path";
    if (!wrong && named)
        wrong = parse_user(arena, user, len, &proxy);
    if (wrong)
        return wrong;
    proxy.host = url.origin.host;
    proxy.literal = url.origin.literal;
    proxy.port = url.origin.port;
    *ret_proxy = proxy;
    return NULL;
}

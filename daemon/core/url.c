/*
 * Parsing is libcurl's, so that what was checked is what is connected to. But
 * libcurl 7.88 is lenient where a guard must not be: it takes "host\@other",
 * percent-encoded hosts, zone ids, port 0 and empty authorities. So the text is
 * judged first, byte by byte, and what libcurl made of the host once more after.
 */
#include "core/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

bool url_is_unreserved(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

int url_triplet(const char *at, const char *end)
{
    if (end - at < 3 || *at != '%')
        return -1;
    int high = hex_digit(at[1]);
    int low = hex_digit(at[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

unsigned url_next_character(const char **at, const char *end)
{
    int byte = url_triplet(*at, end);
    if (byte < 0)
        return (unsigned char)*(*at)++;
    *at += 3;
    return url_is_unreserved((char)byte) ? (unsigned)byte : URL_ENCODED + (unsigned)byte;
}

size_t url_path_length(const char *target, size_t len)
{
    const char *query = memchr(target, '?', len);
    return query ? (size_t)(query - target) : len;
}

/* Bytes that no URL may contain, wherever they stand. */
static const char *check_bytes(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == ' ')
            return "a URL has no spaces; write %20";
        if (byte < 0x20 || byte == 0x7F)
            return "a URL has no control characters";
        if (byte == '\\')
            return "a URL has no backslash; write / or %5C";
        if (byte >= 0x80)
            return "a URL is ASCII; percent-encode other characters (in a host: its xn-- form)";
    }
    return NULL;
}

static bool is_path_byte(char byte)
{
    return url_is_unreserved(byte) || (byte != '\0' && strchr("/!$&'()*+,;=:@", byte) != NULL);
}

static bool is_query_byte(char byte)
{
    return is_path_byte(byte) || byte == '?' || byte == '[' || byte == ']' || byte == '|';
}

/* True when the decoded path has a segment "." or "..". `\` counts as '/', since
 * some servers take it for one. */
static bool has_dot_segment(const char *path, const char *end)
{
    unsigned dots = 0;
    bool only_dots = true;
    for (const char *at = path; at < end;) {
        int byte = url_triplet(at, end);
        at += byte < 0 ? 1 : 3;
        if (byte < 0)
            byte = (unsigned char)at[-1];
        if (byte == '/' || byte == '\\') {
            if (only_dots && (dots == 1 || dots == 2))
                return true;
            dots = 0;
            only_dots = true;
        } else if (byte == '.') {
            dots++;
        } else {
            only_dots = false;
        }
    }
    return only_dots && (dots == 1 || dots == 2);
}

const char *url_check_target(const char *target, size_t len)
{
    const char *end = target + len;
    if (len == 0 || *target != '/')
        return "a path begins with /";
    if (len > URL_LENGTH_MAX)
        return "a URL has at most 8192 bytes";
    const char *wrong = check_bytes(target, len);
    if (wrong)
        return wrong;
    const char *path_end = target + url_path_length(target, len);
    for (const char *at = target; at < end; at++) {
        if (*at == '%' && url_triplet(at, end) < 0)
            return "a % is followed by two hexadecimal digits";
        if (*at == '#')
            return "a request has no fragment (#); write %23";
        if (*at == '{' || *at == '}')
            return "braces are not allowed here; write %7B and %7D";
        if (*at != '%' && !(at < path_end ? is_path_byte(*at) : is_query_byte(*at)))
            return "a character here must be percent-encoded (RFC 3986)";
    }
    if (has_dot_segment(target, path_end))
        return "a path has no segments . or ..";
    return NULL;
}

/* What is between "://" and the path. */
static const char *check_authority(const char *authority, size_t len)
{
    if (len == 0 || *authority == ':')
        return "the host is empty";
    if (memchr(authority, '@', len))
        return "user names and passwords in URLs are not supported; use a header";
    if (*authority == '[' && memchr(authority, '%', len))
        return "an address has no zone id here";
    if (memchr(authority, '%', len))
        return "a host has no percent-encoding";
    return NULL;
}

static bool is_name(const char *host)
{
    size_t label = 0;
    for (const char *at = host; *at; at++) {
        bool dot = *at == '.';
        if (dot && label == 0)
            return false;
        if (!dot && (!url_is_unreserved(*at) || *at == '~'))
            return false;
        label = dot ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return strlen(host) <= HOST_MAX;
}

static char *lower_case(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    }
    return text;
}

/* Takes what libcurl made of the host. */
static const char *take_host(struct arena *arena, const char *host, struct origin *origin)
{
    struct in6_addr address;
    char printed[INET6_ADDRSTRLEN];
    size_t len = strlen(host);
    if (host[0] != '[') {
        origin->host = lower_case(arena_string(arena, host));
        origin->literal = inet_pton(AF_INET, host, &address) == 1;
        return is_name(host) ? NULL : "this is not a host name";
    }
    if (len < 3 || host[len - 1] != ']')
        return "this is not an IPv6 address";
    if (inet_pton(AF_INET6, arena_copy(arena, host + 1, len - 2), &address) != 1)
        return "this is not an IPv6 address";
    origin->literal = true;
    origin->host = arena_string(arena, inet_ntop(AF_INET6, &address, printed, sizeof printed));
    return NULL;
}

static void write_authority(struct arena *arena, struct origin *origin)
{
    bool literal = strchr(origin->host, ':') != NULL;
    bool usual = origin->port == (origin->tls ? 443 : 80);
    const char *open = literal ? "[" : "";
    const char *close = literal ? "]" : "";
    origin->authority =
        usual ? arena_printf(arena, "%s%s%s", open, origin->host, close)
              : arena_printf(arena, "%s%s%s:%u", open, origin->host, close, (unsigned)origin->port);
}

static const char *take_origin(struct arena *arena, CURLU *handle, struct origin *origin)
{
    char *host = NULL;
    char *port = NULL;
    const char *wrong = "this is not a host and port";
    if (curl_url_get(handle, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(handle, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        unsigned long number = strtoul(port, NULL, 10);
        wrong = take_host(arena, host, origin);
        origin->port = (unsigned short)number;
        if (!wrong && (number == 0 || number > 65535))
            wrong = "a port is between 1 and 65535";
    }
    curl_free(host);
    curl_free(port);
    if (!wrong)
        write_authority(arena, origin);
    return wrong;
}

static const char *parse_origin(struct arena *arena, const char *text, struct origin *origin)
{
    CURLU *handle = curl_url();
    if (!handle)
        return "there is no memory for this URL";
    const char *wrong = NULL;
    CURLUcode code =
        curl_url_set(handle, CURLUPART_URL, text,
                     CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS);
    if (code == CURLUE_BAD_PORT_NUMBER)
        wrong = "a port is between 1 and 65535";
    else if (code != CURLUE_OK)
        wrong = "this is not a URL";
    else
        wrong = take_origin(arena, handle, origin);
    curl_url_cleanup(handle);
    return wrong;
}

/* "https://" or "http://", whatever the case. */
static size_t scheme_length(const char *text, bool *ret_tls)
{
    *ret_tls = strncasecmp(text, "https://", strlen("https://")) == 0;
    if (*ret_tls)
        return strlen("https://");
    return strncasecmp(text, "http://", strlen("http://")) == 0 ? strlen("http://") : 0;
}

bool url_is_absolute(const char *text)
{
    bool tls;
    return scheme_length(text, &tls) > 0;
}

const char *url_parse(struct arena *arena, const char *text, struct url *ret_url)
{
    struct url url = {0};
    size_t len = strnlen(text, URL_LENGTH_MAX + 1);
    if (len > URL_LENGTH_MAX)
        return "a URL has at most 8192 bytes";
    const char *wrong = check_bytes(text, len);
    if (wrong)
        return wrong;
    size_t scheme = scheme_length(text, &url.origin.tls);
    if (scheme == 0)
        return "a URL is http://host/... or https://host/... (or a path that begins with /)";
    const char *authority = text + scheme;
    size_t authority_len = strcspn(authority, "/?#");
    wrong = check_authority(authority, authority_len);
    if (wrong)
        return wrong;

    const char *rest = authority + authority_len;
    size_t rest_len = strcspn(rest, "#");
    url.target = *rest == '/' ? arena_copy(arena, rest, rest_len)
                              : arena_printf(arena, "/%.*s", (int)rest_len, rest);
    wrong = url_check_target(url.target, strlen(url.target));
    if (!wrong)
        wrong = parse_origin(arena, text, &url.origin);
    if (!wrong)
        *ret_url = url;
    return wrong;
}

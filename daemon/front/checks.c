/*
 * One pass over the fields counts and keeps the few that matter; the rules then
 * look at that summary. A rule that cannot say for sure what a head means
 * refuses it: guessing is how two servers come to disagree.
 */
#include "front/checks.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "core/url.h"

struct summary {
    size_t hosts, lengths, encodings, expects;
    const char *host, *length, *encoding, *expect;
};

static struct verdict refuse(unsigned status, const char *detail)
{
    return (struct verdict){.status = status, .detail = detail};
}

static struct verdict refuse_broken(const char *detail)
{
    return (struct verdict){.status = 400, .detail = detail, .broken = true};
}

static const struct verdict fine = {.status = 0};

/* Remembers the first value of a field and how often it came. */
static bool note(const struct header *field, const char *name, size_t *count, const char **value)
{
    if (!header_is(field, name))
        return false;
    if ((*count)++ == 0)
        *value = field->value;
    return true;
}

/* libmicrohttpd 0.9 joins a folded line to the field's name: "Content-Length: 3" with 0 on
 * the next line arrives as the field "Content-Length0". */
static bool is_folded_framing(const char *name)
{
    static const char length[] = "Content-Length", encoding[] = "Transfer-Encoding";
    size_t len = strlen(name);
    return (len >= sizeof length && strncasecmp(name, length, sizeof length - 1) == 0) ||
           (len >= sizeof encoding && strncasecmp(name, encoding, sizeof encoding - 1) == 0);
}

static struct verdict summarise(const struct header_list *fields, struct summary *ret_summary)
{
    struct summary found = {.hosts = 0};
    for (size_t i = 0; i < fields->count; i++) {
        const struct header *field = &fields->items[i];
        if (!header_name_valid(field->name))
            return refuse_broken("a field name has a character that is not allowed");
        if (!header_value_valid(field->value, strlen(field->value)))
            return refuse_broken("a field value has a control character");
        if (is_folded_framing(field->name))
            return refuse_broken("a field that frames the body is folded or misspelt");
        (void)(note(field, "Host", &found.hosts, &found.host) ||
               note(field, "Content-Length", &found.lengths, &found.length) ||
               note(field, "Transfer-Encoding", &found.encodings, &found.encoding) ||
               note(field, "Expect", &found.expects, &found.expect));
    }
    *ret_summary = found;
    return fine;
}

/* Digits only, and small enough to be a length. */
static bool read_length(const char *text, uint64_t *ret_length)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0')
        return false;
    uint64_t length = 0;
    for (const char *digit = text; *digit; digit++)
        length = length * 10 + (uint64_t)(*digit - '0');
    *ret_length = length;
    return true;
}

static struct verdict check_framing(const struct head *head, const struct summary *found,
                                    struct body_framing *framing)
{
    if (found->lengths > 1)
        return refuse_broken("Content-Length came more than once");
    if (found->lengths == 1 && !read_length(found->length, &framing->length))
        return refuse_broken("Content-Length must be a plain number");
    if (found->encodings == 0)
        return fine;
    if (found->encodings > 1 || strcasecmp(found->encoding, "chunked") != 0)
        return refuse_broken("the only transfer coding accepted is one chunked");
    if (found->lengths > 0)
        return refuse_broken("Content-Length and Transfer-Encoding exclude each other");
    if (strcmp(head->version, "HTTP/1.0") == 0)
        return refuse_broken("HTTP/1.0 has no Transfer-Encoding");
    framing->chunked = true;
    return fine;
}

/* The name of "name:port", "[v6]:port" (without brackets); its length, or 0 when
 * the value is malformed. */
static size_t host_name(const char *value, const char **ret_name)
{
    size_t len;
    const char *end;
    if (value[0] == '[') {
        len = strspn(value + 1, "0123456789abcdefABCDEF:.");
        *ret_name = value + 1;
        end = value + 1 + len;
        if (*end++ != ']')
            return 0;
    } else {
        len = strcspn(value, ":@/\\?#[]<>\"^`{|}, \t");
        *ret_name = value;
        end = value + len;
    }
    if (*end == ':')
        end += 1 + strspn(end + 1, "0123456789");
    return *end == '\0' ? len : 0;
}

static struct verdict check_host_field(const struct head *head, const struct summary *found)
{
    const char *name;
    if (found->hosts > 1)
        return refuse_broken("Host came more than once");
    if (found->hosts == 0 && strcmp(head->version, "HTTP/1.0") != 0)
        return refuse_broken("Host is missing");
    if (found->hosts == 1 && host_name(found->host, &name) == 0)
        return refuse_broken("Host must be a name or an address, with a port or without");
    if (head->authority && strchr(head->authority, '@'))
        return refuse_broken("the request target must not have user information");
    if (head->authority && host_name(head->authority, &name) == 0)
        return refuse_broken("the request target must have a name or an address as its host");
    return fine;
}

static struct verdict check_target(const char *target)
{
    if (target[0] != '/')
        return refuse_broken(
            "the request target must be a path that begins with '/' or an http URL");
    if (strstr(target, "%00"))
        return refuse_broken("the request target has an encoded NUL");
    const char *wrong = url_check_target(target, strlen(target));
    return wrong ? refuse_broken(wrong) : fine;
}

/* RFC 9112 3.2.2. An https URL is not ours: no connection here is a secured one. */
void target_take_apart(struct arena *arena, const char *target, const char **ret_authority,
                       const char **ret_path)
{
    const char *scheme = "http://";
    *ret_authority = NULL;
    *ret_path = target;
    if (strncasecmp(target, scheme, strlen(scheme)) != 0)
        return;
    const char *authority = target + strlen(scheme);
    size_t len = strcspn(authority, "/?#");
    const char *path = authority + len;
    *ret_authority = arena_copy(arena, authority, len);
    *ret_path = *path == '/' ? path : arena_printf(arena, "/%s", path);
}

size_t field_value_length(const char *name, const char *value)
{
    static const char *const framing[] = {"Content-Length", "Transfer-Encoding", "Expect"};
    size_t len = strlen(value);
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        if (strcasecmp(name, framing[i]) == 0)
            return len;
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    return len;
}

struct verdict check_message(const struct head *head, struct body_framing *ret_framing)
{
    struct summary found;
    struct body_framing framing = {.chunked = false};
    if (!header_method_valid(head->method))
        return refuse_broken("the method must be a token of at most 32 characters");
    struct verdict verdict = summarise(head->fields, &found);
    if (verdict.status == 0)
        verdict = check_framing(head, &found, &framing);
    if (verdict.status == 0)
        verdict = check_host_field(head, &found);
    if (verdict.status == 0)
        verdict = check_target(head->target);
    framing.expects_continue = found.expects > 0;
    if (verdict.status == 0 && framing.expects_continue &&
        (found.expects > 1 || strcasecmp(found.expect, "100-continue") != 0))
        verdict = refuse(417, "the only expectation that can be met is 100-continue");
    if (verdict.status == 0)
        *ret_framing = framing;
    return verdict;
}

/* ---- who is asking ---- */

static bool same_name(const char *name, size_t len, const char *listed)
{
    const char *wanted;
    size_t wanted_len = host_name(listed, &wanted);
    if (wanted_len == 0) { /* an IPv6 address listed without brackets */
        wanted = listed;
        wanted_len = strlen(listed);
    }
    return wanted_len == len && strncasecmp(name, wanted, len) == 0;
}

/* Whom the request is for, or NULL. */
static const char *named_host(const struct head *head)
{
    return head->authority ? head->authority : header_get(head->fields, "Host");
}

struct verdict check_host(const struct head *head, const struct strings *hosts)
{
    const char *host = named_host(head);
    const char *name = "";
    if (hosts->count == 0)
        return fine;
    size_t len = host ? host_name(host, &name) : 0;
    for (size_t i = 0; i < hosts->count; i++)
        if (len > 0 && same_name(name, len, hosts->items[i]))
            return fine;
    return refuse(421, "this daemon does not answer to that Host");
}

static bool is_address(const char *name, size_t len)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (memchr(name, ':', len))
        return true;
    if (len >= sizeof text)
        return false;
    memcpy(text, name, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

struct verdict check_admin_host(const struct head *head, const struct strings *hosts)
{
    const char *host = named_host(head);
    const char *name = "";
    size_t len = host ? host_name(host, &name) : 0;
    if (len == 0 || !memchr(name, '.', len) || is_address(name, len))
        return fine;
    for (size_t i = 0; i < hosts->count; i++)
        if (strcmp(hosts->items[i], "*") == 0 || same_name(name, len, hosts->items[i]))
            return fine;
    return refuse(421, "the admin pages do not answer to that Host: see adminHosts");
}

static size_t field_count(const struct header_list *fields, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < fields->count; i++)
        count += header_is(&fields->items[i], name);
    return count;
}

static const char *listed_origin(const struct strings *origins, const char *origin)
{
    for (size_t i = 0; i < origins->count; i++)
        if (strcasecmp(origins->items[i], origin) == 0)
            return origins->items[i];
    return NULL;
}

/* The authority without the scheme's default port. */
static size_t authority_length(const char *authority, const char *port)
{
    size_t len = strlen(authority), port_len = strlen(port);
    bool ends = len > port_len && strcmp(authority + len - port_len, port) == 0;
    return ends ? len - port_len : len;
}

/* True when `origin` is the page that `host` itself serves. */
static bool is_own_origin(const char *origin, const char *host)
{
    const char *authority, *port;
    if (!host)
        return false;
    if (strncasecmp(origin, "http://", 7) == 0) {
        authority = origin + 7;
        port = ":80";
    } else if (strncasecmp(origin, "https://", 8) == 0) {
        authority = origin + 8;
        port = ":443";
    } else {
        return false;
    }
    size_t len = authority_length(authority, port);
    return len == authority_length(host, port) && strncasecmp(authority, host, len) == 0;
}

struct verdict check_origin(const struct head *head, const struct strings *origins,
                            const char **ret_allowed)
{
    const char *origin = header_get(head->fields, "Origin");
    const char *site = header_get(head->fields, "Sec-Fetch-Site");
    const char *listed = origin ? listed_origin(origins, origin) : NULL;
    if (field_count(head->fields, "Origin") > 1 || field_count(head->fields, "Sec-Fetch-Site") > 1)
        return refuse(400, "Origin or Sec-Fetch-Site came more than once");
    if (listed) {
        *ret_allowed = listed;
        return fine;
    }
    if (origin && !is_own_origin(origin, named_host(head)))
        return refuse(403, "pages of this Origin are not allowed to ask here");
    if (site && (strcasecmp(site, "cross-site") == 0 || strcasecmp(site, "same-site") == 0))
        return refuse(403, "pages of other sites are not allowed to ask here");
    *ret_allowed = NULL;
    return fine;
}

size_t query_members(const char *query)
{
    size_t count = query[0] != '\0';
    for (const char *mark = strchr(query, '&'); mark; mark = strchr(mark + 1, '&'))
        count++;
    return count;
}

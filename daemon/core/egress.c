/*
 * A rule's host goes through the same parser as the URLs it will judge, so that
 * both sides of the comparison are spelled alike (127.1 is 127.0.0.1 on both).
 */
#include "core/egress.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_address(const char *host)
{
    struct in_addr address;
    return strchr(host, ':') || inet_pton(AF_INET, host, &address) == 1;
}

/* True when `text` ends in ":digits" behind the host. */
static bool has_port(const char *text)
{
    const char *bracket = strchr(text, ']');
    return strchr(bracket ? bracket : text, ':') != NULL;
}

const char *egress_rule_parse(struct arena *arena, const char *text, struct egress_rule *ret_rule)
{
    struct egress_rule rule = {.suffix = strncmp(text, "*.", 2) == 0};
    const char *host = rule.suffix ? text + 2 : text;
    struct url url;
    if (strstr(text, "://"))
        return "a rule is a host or host:port, without a scheme";
    if (strpbrk(host, "/?#"))
        return "a rule is a host or host:port, without a path";
    if (strchr(host, '*'))
        return "* stands only at the beginning, as in *.example.com";
    const char *wrong = url_parse(arena, arena_printf(arena, "http://%s/", host), &url);
    if (wrong)
        return wrong;
    if (host[strlen(host) - 1] == ':')
        return "the port is missing behind the colon";
    if (rule.suffix && is_address(url.origin.host))
        return "*. goes with names, not with addresses";
    rule.host = url.origin.host;
    rule.port = has_port(host) ? url.origin.port : 0;
    *ret_rule = rule;
    return NULL;
}

static bool host_matches(const struct egress_rule *rule, const char *host)
{
    if (!rule->suffix)
        return strcmp(rule->host, host) == 0;
    size_t suffix_len = strlen(rule->host);
    size_t len = strlen(host);
    return len > suffix_len + 1 && host[len - suffix_len - 1] == '.' &&
           strcmp(host + len - suffix_len, rule->host) == 0;
}

bool egress_allows(const struct egress *egress, const struct origin *origin)
{
    for (size_t i = 0; i < egress->count; i++) {
        const struct egress_rule *rule = &egress->rules[i];
        unsigned port = rule->port > 0 ? rule->port : origin->tls ? 443 : 80;
        if (port == origin->port && host_matches(rule, origin->host))
            return true;
    }
    return false;
}

/*
 * Each check needs only what the table already guarantees (a type, a range) or
 * looks first whether the value is there at all: reading went on after faults,
 * so that people see all of them at once.
 */
#include "core/config_check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/header.h"
#include "core/options_read.h"
#include "core/units.h"

enum { WORKERS_MAX = 256, NAME_MAX_LEN = 64 };

/* The items of a list of strings as written; one string is a list of one. */
static const struct node *first_item(const struct node *map, const char *name)
{
    const struct node *node = node_get(map, name);
    return node && node->kind == NODE_LIST ? node->first : node;
}

static const struct node *next_item(const struct node *item)
{
    return item->parent->kind == NODE_LIST ? item->next : NULL;
}

/* NULL where the table has already found a fault. */
static const char *item_text(const struct node *item)
{
    return item->kind == NODE_STRING && item->text_len > 0 ? item->text : NULL;
}

static bool is_alphanumeric(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9');
}

static void check_workers(struct config *config, const struct node *root, struct faults *faults)
{
    const struct node *node = node_get(root, "workers");
    uint64_t count = 0;
    if (!node || strcmp(config->workers_text, "auto") == 0)
        return;
    if (config->workers_text[0] == '0' || !units_count(config->workers_text, &count) || count < 1 ||
        count > WORKERS_MAX)
        fault_at(faults, node, "must be \"auto\" or a number from 1 to %d, not \"%.40s\"",
                 WORKERS_MAX, config->workers_text);
    config->workers = count;
}

/* Ports are not compared, so naming one would promise something. */
static bool is_host_name(const char *text)
{
    size_t len = strlen(text);
    if (text[0] == '[')
        return len > 2 && text[len - 1] == ']' &&
               strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
    for (size_t i = 0; i < len; i++)
        if (!is_alphanumeric(text[i]) && !strchr("-._", text[i]))
            return false;
    return len > 0;
}

static void check_hosts(const struct node *root, const char *name, const char *also,
                        struct faults *faults)
{
    const struct node *host = first_item(root, name);
    for (; host; host = next_item(host))
        if (item_text(host) && !is_host_name(item_text(host)) && strcmp(item_text(host), also) != 0)
            fault_at(faults, host,
                     "must be a host name such as \"api.example.com\", without a port");
}

static void check_origins(const struct node *root, struct arena *arena, struct faults *faults)
{
    const struct node *origin = first_item(root, "origins");
    for (; origin; origin = next_item(origin)) {
        struct url url;
        const char *text = item_text(origin);
        if (!text)
            continue;
        bool absolute = url_is_absolute(text);
        const char *wrong = absolute ? url_parse(arena, text, &url) : NULL;
        if (wrong)
            fault_at(faults, origin, "%s", wrong);
        else if (!absolute || strpbrk(strstr(text, "://") + 3, "/?#"))
            fault_at(faults, origin,
                     "must be an origin such as \"https://app.example.com\", without a path");
    }
}

static void compile_egress(struct config *config, const struct node *root, struct faults *faults)
{
    const struct strings *allow = &config->egress_options.allow;
    struct egress *egress = &config->egress;
    egress->rules = arena_array(config->arena, allow->count, sizeof(*egress->rules));
    const struct node *rule = first_item(node_get(root, "egress"), "allow");
    for (; rule; rule = next_item(rule)) {
        if (!item_text(rule))
            continue;
        const char *wrong =
            egress_rule_parse(config->arena, item_text(rule), &egress->rules[egress->count]);
        if (wrong)
            fault_at(faults, rule, "%s", wrong);
        else
            egress->count++;
    }
}

static void check_added_field(const struct node *root, const char *option, const char *name,
                              struct faults *faults)
{
    const struct node *node = node_get(node_get(root, "propagate"), option);
    if (!node || !*name)
        return;
    if (!header_name_valid(name))
        fault_at(faults, node, "must be a header field's name, not \"%.100s\"", name);
    else if (header_refused(name))
        fault_at(faults, node, "must not be \"%.100s\", which has a meaning of its own", name);
}

static bool is_upstream_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_LEN || !is_alphanumeric(name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_alphanumeric(name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return true;
}

static void compile_url(struct upstream *upstream, struct arena *arena, struct faults *faults)
{
    const struct node *node = node_get(upstream->node, "url");
    if (!upstream->url_text)
        return;
    const char *wrong = url_is_absolute(upstream->url_text)
                            ? url_parse(arena, upstream->url_text, &upstream->url)
                            : "must be a URL: http://host or https://host";
    if (wrong) {
        fault_at(faults, node, "%s", wrong);
        return;
    }
    if (strpbrk(upstream->url_text, "?#"))
        fault_at(faults, node, "an upstream's URL has no query and no fragment");
    size_t len = strlen(upstream->url.target);
    while (len > 0 && upstream->url.target[len - 1] == '/')
        len--;
    upstream->url.target = arena_copy(arena, upstream->url.target, len);
}

/* The one variable that a file's name may begin with: nobody can know beforehand where
 * the service manager puts credentials. Where it is not set the text stays as it is, for
 * whoever loads to judge. NULL with a fault. */
static const char *file_path(const struct node *node, const char *text, struct arena *arena,
                             struct faults *faults)
{
    static const char variable[] = "${CREDENTIALS_DIRECTORY}";
    if (strncmp(text, "${", 2) != 0)
        return text;
    if (strncmp(text, variable, strlen(variable)) != 0) {
        fault_at(faults, node, "of variables only %s is known", variable);
        return NULL;
    }
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    return folder ? arena_printf(arena, "%s%s", folder, text + strlen(variable)) : text;
}

/* systemd hides the credentials of a service from its ExecReload= commands, and so from the
 * check before a reload: 252 their content, 257 even their place. The daemon itself looks again
 * when it loads the file. */
static bool is_hidden_here(const char *text)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    bool is_credential = strncmp(text, "${", 2) == 0;
    return is_credential && (!folder || (access(folder, X_OK) != 0 && errno == EACCES));
}

const char *config_check_ca_file(const struct node *node, const char *text, struct arena *arena,
                                 struct faults *faults)
{
    struct stat status;
    const char *path = text ? file_path(node, text, arena, faults) : NULL;
    if (!path || is_hidden_here(text))
        return path;
    if (stat(path, &status) != 0 || access(path, R_OK) != 0)
        fault_at(faults, node, "\"%.200s\" cannot be read: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        fault_at(faults, node, "\"%.200s\" is not a file", path);
    return path;
}

static void compile_proxy(struct upstream *upstream, struct arena *arena, struct faults *faults)
{
    const struct node *node = node_get(upstream->node, "proxy");
    if (!upstream->proxy_text)
        return;
    struct proxy *proxy = arena_alloc(arena, sizeof *proxy);
    const char *wrong = proxy_parse(arena, upstream->proxy_text, proxy);
    if (wrong)
        fault_at(faults, node, "%s", wrong);
    else if (upstream->http != HTTP_1)
        fault_at(faults, node, "works only with \"http\": 1");
    else
        upstream->proxy = proxy;
}

static void compile_upstream_batch(struct upstream *upstream, struct arena *arena,
                                   struct faults *faults)
{
    const struct node *node = upstream->batch_node;
    upstream->batch.closed = node && node->kind == NODE_STRING && strcmp(node->text, "off") == 0;
    if (upstream->batch.closed)
        node = NULL;
    if (node && node->kind != NODE_MAP) {
        fault_at(faults, node, "must be \"off\" or a map with methods and paths, not %s",
                 node->kind == NODE_STRING ? "another string" : node_kind_text(node->kind));
        return;
    }
    options_read(SECTION_UPSTREAM_BATCH, node, false, &upstream->batch, arena, faults);
    const struct node *method = first_item(node, "methods");
    for (; method; method = next_item(method)) {
        const char *text = item_text(method);
        const char *meant = text ? header_method_meant(text) : NULL;
        if (meant)
            fault_at(faults, method, HEADER_METHOD_CASE, meant);
        else if (text && !header_method_valid(text))
            fault_at(faults, method, "must be a method such as \"GET\"");
    }
    const struct node *path = first_item(node, "paths");
    for (; path; path = next_item(path))
        if (item_text(path) && item_text(path)[0] != '/')
            fault_at(faults, path, "must begin with \"/\"");
}

static void compile_upstreams(struct config *config, struct faults *faults)
{
    struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        struct upstream *upstream = &upstreams[i];
        if (!is_upstream_name(upstream->name))
            fault_at_key(faults, upstream->node,
                         "an upstream's name has at most 64 letters, digits, \"-\" and \"_\", and "
                         "begins with a letter or digit");
        compile_url(upstream, config->arena, faults);
        upstream->ca_file = config_check_ca_file(node_get(upstream->node, "caFile"),
                                                 upstream->ca_file_text, config->arena, faults);
        compile_proxy(upstream, config->arena, faults);
        compile_upstream_batch(upstream, config->arena, faults);
    }
}

static void check_compression(const struct config *config, const struct node *root,
                              struct faults *faults)
{
    const struct node *node = node_get(root, "compression");
    if (config->compression.min <= config->compression.max)
        return;
    const struct node *min = node_get(node, "min");
    fault_at(faults, min ? min : node_get(node, "max"),
             "compression.min must not be larger than compression.max");
}

void config_check_values(struct config *config, const struct node *root, struct faults *faults)
{
    check_workers(config, root, faults);
    check_hosts(root, "hosts", "", faults);
    check_hosts(root, "adminHosts", "*", faults);
    check_origins(root, config->arena, faults);
    compile_egress(config, root, faults);
    check_added_field(root, "timeoutHeader", config->propagate.timeout_header, faults);
    check_added_field(root, "requestId", config->propagate.request_id, faults);
    config_check_observing(config, root, faults);
    check_compression(config, root, faults);
    compile_upstreams(config, faults);
}

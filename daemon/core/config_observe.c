/*
 * What `accessLog` and `tracing` say, made ready for those who act on it. The function is
 * declared with the other checks.
 */
#include <string.h>
#include <strings.h>

#include "core/access_format.h"
#include "core/config_check.h"
#include "core/header_node.h"

enum { HEADERS_MAX = 100 };

/* "0", "1", "0.25", as a share of 2^32. */
static bool read_share(const char *text, uint64_t *ret_share)
{
    const char *at = text;
    uint64_t whole = 0, fraction = 0, scale = 1;
    if (*at != '0' && *at != '1')
        return false;
    whole = (uint64_t)(*at++ - '0');
    if (*at == '.' && at[1] == '\0')
        return false;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9' && scale < 1000000000; at++, scale *= 10)
            fraction = fraction * 10 + (uint64_t)(*at - '0');
    if (*at != '\0' || (whole == 1 && fraction > 0))
        return false;
    *ret_share = ((whole * scale + fraction) << 32) / scale;
    return true;
}

static void check_share(const struct node *section, const char *text, uint64_t *ret_share,
                        struct faults *faults)
{
    const struct node *node = node_get(section, "sample");
    if (!read_share(text, ret_share))
        fault_at(faults, node,
                 "must be a number from 0 to 1 with at most nine decimals, not \"%s\"", text);
}

static void check_access_log(struct config *config, const struct node *section,
                             struct faults *faults)
{
    struct access_log_options *log = &config->access_log;
    if (strcmp(log->to, "off") == 0)
        log->target = ACCESS_OFF;
    else if (strcmp(log->to, "stderr") == 0)
        log->target = ACCESS_STDERR;
    else if (strcmp(log->to, "journal") == 0)
        log->target = ACCESS_JOURNAL;
    else if (log->to[0] == '/')
        log->target = ACCESS_FILE;
    else
        fault_at(faults, node_get(section, "to"),
                 "must be \"off\", \"stderr\", \"journal\" or the absolute path of a file");
    check_share(section, log->sample_text, &log->sample, faults);
    log->format =
        access_format_compile(config->arena, log->format_text, node_get(section, "format"), faults);
}

/* The spans have a Content-Type of their own, and the reply is read as it comes. */
static bool is_ours(const char *name)
{
    return strcasecmp(name, "Content-Type") == 0 || strcasecmp(name, "Accept-Encoding") == 0;
}

static void compile_headers(struct config *config, struct faults *faults)
{
    struct tracing_options *tracing = &config->tracing;
    const struct node *map = tracing->headers_node;
    if (!map)
        return;
    if (map->kind != NODE_MAP || map->count > HEADERS_MAX) {
        fault_at(faults, map, "must be a map of at most %d names and strings", HEADERS_MAX);
        return;
    }
    for (const struct node *node = map->first; node; node = node->next) {
        if (is_ours(node->key))
            fault_at_key(faults, node, "%s may not be set here", node->key);
        else if (header_node_check(node, &tracing->headers, faults))
            header_add(config->arena, &tracing->headers, node->key,
                       header_node_value(config->arena, node));
    }
}

static void check_tracing(struct config *config, const struct node *section, struct faults *faults)
{
    struct tracing_options *tracing = &config->tracing;
    struct url url;
    tracing->on = strcmp(tracing->otlp, "off") != 0;
    check_share(section, tracing->sample_text, &tracing->sample, faults);
    compile_headers(config, faults);
    tracing->ca_file = config_check_ca_file(node_get(section, "caFile"), tracing->ca_file_text,
                                            config->arena, faults);
    if (!tracing->on)
        return;
    const char *wrong = url_is_absolute(tracing->otlp)
                            ? url_parse(config->arena, tracing->otlp, &url)
                            : "must be \"off\" or a URL such as http://127.0.0.1:4318/v1/traces";
    if (wrong)
        fault_at(faults, node_get(section, "otlp"), "%s", wrong);
}

void config_check_observing(struct config *config, const struct node *root, struct faults *faults)
{
    check_access_log(config, node_get(root, "accessLog"), faults);
    check_tracing(config, node_get(root, "tracing"), faults);
    config->observes = config->access_log.target != ACCESS_OFF || config->access_log.slow > 0 ||
                       config->tracing.on || config->propagate.request_id[0] != '\0';
}

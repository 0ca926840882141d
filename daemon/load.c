/*
 * core cannot know what a listener's address looks like; front can. The tree the
 * configuration was read from tells where each address stands.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "base/mem.h"
#include "core/config_load.h"
#include "core/node.h"
#include "front/listen.h"

static void check_address(const struct node *node, const char *address, struct faults *faults)
{
    const char *wrong = listen_check(address);
    if (!wrong)
        return;
    if (node)
        fault_at(faults, node, "\"%s\" is not an address to listen on: %s", address, wrong);
    else
        fault_in(faults, "defaults", "\"%s\" is not an address to listen on: %s", address, wrong);
}

static void check_repeated(const struct node *node, const struct strings *addresses, size_t index,
                           struct faults *faults)
{
    for (size_t i = 0; node && i < index; i++)
        if (listen_same(addresses->items[i], addresses->items[index])) {
            fault_at(faults, node, "\"%s\" is listed twice", addresses->items[index]);
            return;
        }
}

/* `systemd` without a name takes all that is left, which is for clients. */
static void check_admin(const struct config *config, struct faults *faults)
{
    const struct node *node = config->root ? node_get(config->root, "admin") : NULL;
    const struct node *item = node && node->kind == NODE_LIST ? node->first : node;
    for (size_t i = 0; i < config->admin.count; i++) {
        const char *address = config->admin.items[i];
        if (strcmp(address, "systemd") == 0)
            fault_at(faults, item, "needs the name of a socket: \"systemd:NAME\"");
        else
            check_address(item, address, faults);
        check_repeated(item, &config->admin, i, faults);
        for (size_t j = 0; j < config->listen.count; j++)
            if (listen_same(address, config->listen.items[j]))
                fault_at(faults, item, "\"%s\" is one of `listen` already", address);
        item = item ? item->next : NULL;
    }
}

static void check_listen(const struct config *config, struct faults *faults)
{
    const struct node *node = config->root ? node_get(config->root, "listen") : NULL;
    const struct node *item = node && node->kind == NODE_LIST ? node->first : node;
    if (node && config->listen.count == 0)
        fault_at(faults, node, "a daemon needs at least one address to listen on");
    for (size_t i = 0; i < config->listen.count; i++) {
        check_address(item, config->listen.items[i], faults);
        check_repeated(item, &config->listen, i, faults);
        item = item ? item->next : NULL;
    }
}

/* Its text stays as it was written where nobody said what the variable in it stands for. */
static bool is_unknown(const char *file)
{
    return file && strncmp(file, "${", 2) == 0;
}

const char *load_unknown_credential(const struct config *config)
{
    const struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        if (is_unknown(upstreams[i].ca_file))
            return upstreams[i].ca_file;
    return is_unknown(config->tracing.ca_file) ? config->tracing.ca_file : NULL;
}

struct config *load_config(const char *file, struct config *previous, struct faults *faults)
{
    struct config *config = file ? config_load(file, previous, faults) : config_defaults();
    if (config)
        check_listen(config, faults);
    if (config)
        check_admin(config, faults);
    return faults_any(faults) ? config_unref(config) : config;
}

static void want_credential(const struct node *section, const char *file, struct faults *faults)
{
    if (is_unknown(file))
        fault_at(faults, node_get(section, "caFile"),
                 "CREDENTIALS_DIRECTORY is not set: systemd sets it for a service "
                 "with LoadCredential=");
}

struct config *load_config_to_serve(const char *file, struct config *previous,
                                    struct faults *faults)
{
    struct config *config = load_config(file, previous, faults);
    if (!config)
        return NULL;
    const struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        want_credential(upstreams[i].node, upstreams[i].ca_file, faults);
    if (config->tracing.ca_file)
        want_credential(node_get(config->root, "tracing"), config->tracing.ca_file, faults);
    return faults_any(faults) ? config_unref(config) : config;
}

void load_blame_access_log(const struct config *config, int error, struct faults *faults)
{
    const char *to = config->access_log.to, *why = access_log_refusal(config, -error);
    const struct node *section = config->root ? node_get(config->root, "accessLog") : NULL;
    const struct node *node = section ? node_get(section, "to") : NULL;
    if (node)
        fault_at(faults, node, "accessLog: %s cannot be opened: %s", to, why);
    else
        fault_in(faults, "defaults", "accessLog: %s cannot be opened: %s", to, why);
}

/* 0 or errno. What does not exist yet can be made where its directory can be written to. */
static int try_access_log(const char *file)
{
    int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno != ENOENT)
        return errno;
    size_t len = (size_t)(strrchr(file, '/') - file) + 1;
    scope_free char *folder = mem_copy(file, len);
    return access(folder, W_OK | X_OK) == 0 ? 0 : errno;
}

struct config *load_config_to_check(const char *file, struct config *previous,
                                    struct faults *faults)
{
    struct config *config = load_config(file, previous, faults);
    if (!config || config->access_log.target != ACCESS_FILE)
        return config;
    int error = try_access_log(config->access_log.to);
    if (error == 0)
        return config;
    load_blame_access_log(config, error, faults);
    return config_unref(config);
}

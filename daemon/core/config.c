/*
 * A snapshot and everything it points to lives in one arena; only its gauges
 * are counted on their own, because they outlive it. Nothing in it changes after
 * loading but the reference count.
 */
#include "core/config.h"

#include <string.h>

struct config *config_new(void)
{
    struct arena *arena = arena_new();
    struct config *config = arena_alloc(arena, sizeof(*config));
    config->arena = arena;
    config->references = 1;
    config->routes = routes_new(arena);
    return config;
}

void config_share_gauges(struct config *config, const struct config *previous)
{
    struct upstream *upstreams = config->upstreams.items;
    config->in_flight = previous ? gauge_ref(previous->in_flight) : gauge_new();
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct upstream *before =
            previous ? config_upstream(previous, upstreams[i].name) : NULL;
        upstreams[i].in_flight = before ? gauge_ref(before->in_flight) : gauge_new();
    }
}

void config_set_limits(const struct config *config)
{
    const struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        gauge_set_limit(upstreams[i].in_flight, upstreams[i].max_in_flight);
}

struct config *config_ref(struct config *config)
{
    __atomic_add_fetch(&config->references, 1, __ATOMIC_RELAXED);
    return config;
}

struct config *config_unref(struct config *config)
{
    if (!config || __atomic_sub_fetch(&config->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        gauge_unref(upstreams[i].in_flight);
    gauge_unref(config->in_flight);
    arena_free(config->arena);
    return NULL;
}

const struct upstream *config_upstream(const struct config *config, const char *name)
{
    const struct upstream *upstreams = config->upstreams.items;
    for (size_t i = 0; i < config->upstreams.count; i++)
        if (strcmp(upstreams[i].name, name) == 0)
            return &upstreams[i];
    return NULL;
}

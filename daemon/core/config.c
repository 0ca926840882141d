/*
 * A snapshot and everything it points to lives in one arena; only its gauges and slots
 * are counted on their own, because they outlive it. Nothing in it changes after
 * loading but the reference count.
 */
#include "core/config.h"

#include <string.h>

/* An upstream that a reload has taken away, whose calls may still be in flight. */
struct former_upstream {
    const char *name;
    struct gauge *in_flight;
    struct former_upstream *next;
};

struct config *config_new(void)
{
    struct arena *arena = arena_new();
    struct config *config = arena_alloc(arena, sizeof(*config));
    config->arena = arena;
    config->references = 1;
    config->routes = routes_new(arena);
    return config;
}

static struct slots *new_endpoint_slots(void)
{
    struct slots *slots = slots_new(SLOT_NAME_BATCH);
    size_t none = slots_take(slots, SLOT_NAME_NONE);
    assert(none == SLOT_NONE);
    return slots;
}

static void share_slots(struct config *config, const struct config *previous)
{
    struct upstream *upstreams = config->upstreams.items;
    struct endpoint *endpoints = config->endpoints.items;
    config->upstream_slots =
        previous ? slots_ref(previous->upstream_slots) : slots_new(SLOT_NAME_URL);
    config->endpoint_slots = previous ? slots_ref(previous->endpoint_slots) : new_endpoint_slots();
    for (size_t i = 0; i < config->upstreams.count; i++)
        upstreams[i].slot = slots_take(config->upstream_slots, upstreams[i].name);
    for (size_t i = 0; i < config->endpoints.count; i++)
        endpoints[i].slot = slots_take(
            config->endpoint_slots,
            arena_printf(config->arena, "%s %s", endpoints[i].method, endpoints[i].path));
}

/* Most stand where they stood in the snapshot before: that place is looked at first. */
static const struct upstream *upstream_near(const struct config *config, const char *name,
                                            size_t place)
{
    const struct upstream *upstreams = config->upstreams.items;
    if (place < config->upstreams.count && strcmp(upstreams[place].name, name) == 0)
        return &upstreams[place];
    return config_upstream(config, name);
}

/* The gauge that a snapshot has for an upstream, or keeps for a former one; NULL: none. */
static struct gauge *gauge_of(const struct config *config, const char *name, size_t place)
{
    const struct upstream *upstream = upstream_near(config, name, place);
    if (upstream)
        return upstream->in_flight;
    for (const struct former_upstream *former = config->former; former; former = former->next)
        if (strcmp(former->name, name) == 0)
            return former->in_flight;
    return NULL;
}

static void keep_gauge(struct config *config, const char *name, struct gauge *gauge)
{
    struct former_upstream *former = arena_alloc(config->arena, sizeof *former);
    former->name = arena_string(config->arena, name);
    former->in_flight = gauge_ref(gauge);
    former->next = config->former;
    config->former = former;
}

/* An upstream that comes back while calls to it still run must count them. What only
 * `previous` has a gauge of is of no use to anybody else. */
static void keep_former(struct config *config, const struct config *previous)
{
    const struct upstream *upstreams = previous->upstreams.items;
    for (size_t i = 0; i < previous->upstreams.count; i++)
        if (!upstream_near(config, upstreams[i].name, i))
            keep_gauge(config, upstreams[i].name, upstreams[i].in_flight);
    for (const struct former_upstream *former = previous->former; former; former = former->next)
        if (gauge_is_shared(former->in_flight) && !config_upstream(config, former->name))
            keep_gauge(config, former->name, former->in_flight);
}

void config_share(struct config *config, const struct config *previous)
{
    struct upstream *upstreams = config->upstreams.items;
    share_slots(config, previous);
    config->in_flight = previous ? gauge_ref(previous->in_flight) : gauge_new();
    for (size_t i = 0; i < config->upstreams.count; i++) {
        struct gauge *before = previous ? gauge_of(previous, upstreams[i].name, i) : NULL;
        upstreams[i].in_flight = before ? gauge_ref(before) : gauge_new();
    }
    if (previous)
        keep_former(config, previous);
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
    for (struct former_upstream *former = config->former; former; former = former->next)
        gauge_unref(former->in_flight);
    gauge_unref(config->in_flight);
    slots_unref(config->upstream_slots);
    slots_unref(config->endpoint_slots);
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

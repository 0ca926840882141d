/*
 * Cache-Control of replies (RFC 9111 5.2.2): read, and the least of several.
 *
 * Read for the worst: what is unknown is passed over, as the RFC asks, but a number
 * that is none counts as 0, and a field that cannot be taken apart as no-store.
 */
#ifndef CORE_CACHE_CONTROL_H
#define CORE_CACHE_CONTROL_H

#include "base/buffer.h"
#include "core/field_list.h"

struct cache_control {
    bool present; /* some line was read */
    bool no_store, no_cache, is_private, is_public, must_revalidate, no_transform;
    bool has_max_age, has_s_maxage;
    uint32_t max_age, s_maxage; /* seconds; of two the smaller one */
};

/* Adds one field line to what was read before. */
void cache_control_read(struct cache_control *control, struct field_text line);

/* What a reply, or several as one, allow. */
struct freshness {
    bool no_store, no_cache, is_private, is_public, must_revalidate;
    uint32_t own, shared; /* seconds in a client's own cache, and in a shared one */
};

/* `age` seconds of its lifetimes have passed. `authorized`: it answers a request with an
 * Authorization, so that only a reply that says so may be shared (RFC 9111 3.5). A reply that
 * says nothing may not be stored. */
struct freshness cache_control_freshness(const struct cache_control *control, uint32_t age,
                                         bool authorized);

/* Makes `all` allow no more than `one` does. */
void freshness_limit(struct freshness *all, const struct freshness *one);

/* As a Cache-Control value, at most FRESHNESS_TEXT_MAX bytes: "public, max-age=60". */
#define FRESHNESS_TEXT_MAX 96
void freshness_write(const struct freshness *freshness, struct buffer *out);

#endif

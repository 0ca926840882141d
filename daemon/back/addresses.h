/*
 * The addresses of one name, as literals: what a lookup found, in its order.
 * Immutable but for a hint, and counted, so that any thread may hold them.
 */
#ifndef BACK_ADDRESSES_H
#define BACK_ADDRESSES_H

#include <stddef.h>

#include "base/errors.h"

#define RESOLVE_ADDRESSES_MAX 16

struct addresses;
struct addrinfo;

/* What getaddrinfo() gave, IPv4 and IPv6 only, each once, the first
 * RESOLVE_ADDRESSES_MAX of them. NULL when none is left. */
struct addresses *addresses_new(const struct addrinfo *found);
struct addresses *addresses_ref(struct addresses *addresses) __attribute__((returns_nonnull));
struct addresses *addresses_unref(struct addresses *addresses); /* NULL is fine; returns NULL */

size_t addresses_count(const struct addresses *addresses);
const char *addresses_at(const struct addresses *addresses, size_t index);

/* Which one to try first: the one that connected last (a hint, any thread). */
size_t addresses_preferred(const struct addresses *addresses);
void addresses_prefer(struct addresses *addresses, size_t index);

#endif

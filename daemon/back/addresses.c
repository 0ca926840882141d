/*
 * A counted array of address literals. The hint is one relaxed atomic: two
 * threads that disagree about it cost a connection attempt, never more.
 *
 * Link-local addresses lose their scope: a zone cannot be written in a URL of
 * ours, and connecting without one fails, which is what shall happen.
 */
#include "back/addresses.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

struct addresses {
    atomic_uint references;
    atomic_size_t preferred;
    size_t count;
    char items[RESOLVE_ADDRESSES_MAX][INET6_ADDRSTRLEN];
};

static bool print_address(const struct sockaddr *address, char *out)
{
    const void *bytes = NULL;
    if (address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return bytes && inet_ntop(address->sa_family, bytes, out, INET6_ADDRSTRLEN);
}

static void add(struct addresses *addresses, const struct sockaddr *address)
{
    char *literal = addresses->items[addresses->count];
    if (!print_address(address, literal))
        return;
    for (size_t i = 0; i < addresses->count; i++) {
        if (strcmp(addresses->items[i], literal) == 0)
            return;
    }
    addresses->count++;
}

struct addresses *addresses_new(const struct addrinfo *found)
{
    struct addresses *addresses = mem_new(sizeof *addresses);
    atomic_init(&addresses->references, 1);
    atomic_init(&addresses->preferred, 0);
    for (; found && addresses->count < RESOLVE_ADDRESSES_MAX; found = found->ai_next)
        add(addresses, found->ai_addr);
    return addresses->count > 0 ? addresses : addresses_unref(addresses);
}

struct addresses *addresses_ref(struct addresses *addresses)
{
    atomic_fetch_add_explicit(&addresses->references, 1, memory_order_relaxed);
    return addresses;
}

struct addresses *addresses_unref(struct addresses *addresses)
{
    if (addresses &&
        atomic_fetch_sub_explicit(&addresses->references, 1, memory_order_acq_rel) == 1)
        free(addresses);
    return NULL;
}

size_t addresses_count(const struct addresses *addresses)
{
    return addresses->count;
}

const char *addresses_at(const struct addresses *addresses, size_t index)
{
    assert(index < addresses->count);
    return addresses->items[index];
}

size_t addresses_preferred(const struct addresses *addresses)
{
    return atomic_load_explicit(&addresses->preferred, memory_order_relaxed);
}

void addresses_prefer(struct addresses *addresses, size_t index)
{
    assert(index < addresses->count);
    atomic_store_explicit(&addresses->preferred, index, memory_order_relaxed);
}

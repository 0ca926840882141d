/*
 * IP literals only (or "localhost" for 127.0.0.1), so that reading one never waits for
 * a name server.
 */
#include "front/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum { HOST_SIZE = INET6_ADDRSTRLEN };

#define NOT_AN_ADDRESS                                                                             \
    "it must be an IP address (IPv6 in brackets) or localhost, and a port, unix:/path, systemd "   \
    "or systemd:NAME"

static const char *read_port(const char *text, in_port_t *ret_port)
{
    unsigned long port = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return "the port must be a number from 0 to 65535";
    for (const char *digit = text; *digit; digit++)
        port = port * 10 + (unsigned long)(*digit - '0');
    if (port > 65535)
        return "the port must be a number from 0 to 65535";
    *ret_port = htons((in_port_t)port);
    return NULL;
}

static const char *read_unix(const char *path, struct address *ret_address)
{
    struct sockaddr_un *local = &ret_address->name.local;
    if (path[0] != '/')
        return "the path of a unix socket must be absolute";
    if (strlen(path) >= sizeof local->sun_path)
        return "the path of a unix socket must be shorter than 108 bytes";
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, path, strlen(path) + 1);
    ret_address->len = sizeof *local;
    return NULL;
}

static void set_v4(struct address *address, struct in_addr host, in_port_t port)
{
    address->name.v4 =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = host, .sin_port = port};
    address->len = sizeof address->name.v4;
}

static void set_v6(struct address *address, struct in6_addr host, in_port_t port)
{
    address->name.v6 =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = host, .sin6_port = port};
    address->len = sizeof address->name.v6;
}

/* "[v6]" with brackets, "v4", "localhost" or "". */
static const char *read_host(const char *text, size_t len, in_port_t port,
                             struct address *ret_address)
{
    char host[HOST_SIZE];
    struct in_addr v4 = {.s_addr = htonl(INADDR_LOOPBACK)};
    struct in6_addr v6 = in6addr_any;
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    size_t skip = bracketed ? 1 : 0;
    ret_address->every = len == 0;
    if (len - 2 * skip >= sizeof host)
        return NOT_AN_ADDRESS;
    memcpy(host, text + skip, len - 2 * skip);
    host[len - 2 * skip] = '\0';
    if (ret_address->every || (bracketed && inet_pton(AF_INET6, host, &v6) == 1)) {
        set_v6(ret_address, v6, port);
        return NULL;
    }
    if (!bracketed && (strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &v4) == 1)) {
        set_v4(ret_address, v4, port);
        return NULL;
    }
    return NOT_AN_ADDRESS;
}

const char *address_read(const char *text, struct address *ret_address)
{
    *ret_address = (struct address){.len = 0};
    if (strncmp(text, ADDRESS_UNIX, strlen(ADDRESS_UNIX)) == 0)
        return read_unix(text + strlen(ADDRESS_UNIX), ret_address);
    const char *colon = strrchr(text, ':');
    in_port_t port;
    if (!colon)
        return "the port is missing";
    const char *wrong = read_port(colon + 1, &port);
    return wrong ? wrong : read_host(text, (size_t)(colon - text), port, ret_address);
}

bool address_same(const struct address *one, const struct address *other)
{
    if (one->name.any.sa_family != other->name.any.sa_family)
        return false;
    if (one->name.any.sa_family == AF_UNIX)
        return one->name.local.sun_path[0] != '\0' &&
               strcmp(one->name.local.sun_path, other->name.local.sun_path) == 0;
    if (one->name.any.sa_family == AF_INET)
        return one->name.v4.sin_port != 0 && one->name.v4.sin_port == other->name.v4.sin_port &&
               one->name.v4.sin_addr.s_addr == other->name.v4.sin_addr.s_addr;
    return one->name.v6.sin6_port != 0 && one->name.v6.sin6_port == other->name.v6.sin6_port &&
           IN6_ARE_ADDR_EQUAL(&one->name.v6.sin6_addr, &other->name.v6.sin6_addr);
}

void address_without_v6(struct address *address)
{
    assert(address->every);
    set_v4(address, (struct in_addr){.s_addr = htonl(INADDR_ANY)}, address->name.v6.sin6_port);
}

int address_bound(int fd, struct address *ret_address)
{
    struct address bound = {.len = sizeof bound.name};
    if (getsockname(fd, &bound.name.any, &bound.len) != 0)
        return -errno;
    *ret_address = bound;
    return 0;
}

const char *address_text(const struct address *address, struct arena *arena)
{
    char host[HOST_SIZE];
    if (address->name.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->name.v6.sin6_addr, host, sizeof host);
        return arena_printf(arena, "[%s]:%u", host, ntohs(address->name.v6.sin6_port));
    }
    if (address->name.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->name.v4.sin_addr, host, sizeof host);
        return arena_printf(arena, "%s:%u", host, ntohs(address->name.v4.sin_port));
    }
    if (address->name.any.sa_family != AF_UNIX)
        return "an address of another kind";
    if (address->name.local.sun_path[0] == '\0' && address->len > sizeof(sa_family_t))
        return arena_printf(arena, ADDRESS_UNIX "@%.*s",
                            (int)(address->len - sizeof(sa_family_t) - 1),
                            address->name.local.sun_path + 1);
    return arena_printf(arena, ADDRESS_UNIX "%.*s", (int)sizeof address->name.local.sun_path,
                        address->name.local.sun_path);
}

/*
 * Addresses are IP literals (or "localhost" for 127.0.0.1), so that opening a
 * listener never waits for a name server. An address is taken apart in one
 * place, read_address(), which the syntax check and the opening share.
 *
 * SO_REUSEADDR only lets a restart have its port back at once; SO_REUSEPORT is
 * never set: it would hide that another program has the port.
 *
 * A unix socket's file outlives a killed daemon. Whether somebody still listens
 * there is found out by connecting: only a refusal makes the file stale.
 */
#include "front/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, HOST_SIZE = INET6_ADDRSTRLEN };

#define UNIX_PREFIX "unix:"
#define UNIX_MODE   0666
#define NOT_AN_ADDRESS                                                                             \
    "it must be an IP address (IPv6 in brackets) or localhost, and a port, or unix:/path"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } name;
    socklen_t len;
    bool every; /* ":port": all addresses of the machine */
};

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

static const char *read_address(const char *text, struct address *ret_address)
{
    *ret_address = (struct address){.len = 0};
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return read_unix(text + strlen(UNIX_PREFIX), ret_address);
    const char *colon = strrchr(text, ':');
    in_port_t port;
    if (!colon)
        return "the port is missing";
    const char *wrong = read_port(colon + 1, &port);
    return wrong ? wrong : read_host(text, (size_t)(colon - text), port, ret_address);
}

const char *listen_check(const char *address)
{
    struct address ignored;
    return read_address(address, &ignored);
}

bool listen_same(const char *one, const char *other)
{
    struct address first, second;
    if (read_address(one, &first) || read_address(other, &second) ||
        first.name.any.sa_family != second.name.any.sa_family)
        return false;
    if (first.name.any.sa_family == AF_UNIX)
        return strcmp(first.name.local.sun_path, second.name.local.sun_path) == 0;
    if (first.name.any.sa_family == AF_INET)
        return first.name.v4.sin_port != 0 && first.name.v4.sin_port == second.name.v4.sin_port &&
               first.name.v4.sin_addr.s_addr == second.name.v4.sin_addr.s_addr;
    return first.name.v6.sin6_port != 0 && first.name.v6.sin6_port == second.name.v6.sin6_port &&
           IN6_ARE_ADDR_EQUAL(&first.name.v6.sin6_addr, &second.name.v6.sin6_addr);
}

/* ---- opening ---- */

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* True when nobody listens any more on the socket whose file is at `address`. */
static bool is_stale(const struct address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, &address->name.any, address->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_socket(int fd, const struct address *address)
{
    return bind(fd, &address->name.any, address->len) == 0 ? 0 : -errno;
}

/* Makes way for a socket where a file is. Connecting to a plain file is refused like to a
 * stale socket, so what it is is asked first. */
static int remove_stale(const struct address *address)
{
    const char *path = address->name.local.sun_path;
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -ENOTSOCK;
    if (!is_stale(address))
        return -EADDRINUSE;
    return unlink(path) == 0 ? 0 : -errno;
}

static int bind_unix(int fd, const struct address *address)
{
    const char *path = address->name.local.sun_path;
    int rc = bind_socket(fd, address);
    if (rc == -EADDRINUSE) {
        rc = remove_stale(address);
        if (rc == 0)
            rc = bind_socket(fd, address);
    }
    if (rc != 0 || chmod(path, UNIX_MODE) == 0)
        return rc;
    rc = -errno;
    unlink(path);
    return rc;
}

static int prepare(int fd, const struct address *address)
{
    int family = address->name.any.sa_family;
    int rc = 0;
    if (family != AF_UNIX)
        rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && family == AF_INET6)
        rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->every);
    if (rc == 0)
        rc = family == AF_UNIX ? bind_unix(fd, address) : bind_socket(fd, address);
    if (rc == 0 && listen(fd, BACKLOG) != 0)
        rc = -errno;
    return rc;
}

/* A descriptor or -errno. */
static int open_address(struct address *address)
{
    int fd = socket(address->name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address->every) {
        /* A machine without IPv6. */
        set_v4(address, (struct in_addr){.s_addr = htonl(INADDR_ANY)}, address->name.v6.sin6_port);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (fd < 0)
        return -errno;
    int rc = prepare(fd, address);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

/* The address as bound, so that port 0 shows the real one. */
static const char *bound_name(int fd, const char *given, struct arena *arena)
{
    struct address bound = {.len = sizeof bound.name};
    char host[HOST_SIZE];
    if (getsockname(fd, &bound.name.any, &bound.len) != 0)
        return arena_string(arena, given);
    if (bound.name.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &bound.name.v6.sin6_addr, host, sizeof host);
        return arena_printf(arena, "[%s]:%u", host, ntohs(bound.name.v6.sin6_port));
    }
    if (bound.name.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &bound.name.v4.sin_addr, host, sizeof host);
        return arena_printf(arena, "%s:%u", host, ntohs(bound.name.v4.sin_port));
    }
    return arena_string(arena, given);
}

static const char *open_sentence(const char *address, int error, struct arena *arena)
{
    if (error == -EADDRINUSE)
        return arena_printf(arena, "%s is in use by another program", address);
    if (error == -ENOTSOCK)
        return arena_printf(arena, "%s exists and is not a socket", address);
    if (error == -EACCES || error == -EPERM)
        return arena_printf(arena, "%s: this user is not allowed to listen there", address);
    if (error == -EADDRNOTAVAIL)
        return arena_printf(arena, "%s is not an address of this machine", address);
    return arena_printf(arena, "cannot listen on %s: %s", address, strerror(-error));
}

static const char *open_one(const char *text, struct arena *arena, struct listener *ret_listener)
{
    struct address address;
    const char *wrong = read_address(text, &address);
    if (wrong)
        return arena_printf(arena, "cannot listen on %s: %s", text, wrong);
    int fd = open_address(&address);
    if (fd < 0)
        return open_sentence(text, fd, arena);
    *ret_listener = (struct listener){
        .fd = fd,
        .name = bound_name(fd, text, arena),
        .local = address.name.any.sa_family == AF_UNIX,
    };
    return NULL;
}

const char *listeners_open(const struct strings *addresses, struct arena *arena,
                           struct listeners *ret_listeners)
{
    struct listeners opened = {
        .items = arena_array(arena, addresses->count, sizeof(struct listener)),
    };
    for (size_t i = 0; i < addresses->count; i++) {
        const char *wrong = open_one(addresses->items[i], arena, &opened.items[i]);
        if (wrong) {
            listeners_close(&opened);
            return wrong;
        }
        opened.count++;
    }
    *ret_listeners = opened;
    return NULL;
}

void listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->items[i];
        if (listener->local)
            unlink(listener->name + strlen(UNIX_PREFIX));
        close(listener->fd);
        listener->fd = -1;
    }
    listeners->count = 0;
}

/* ---- accepting ---- */

int listen_accept(const struct listener *listener, struct sockaddr_storage *ret_peer,
                  socklen_t *ret_len)
{
    struct sockaddr_storage peer;
    socklen_t len;
    int fd;
    do {
        len = sizeof peer;
        fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    if (!listener->local) /* fails only for a connection that is dead already */
        (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    *ret_peer = peer;
    *ret_len = len;
    return fd;
}

void listen_shed(const struct listener *listener, int *reserve)
{
    if (*reserve >= 0)
        close(*reserve);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    *reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

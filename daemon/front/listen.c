/*
 * SO_REUSEADDR only lets a restart have its port back at once; SO_REUSEPORT is
 * never set: it would hide that another program has the port.
 *
 * A unix socket's file outlives a killed daemon. Whether somebody still listens
 * there is found out by connecting: only a refusal makes the file stale.
 *
 * A socket that was passed belongs to the service manager, which goes on listening on it
 * when we are gone: it is closed and nothing else, never shut down, its file never removed.
 * Entries that name sockets are served before "systemd", which takes what they left.
 */
#include "front/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front/address.h"

enum { BACKLOG = 4096 };

#define PASSED    "systemd"
#define UNIX_MODE 0666

static const char *name_in(const char *text)
{
    size_t len = strlen(PASSED);
    return strncmp(text, PASSED, len) == 0 && text[len] == ':' ? text + len + 1 : NULL;
}

static bool is_rest(const char *text)
{
    return strcmp(text, PASSED) == 0;
}

const char *listen_check(const char *text)
{
    struct address ignored;
    const char *name = name_in(text);
    if (is_rest(text))
        return NULL;
    if (!name)
        return address_read(text, &ignored);
    if (name[0] == '\0' || strlen(name) > PASSED_NAME_MAX || strchr(name, ':'))
        return "the name of a socket has 1 to 255 characters and no colon";
    return NULL;
}

bool listen_same(const char *one, const char *other)
{
    struct address first, second;
    if (is_rest(one) || is_rest(other) || name_in(one) || name_in(other))
        return strcmp(one, other) == 0;
    return !address_read(one, &first) && !address_read(other, &second) &&
           address_same(&first, &second);
}

/* ---- opening ---- */

struct opening {
    struct arena *arena;
    struct passed_sockets *passed;
    struct listeners listeners; /* room for one per entry and one per passed socket */
};

static void add(struct opening *opening, struct listener listener)
{
    opening->listeners.items[opening->listeners.count++] = listener;
}

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
        address_without_v6(address);
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

static const char *bound_text(int fd, const char *given, struct arena *arena)
{
    struct address bound;
    return address_bound(fd, &bound) == 0 ? address_text(&bound, arena)
                                          : arena_string(arena, given);
}

/* The number of a port; 0: it has none. */
static in_port_t port_of(const struct address *address)
{
    if (address->name.any.sa_family == AF_INET)
        return address->name.v4.sin_port;
    return address->name.any.sa_family == AF_INET6 ? address->name.v6.sin6_port : 0;
}

/* "[::]:8080" of a socket unit holds 127.0.0.1:8080 too. NULL: no socket that nobody has
 * claimed is in the way. */
static const char *passed_holder(const struct opening *opening, const char *text,
                                 const struct address *wanted)
{
    for (size_t i = 0; i < opening->passed->count; i++) {
        const struct passed_socket *socket = &opening->passed->items[i];
        struct address bound;
        if (!socket->claimed && port_of(wanted) != 0 && address_bound(socket->fd, &bound) == 0 &&
            port_of(&bound) == port_of(wanted))
            return arena_printf(opening->arena,
                                "%s is in use: the socket \"%s\" (%s) that systemd passed holds "
                                "it; write \"systemd:%s\" instead",
                                text, socket->name, address_text(&bound, opening->arena),
                                socket->name);
    }
    return NULL;
}

static const char *path_of(const struct listener *listener)
{
    return listener->name + strlen(ADDRESS_UNIX);
}

/* Which file is at the path of a unix socket; false: none. */
static bool file_of(const struct listener *listener, dev_t *ret_device, ino_t *ret_inode)
{
    struct stat status;
    if (lstat(path_of(listener), &status) != 0)
        return false;
    *ret_device = status.st_dev;
    *ret_inode = status.st_ino;
    return true;
}

static const char *open_one(struct opening *opening, const char *text,
                            const struct address *address)
{
    struct address wanted = *address;
    int fd = open_address(&wanted);
    const char *holder = fd == -EADDRINUSE ? passed_holder(opening, text, address) : NULL;
    if (holder)
        return holder;
    if (fd < 0)
        return open_sentence(text, fd, opening->arena);
    struct listener listener = {
        .fd = fd,
        .name = bound_text(fd, text, opening->arena),
        .local = wanted.name.any.sa_family == AF_UNIX,
    };
    if (listener.local)
        (void)file_of(&listener, &listener.device, &listener.inode);
    add(opening, listener);
    return NULL;
}

/* ---- sockets that were passed ---- */

static const char *claim(struct opening *opening, struct passed_socket *socket)
{
    struct address bound;
    int flags = fcntl(socket->fd, F_GETFL);
    if (!socket->listens)
        return arena_printf(opening->arena,
                            "the socket \"%s\" that systemd passed is not one to accept on",
                            socket->name);
    if (address_bound(socket->fd, &bound) != 0 || flags < 0 ||
        fcntl(socket->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return arena_printf(opening->arena, "cannot use the socket \"%s\" that systemd passed: %s",
                            socket->name, strerror(errno));
    socket->claimed = true;
    add(opening, (struct listener){
                     .fd = socket->fd,
                     .name = address_text(&bound, opening->arena),
                     .passed_as = socket->name,
                     .local = bound.name.any.sa_family == AF_UNIX,
                 });
    return NULL;
}

static bool is_bound_to(const struct passed_socket *socket, const struct address *address)
{
    struct address bound;
    return !socket->claimed && address_bound(socket->fd, &bound) == 0 &&
           address_same(&bound, address);
}

/* All sockets with a name; with NULL all that are left. */
static const char *claim_named(struct opening *opening, const char *name, const char *text)
{
    const char *wrong = NULL;
    size_t before = opening->listeners.count;
    for (size_t i = 0; i < opening->passed->count && !wrong; i++) {
        struct passed_socket *socket = &opening->passed->items[i];
        if (!socket->claimed && (!name || strcmp(socket->name, name) == 0))
            wrong = claim(opening, socket);
    }
    if (wrong || opening->listeners.count > before)
        return wrong;
    if (opening->passed->count == 0)
        return arena_printf(opening->arena, "cannot listen on %s: systemd passed no sockets", text);
    if (!name)
        return arena_printf(opening->arena,
                            "cannot listen on %s: other entries have all sockets it passed", text);
    return arena_printf(opening->arena,
                        "cannot listen on %s: systemd passed no socket of that name; the first "
                        "of %zu is \"%s\"",
                        text, opening->passed->count, opening->passed->items[0].name);
}

/* An address is a passed socket when one is bound to it, so that the same configuration
 * serves with a socket unit and without. */
static const char *open_entry(struct opening *opening, const char *text)
{
    struct address address;
    if (name_in(text))
        return claim_named(opening, name_in(text), text);
    const char *wrong = address_read(text, &address);
    if (wrong)
        return arena_printf(opening->arena, "cannot listen on %s: %s", text, wrong);
    for (size_t i = 0; i < opening->passed->count; i++)
        if (is_bound_to(&opening->passed->items[i], &address))
            return claim(opening, &opening->passed->items[i]);
    return open_one(opening, text, &address);
}

const char *listeners_open(const struct strings *addresses, struct passed_sockets *passed,
                           struct arena *arena, struct listeners *ret_listeners)
{
    size_t most = addresses->count + passed->count;
    struct opening opening = {
        .arena = arena,
        .passed = passed,
        .listeners.items = arena_array(arena, most, sizeof(struct listener)),
    };
    const char *wrong = NULL;
    for (size_t i = 0; i < addresses->count && !wrong; i++)
        if (!is_rest(addresses->items[i]))
            wrong = open_entry(&opening, addresses->items[i]);
    for (size_t i = 0; i < addresses->count && !wrong; i++)
        if (is_rest(addresses->items[i]))
            wrong = claim_named(&opening, NULL, addresses->items[i]);
    if (wrong)
        listeners_close(&opening.listeners);
    else
        *ret_listeners = opening.listeners;
    return wrong;
}

/* Somebody else may have put a socket of theirs there meanwhile. */
static void remove_own_file(const struct listener *listener)
{
    dev_t device;
    ino_t inode;
    if (file_of(listener, &device, &inode) && device == listener->device &&
        inode == listener->inode)
        unlink(path_of(listener));
}

void listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->items[i];
        if (listener->local && !listener->passed_as)
            remove_own_file(listener);
        close(listener->fd);
        listener->fd = -1;
    }
    listeners->count = 0;
}

const char *listen_unused(struct passed_socket *socket, struct arena *arena)
{
    if (socket->claimed)
        return NULL;
    socket->claimed = true;
    const char *where = bound_text(socket->fd, "?", arena);
    close(socket->fd);
    return arena_printf(arena, "\"%s\" (%s)", socket->name, where);
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

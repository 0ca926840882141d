/*
 * Listeners, opened by us or passed by the service manager: libmicrohttpd never owns
 * one, so no stop of it can harm them. Every worker watches all of them with
 * EPOLLEXCLUSIVE and accepts in its own turn.
 *
 * An entry of `listen` is "host:port", "[v6]:port", ":port", "unix:/path", or
 * "systemd:NAME" for all passed sockets of that name, or "systemd" for all that no other
 * entry takes. An address that a passed socket is bound to is that socket.
 */
#ifndef FRONT_LISTEN_H
#define FRONT_LISTEN_H

#include <sys/socket.h>
#include <sys/types.h>

#include "core/config.h"
#include "sys/passed.h"

struct listener {
    int fd;
    const char *name;      /* "127.0.0.1:8080" with the real port, "[::1]:80", "unix:/run/x.sock" */
    const char *passed_as; /* by the service manager under this name; NULL: our own */
    bool local;            /* a unix socket */
    dev_t device;          /* of the file of a unix socket of our own */
    ino_t inode;
};

struct listeners {
    struct listener *items;
    size_t count;
};

/* Opens all of `addresses` (port 0: any) and claims those that were passed. NULL when open;
 * otherwise a sentence naming the entry ("127.0.0.1:8080 is in use by another program"), and
 * nothing stays open but what is not claimed. Sockets are non-blocking, CLOEXEC.
 * A stale unix socket file is replaced, a live one is "in use", another file is left
 * alone. A unix socket of our own gets mode 0666, whatever the umask: who may connect is up
 * to the permissions of its directory, and without any as open as a port of 127.0.0.1.
 * The names of passed sockets are borrowed. */
const char *listeners_open(const struct strings *addresses, struct passed_sockets *passed,
                           struct arena *arena, struct listeners *ret_listeners);
/* Closes them; files of our own unix sockets are removed, if they are still ours. */
void listeners_close(struct listeners *listeners);

/* NULL when a listener has the socket; otherwise closes it and says what it is. */
const char *listen_unused(struct passed_socket *socket, struct arena *arena);

/* NULL when the syntax is right (for checks without opening). */
const char *listen_check(const char *address);
/* True when both are one entry, which cannot be opened twice. Port 0 never is. */
bool listen_same(const char *one, const char *other);

/* Accepts one connection: a descriptor (non-blocking, CLOEXEC, TCP_NODELAY), or
 * -EAGAIN, or another -errno (-EMFILE, -ENFILE: see listen_shed). */
int listen_accept(const struct listener *listener, struct sockaddr_storage *ret_peer,
                  socklen_t *ret_len);
/* Out of descriptors: gives up the one in `*reserve` for a moment to take a
 * connection and close it, so that its client sees an end, not a hang. */
void listen_shed(const struct listener *listener, int *reserve);

#endif

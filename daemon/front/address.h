/* Addresses to listen on: "host:port", "[v6]:port", ":port", "unix:/path". */
#ifndef FRONT_ADDRESS_H
#define FRONT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/arena.h"

#define ADDRESS_UNIX "unix:"

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

/* NULL when read, otherwise what is wrong. */
const char *address_read(const char *text, struct address *ret_address);
/* True when both are one place, which cannot be opened twice. Port 0 never is. */
bool address_same(const struct address *one, const struct address *other);

/* ":port" for a machine without IPv6. */
void address_without_v6(struct address *address);

/* What a socket is bound to. 0 or -errno. */
int must_check address_bound(int fd, struct address *ret_address);
/* As in the configuration; a unix socket without a file as "unix:@name". */
const char *address_text(const struct address *address, struct arena *arena);

#endif

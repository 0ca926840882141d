/* Sockets that the service manager passed (LISTEN_FDS), with their names. */
#ifndef SYS_PASSED_H
#define SYS_PASSED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

enum { PASSED_NAME_MAX = 255 };

struct passed_socket {
    int fd;
    const char *name; /* FileDescriptorName=; "unknown" when there is none */
    bool listens;     /* a stream socket of a family we serve, listening */
    bool claimed;     /* somebody else closes it */
};

struct passed_sockets {
    struct passed_socket *items;
    size_t count;
};

/* Takes all of them, CLOEXEC from now on, out of the environment; none is fine. Once,
 * before the first thread starts. 0 or -errno: the environment tells of descriptors that
 * are not open. */
int must_check passed_take(struct arena *arena, struct passed_sockets *ret_sockets);

#endif

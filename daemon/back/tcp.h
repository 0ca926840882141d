/*
 * Plain TCP connections, begun without waiting.
 */
#ifndef BACK_TCP_H
#define BACK_TCP_H

#include "base/errors.h"

/* A socket that is connecting to `address` (a literal), or connected already: it is
 * writable when that is decided. The descriptor or -errno. */
int must_check tcp_connect(const char *address, unsigned short port);

/* How it ended: 0 or -errno. */
int must_check tcp_connected(int fd);

#endif

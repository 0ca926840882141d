/*
 * A descriptor that lines are written to, and that never makes the writer wait for who reads
 * it. Each call is one write; a line that the other end took only a part of is ended with a
 * newline before the next one begins. Any thread, but for outlet_open() and outlet_close().
 */
#ifndef BASE_OUTLET_H
#define BASE_OUTLET_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/errors.h"

/* What a pipe takes as a whole or not at all. */
enum { OUTLET_WHOLE = PIPE_BUF };

enum outlet_way {
    OUTLET_POLLED, /* the descriptor blocks: asked first, one writer at a time */
    OUTLET_WRITTEN,
    OUTLET_SENT, /* a socket */
};

struct outlet {
    int fd;
    bool owned;   /* by us, to be closed */
    bool regular; /* a plain file: it has no reader that could stop */
    enum outlet_way way;
    pthread_mutex_t lock; /* OUTLET_POLLED */
    _Atomic(bool) torn;   /* the last byte that went out ends no line */
};

/* On a descriptor of which nothing is known; it is borrowed. */
#define OUTLET_ON(fd_)                                                                             \
    {                                                                                              \
        .fd = (fd_), .way = OUTLET_POLLED, .lock = PTHREAD_MUTEX_INITIALIZER                       \
    }

/* The same, made certain where the system lets us: see outlet.c. `fd` is borrowed and may be
 * shared with other programs. */
void outlet_open(struct outlet *outlet, int fd);
/* Takes a descriptor of our own, which does not block. */
void outlet_take(struct outlet *outlet, int fd);
void outlet_close(struct outlet *outlet);

/* How many bytes of `data` went out, or -errno; -EAGAIN: there is no room now. Less than
 * `len` only beyond OUTLET_WHOLE or where the other end is no pipe. `begins`: they begin a
 * line. */
ssize_t must_check outlet_write(struct outlet *outlet, const char *data, size_t len, bool begins);

/* Waits for room; false: there was none in `timeout`. */
bool must_check outlet_await(const struct outlet *outlet, usec_t timeout);

#endif

/*
 * The sleeper sets `armed` and then looks at what was left; the others leave something and
 * then look at `armed`. All four steps are sequentially consistent, so at least one of them
 * sees the other and nothing is left unnoticed. Whoever takes `armed` back writes
 * to the eventfd, once.
 */
#include "base/bell.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

struct bell {
    int fd;
    _Atomic(bool) armed;
};

int bell_new(struct bell **ret_bell)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct bell *bell = mem_new(sizeof *bell);
    bell->fd = fd;
    *ret_bell = bell;
    return 0;
}

struct bell *bell_free(struct bell *bell)
{
    if (!bell)
        return NULL;
    close(bell->fd);
    free(bell);
    return NULL;
}

void bell_wake(struct bell *bell)
{
    uint64_t one = 1;
    if (write(bell->fd, &one, sizeof one) < 0)
        return; /* full: it is readable anyway */
}

void bell_ring(struct bell *bell)
{
    if (atomic_load(&bell->armed) && atomic_exchange(&bell->armed, false))
        bell_wake(bell);
}

void bell_arm(struct bell *bell)
{
    atomic_store(&bell->armed, true);
}

void bell_sleep(struct bell *bell, usec_t timeout)
{
    struct pollfd ready = {.fd = bell->fd, .events = POLLIN};
    uint64_t count;
    int span = timeout == USEC_NEVER ? -1 : (int)((timeout + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
    (void)poll(&ready, 1, span);
    atomic_store(&bell->armed, false);
    if (read(bell->fd, &count, sizeof count) < 0)
        return; /* nobody rang */
}

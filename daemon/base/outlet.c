/*
 * O_NONBLOCK belongs to what was opened, not to the descriptor: set on a standard error that
 * other programs have too, it would change theirs. Opened anew by its name in /proc, a pipe
 * or a terminal gets a description of its own, which may not block. That fails where the
 * pipe is another user's, and for sockets, which need none: they can be asked not to wait
 * for a single call.
 *
 * What remains is asked whether it has room. A pipe that has takes OUTLET_WHOLE bytes, as
 * long as nobody writes in between; of our own threads the lock sees to that, and another
 * program would have to fill the pipe in that very moment.
 */
#include "base/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_anew(int fd, int mode)
{
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return open(name, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static mode_t type_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_mode & S_IFMT : 0;
}

void outlet_open(struct outlet *outlet, int fd)
{
    mode_t type = type_of(fd);
    *outlet = (struct outlet)OUTLET_ON(fd);
    outlet->regular = type == S_IFREG;
    if (type == S_IFREG) {
        outlet->way = OUTLET_WRITTEN; /* with the place that others have in it, too */
        return;
    }
    if (type == S_IFSOCK) {
        outlet->way = OUTLET_SENT;
        return;
    }
    int own = open_anew(fd, O_WRONLY);
    if (own >= 0)
        outlet_take(outlet, own);
}

/* A file whose last line has no end: the disk was full when it was written. */
static bool is_torn(int fd)
{
    struct stat status;
    char last = '\n';
    int own = fstat(fd, &status) == 0 && status.st_size > 0 ? open_anew(fd, O_RDONLY) : -1;
    if (own < 0)
        return false;
    bool torn = pread(own, &last, 1, status.st_size - 1) == 1 && last != '\n';
    close(own);
    return torn;
}

void outlet_take(struct outlet *outlet, int fd)
{
    *outlet = (struct outlet)OUTLET_ON(fd);
    outlet->way = OUTLET_WRITTEN;
    outlet->owned = true;
    outlet->regular = type_of(fd) == S_IFREG;
    atomic_init(&outlet->torn, outlet->regular && is_torn(fd));
}

void outlet_close(struct outlet *outlet)
{
    if (outlet->owned)
        close(outlet->fd);
    *outlet = (struct outlet)OUTLET_ON(-1);
}

static ssize_t write_polled(struct outlet *outlet, const char *data, size_t len)
{
    ssize_t wrote = -1;
    errno = EAGAIN;
    pthread_mutex_lock(&outlet->lock);
    if (outlet_await(outlet, 0))
        wrote = write(outlet->fd, data, len < OUTLET_WHOLE ? len : OUTLET_WHOLE);
    pthread_mutex_unlock(&outlet->lock);
    return wrote;
}

static ssize_t write_once(struct outlet *outlet, const char *data, size_t len)
{
    ssize_t wrote;
    do {
        if (outlet->way == OUTLET_POLLED)
            wrote = write_polled(outlet, data, len);
        else if (outlet->way == OUTLET_SENT)
            wrote = send(outlet->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            wrote = write(outlet->fd, data, len);
    } while (wrote < 0 && errno == EINTR);
    return wrote < 0 ? -errno : wrote;
}

ssize_t outlet_write(struct outlet *outlet, const char *data, size_t len, bool begins)
{
    if (begins && atomic_exchange(&outlet->torn, false)) {
        ssize_t ended = write_once(outlet, "\n", 1);
        if (ended != 1) {
            atomic_store(&outlet->torn, true);
            return ended < 0 ? ended : -EAGAIN;
        }
    }
    ssize_t wrote = write_once(outlet, data, len);
    if (wrote > 0)
        atomic_store(&outlet->torn, data[wrote - 1] != '\n');
    return wrote;
}

bool outlet_await(const struct outlet *outlet, usec_t timeout)
{
    struct pollfd ready = {.fd = outlet->fd, .events = POLLOUT};
    int span = (int)((timeout + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
    return outlet->regular || poll(&ready, 1, span) != 0;
}

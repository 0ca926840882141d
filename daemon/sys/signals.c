/*
 * A signalfd over blocked signals. SIGPIPE is ignored and not blocked: a write
 * to a closed connection then fails with EPIPE, in libraries as well.
 */
#include "sys/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_hold_reload(void)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGHUP);
    return -pthread_sigmask(SIG_BLOCK, &held, NULL);
}

int signals_open(int *ret_fd)
{
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGHUP);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        return -errno;
    int rc = pthread_sigmask(SIG_BLOCK, &handled, NULL);
    if (rc != 0)
        return -rc;
    int fd = signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int signals_next(int fd, int *ret_signal)
{
    struct signalfd_siginfo info;
    ssize_t got = read(fd, &info, sizeof info);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? SIGNALS_NONE : -errno;
    assert(got == sizeof info);
    *ret_signal = (int)info.ssi_signo;
    return 0;
}

/*
 * What sd_notify(3) does, but over a socket with a time limit: sd_notify() waits for a
 * manager that does not read, and the main thread has signals to answer. A moment is
 * granted, since the queue of a manager that is only busy is short.
 */
#include "sys/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define STATUS "STATUS="

enum { STATUS_SIZE = 512, LINE_SIZE = sizeof STATUS - 1 + STATUS_SIZE, PATIENCE_US = 100000 };

/* A path, or a name of the abstract namespace after '@'. False: nobody is to be told. */
static bool find_manager(struct sockaddr_un *address, socklen_t *ret_len)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t len = name ? strlen(name) : 0;
    if (len < 2 || len >= sizeof address->sun_path || (name[0] != '/' && name[0] != '@'))
        return false;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, len);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    return true;
}

static int tell(const char *text)
{
    struct sockaddr_un address;
    socklen_t len;
    if (!find_manager(&address, &len))
        return 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct timeval patience = {.tv_usec = PATIENCE_US};
    int rc = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, len) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

int notify_ready(void)
{
    return tell("READY=1");
}

int notify_reloading(void)
{
    char text[LINE_SIZE];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now());
    return tell(text);
}

int notify_stopping(void)
{
    return tell("STOPPING=1");
}

int notify_status(const char *format, ...)
{
    char text[LINE_SIZE] = STATUS;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text + strlen(STATUS), sizeof text - strlen(STATUS), format, args);
    va_end(args);
    assert(len >= 0);
    /* A newline would begin another assignment, say of a text a peer sent. */
    for (char *byte = text; *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = ' ';
    return tell(text);
}

int notify_extend(usec_t more)
{
    char text[LINE_SIZE];
    snprintf(text, sizeof text, "EXTEND_TIMEOUT_USEC=%" PRIu64, more);
    return tell(text);
}

int notify_watchdog(void)
{
    return tell("WATCHDOG=1");
}

usec_t notify_watchdog_interval(void)
{
    uint64_t interval = 0;
    return sd_watchdog_enabled(0, &interval) > 0 ? interval : 0;
}

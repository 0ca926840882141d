/*
 * A thin layer over sd_notify(3), whose result above 0 means "sent" and 0 "no
 * service manager"; to our callers both are fine.
 */
#include "sys/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

enum { STATUS_SIZE = 512 };

static int result(int rc)
{
    return rc < 0 ? rc : 0;
}

int notify_ready(void)
{
    return result(sd_notify(0, "READY=1"));
}

int notify_reloading(void)
{
    return result(sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now()));
}

int notify_stopping(void)
{
    return result(sd_notify(0, "STOPPING=1"));
}

int notify_status(const char *format, ...)
{
    char status[STATUS_SIZE];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(status, sizeof status, format, args);
    va_end(args);
    assert(len >= 0);
    /* A newline would begin another assignment, say of a text a peer sent. */
    for (char *byte = status; *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = ' ';
    return result(sd_notifyf(0, "STATUS=%s", status));
}

int notify_extend(usec_t more)
{
    return result(sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, more));
}

int notify_watchdog(void)
{
    return result(sd_notify(0, "WATCHDOG=1"));
}

usec_t notify_watchdog_interval(void)
{
    uint64_t interval = 0;
    return sd_watchdog_enabled(0, &interval) > 0 ? interval : 0;
}

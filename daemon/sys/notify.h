/*
 * What the service manager is told. Without one (no NOTIFY_SOCKET) every call
 * does nothing and returns 0. All return 0 or -errno; a lost notification is
 * worth a log line and nothing more: a manager that does not read costs 0.1 s each
 * and is told nothing. Any thread.
 */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include "base/clock.h"
#include "base/errors.h"

/* Ready: after start, and again at the end of every reload, failed or not. */
int notify_ready(void);
/* Reloading, with the moment it began, which Type=notify-reload asks for. */
int notify_reloading(void);
int notify_stopping(void);

/* One line for people, shown by `systemctl status`; control characters become
 * spaces and a long line is cut. */
int notify_status(const char *format, ...) printf_like(1, 2);

/* Asks that starting or stopping may take `more` from now on. */
int notify_extend(usec_t more);

/* Alive. The manager expects it once per interval; ping twice as often. */
int notify_watchdog(void);
/* 0 when no watchdog watches this process. */
usec_t notify_watchdog_interval(void);

#endif

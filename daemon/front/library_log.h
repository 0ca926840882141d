/*
 * What libmicrohttpd says to its log, and the replies that it gives by itself to what it
 * cannot read: the log is the only place where it tells of those. It does not say whose they
 * are. It closes such connections at once, so they are taken in the order they were noted;
 * when several are refused in the same moment two statuses may change places. A version that
 * says it in other words leaves nothing to take. On the thread of the server.
 */
#ifndef FRONT_LIBRARY_LOG_H
#define FRONT_LIBRARY_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIBRARY_REPLIES_MAX = 16 }; /* noted and not taken; then the oldest is forgotten */

struct library_replies { /* all zero: none */
    size_t first, count;
    uint64_t noted; /* ever */
    struct library_reply {
        unsigned status;
        size_t bytes; /* of the body */
    } items[LIBRARY_REPLIES_MAX];
};

/* MHD_OPTION_EXTERNAL_LOGGER; `replies` is a struct library_replies. */
void library_log(void *replies, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* The oldest; false: there is none. */
bool library_reply_take(struct library_replies *replies, struct library_reply *ret_reply);

#endif

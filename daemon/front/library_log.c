/*
 * The words are those of 0.9.75 and 1.0; of a sentence only its beginning and the kinds of its
 * arguments are relied on.
 */
#include "front/library_log.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static bool says(const char *format, const char *words)
{
    return strncmp(format, words, strlen(words)) == 0;
}

static void note(struct library_replies *replies, va_list args)
{
    unsigned status = va_arg(args, unsigned);
    const char *body = va_arg(args, const char *);
    if (status < 400 || status > 599 || !body)
        return;
    struct library_reply reply;
    if (replies->count == LIBRARY_REPLIES_MAX)
        (void)library_reply_take(replies, &reply);
    size_t last = (replies->first + replies->count++) % LIBRARY_REPLIES_MAX;
    replies->items[last] = (struct library_reply){.status = status, .bytes = strlen(body)};
    replies->noted++;
}

/* What it says about TCP options is wrong on unix sockets, and an "internal error" is its
 * word for our MHD_NO. The rest is about single clients. */
void library_log(void *replies, const char *format, va_list args)
{
    struct library_replies *known = replies;
    char line[512];
    va_list copy;
    if (strstr(format, "TCP") || strstr(format, "internal error"))
        return;
    va_copy(copy, args);
    if (says(format, "Error processing request (HTTP response code is %u ('%s'"))
        note(known, copy);
    else if (says(format, "Too late to send an error response") && known->count > 0)
        known->count--; /* another one was being sent */
    va_end(copy);
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    log_debug("libmicrohttpd: %s", line);
}

bool library_reply_take(struct library_replies *replies, struct library_reply *ret_reply)
{
    if (replies->count == 0)
        return false;
    *ret_reply = replies->items[replies->first];
    replies->first = (replies->first + 1) % LIBRARY_REPLIES_MAX;
    replies->count--;
    return true;
}

/* What one client request leaves for the access log. Copied as bytes from thread to thread,
 * so it holds its texts itself. */
#ifndef CORE_ACCESS_RECORD_H
#define CORE_ACCESS_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

enum access_text {
    ACCESS_REQUEST_ID,
    ACCESS_METHOD,
    ACCESS_TARGET,
    ACCESS_ENDPOINT,
    ACCESS_PART,     /* the slowest call's id, behind that of the part it belongs to */
    ACCESS_UPSTREAM, /* and where it went */
    ACCESS_PROTOCOL, /* "HTTP/1.1" */
    ACCESS_HOST,     /* from here on only what a format shows, or a span */
    ACCESS_USER_AGENT,
    ACCESS_REFERER,
    ACCESS_HEADERS, /* the first of those that a format string names */
    ACCESS_TEXTS = ACCESS_HEADERS + 8,
};

/* Of the texts: all those that have no name of their own, at most, and then each. */
enum { ACCESS_HEADERS_MAX = ACCESS_TEXTS - ACCESS_HEADERS };
enum { ACCESS_HEADERS_BYTES = 512, ACCESS_FIELD_MAX = 256 };
enum { ACCESS_BYTES_MAX = 2368, ACCESS_TARGET_MAX = 512, ACCESS_NAME_MAX = 128 };

enum access_end { /* how a request ended; the names are in access_record.c */
                  END_COMPLETE,
                  END_CLIENT,
                  END_TIMEOUT,
                  END_STOPPING,
                  END_ERROR,
};

enum access_client { CLIENT_UNKNOWN, CLIENT_IPV4, CLIENT_IPV6, CLIENT_UNIX };

enum { ACCESS_ADDRESS_TEXT = 64 };

struct access_record {
    usec_t started, duration; /* on the monotonic clock */
    usec_t read, work; /* of the duration: until the request was complete, and from then until
                        * the reply was decided; the rest went by while the client took it */
    uint64_t bytes;
    usec_t slowest;    /* how long the slowest call took; counts with ACCESS_PART */
    uint64_t received; /* bytes of the request's body */
    unsigned status, total, ok, failed;
    unsigned upstream_status; /* that the slowest call got; 0: none */
    unsigned format;          /* whose fields stand at ACCESS_HEADERS */
    enum access_end end;
    enum access_client client;
    unsigned char address[16];
    unsigned char trace_id[16];
    bool traced;
    bool sampled; /* a line is wanted; otherwise it is here because it is slow */
    bool slow;
    struct {
        unsigned short at, len; /* len 0: absent */
    } texts[ACCESS_TEXTS];
    size_t used;
    char bytes_of_texts[ACCESS_BYTES_MAX];
};

/* Keeps a text, cut to `max` bytes and to the room there is, between characters. */
void access_put(struct access_record *record, enum access_text text, const char *data, size_t len,
                size_t max);
static inline const char *access_get(const struct access_record *record, enum access_text text,
                                     size_t *ret_len)
{
    *ret_len = record->texts[text].len;
    return record->bytes_of_texts + record->texts[text].at;
}
/* "192.0.2.1", "2001:db8::1", "unix", or "". */
void access_address_write(enum access_client client, const unsigned char address[16],
                          char out[ACCESS_ADDRESS_TEXT]);
const char *access_end_text(enum access_end end);
/* How many of its bytes count. */
size_t access_record_size(const struct access_record *record);

#endif

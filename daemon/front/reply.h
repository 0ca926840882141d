/* An answer becomes libmicrohttpd's response. */
#ifndef FRONT_REPLY_H
#define FRONT_REPLY_H

#include <microhttpd.h>

#include "core/answer.h"

/* Bytes of field lines a reply may have at most. */
#define REPLY_HEADER_MAX 8192

struct reply_manner {
    size_t header_max;        /* bytes of field lines that there is room for */
    bool close;               /* the last one on its connection */
    bool varies_by_origin;    /* some origins are allowed */
    const char *allow_origin; /* this one is; or NULL */
    const char *request_id;   /* NULL: it has none */
};

/* The answer itself if its fields find room; otherwise takes it and gives the 502 that says
 * so. */
struct answer *reply_fit(struct answer *answer, const struct reply_manner *manner);

/* Queues the reply; from the access handler only. Takes the answer, which fits; its body goes to
 * libmicrohttpd without a copy. MHD_NO: nothing was queued, the connection closes. */
enum MHD_Result reply_send(struct MHD_Connection *mhd, struct answer *answer,
                           const struct reply_manner *manner);

/* The same for a reply of type `media` whose bytes `reader` gives as they come. Without a
 * reader it is the reply to HEAD and the last one on its connection: libmicrohttpd 0.9.75
 * would send the end of the chunks that HEAD does not have. */
enum MHD_Result reply_send_stream(struct MHD_Connection *mhd, const char *media,
                                  MHD_ContentReaderCallback reader, void *ctx,
                                  const struct reply_manner *manner);

#endif

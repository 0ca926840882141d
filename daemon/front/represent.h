/*
 * What a client's request makes of an answer: its form (plain or gzip), its ETag, or
 * the word that the client has it already (304). See RFC 9110 8.8.3, 12.5.3, 13.1.2.
 */
#ifndef FRONT_REPRESENT_H
#define FRONT_REPRESENT_H

#include <microhttpd.h>
#include <strings.h>

#include "core/answer.h"
#include "core/config.h"

struct wishes {   /* what the request's head tells; the fields themselves stay libmicrohttpd's */
    bool fetches; /* GET or HEAD */
    bool has_encoding, has_match;
};

/* For every field of the head: Accept-Encoding and If-None-Match are noted. */
static inline void wishes_note(struct wishes *wishes, const char *name)
{
    if ((name[0] | ' ') == 'a')
        wishes->has_encoding |= strcasecmp(name, "Accept-Encoding") == 0;
    else if ((name[0] | ' ') == 'i')
        wishes->has_match |= strcasecmp(name, "If-None-Match") == 0;
}

/* Changes `answer` before it is sent. Only while `mhd` serves the request. */
void represent(struct answer *answer, const struct wishes *wishes,
               const struct compression *compression, struct MHD_Connection *mhd);

#endif

/*
 * What is wrong with the head of a request, as HTTP and as something a web page
 * may have caused. Values in, verdict out: no connection is needed.
 *
 * libmicrohttpd lets several malformed heads through that another server in the
 * chain could read differently (request smuggling), and a local daemon must not
 * do the bidding of whatever page a browser shows.
 */
#ifndef FRONT_CHECKS_H
#define FRONT_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/header.h"
#include "core/lists.h"

struct head {
    const char *method;
    const char *version;              /* "HTTP/1.1" */
    const char *target;               /* path and query, raw, as they were sent */
    const char *authority;            /* of a target in absolute form: counts instead of Host */
    const struct header_list *fields; /* all of them, duplicates too, in order */
};

struct verdict {
    unsigned status; /* 0: nothing wrong */
    const char *detail;
    bool broken; /* what else comes from there is not to be trusted: close */
};

/* How long the body is, once check_message() has found nothing wrong. */
struct body_framing {
    bool chunked;
    uint64_t length; /* without chunked; 0: no body */
    bool expects_continue;
};

/* Takes apart a target in absolute form ("http://host/path?query"): its authority, and its
 * path and query, which begin with '/'. Any other target is its own path, and *ret_authority
 * is NULL. Judges nothing; the results are borrowed or from the arena. */
void target_take_apart(struct arena *arena, const char *target, const char **ret_authority,
                       const char **ret_path);

/* How much of a field's value counts: white space behind it does not (RFC 9110 5.5), but
 * libmicrohttpd 0.9.75 keeps it. What it frames the body by stays as it reads it, so that the
 * two cannot differ about where a request ends. */
size_t field_value_length(const char *name, const char *value);
/* How many members a query string has. */
size_t query_members(const char *query);

/* Method, target, field names, Host, Content-Length, Transfer-Encoding, Expect. */
struct verdict check_message(const struct head *head, struct body_framing *ret_framing);

/* Host against the list of names this daemon answers to (empty: all); ports are
 * not compared. 421 when it is another. */
struct verdict check_host(const struct head *head, const struct strings *hosts);

/* Host of a request for the admin pages: an address, a name without a dot, or one of `hosts`
 * ("*": any). A web page can be made to reach them under a name of its own that leads here
 * (DNS rebinding), but no such name. 421 when it is another. */
struct verdict check_admin_host(const struct head *head, const struct strings *hosts);

/* Origin and Sec-Fetch-Site: 403 for a page of another site that `origins` does not
 * list. *ret_allowed is the listed origin (borrowed from the list) or NULL. */
struct verdict check_origin(const struct head *head, const struct strings *origins,
                            const char **ret_allowed);

#endif

/*
 * Recycled easy handles, by the origin they talk to. A handle stays in the lane
 * of its origin, so options that follow from the origin are set once, and about
 * eight handles share one connection cache; all of a lane do where HTTP/2 lets
 * calls share a connection. What was idle for a while is closed.
 */
#ifndef BACK_LANE_H
#define BACK_LANE_H

#include <curl/curl.h>
#include <stdbool.h>

#include "back/entry.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/loop.h"
#include "core/config.h"

struct lanes;
struct lane;
struct lane_group;
struct multi;

enum { LANE_CONNECTIONS = 8 }; /* handles, and so connections, of one cache */

struct lane_name { /* what the connections of a lane have in common */
    const struct origin *origin;
    const char *ca_file; /* NULL: the system's */
    const char *proxy;   /* its text; NULL: none */
    enum http_version http;
};

struct handle {
    CURL *easy;
    void *user;          /* the transfer it carries now */
    struct multi *multi; /* for whoever has several */
    struct entry *entry; /* of its lane */
    /* Scratch of transfer_options.c: lists and texts libcurl reads while it runs. */
    struct curl_slist *header_nodes;
    size_t header_room;
    char *header_text;
    size_t text_room;
    struct curl_slist pin;
    char pin_text[80];
    char trace_text[80];
    unsigned sent; /* how often the call went out */
    usec_t resent; /* and when last, if more than once */
    /* The module's. */
    struct lane *lane;
    struct lane_group *group;
    struct handle *next_idle, *next_of_group;
};

/* Sets the options of a new handle that are the same for every call; false: it failed. */
typedef bool lane_prepare_fn(void *ctx, struct handle *handle);

struct lanes *lanes_new(struct loop *loop, lane_prepare_fn *prepare, void *ctx)
    __attribute__((returns_nonnull));
struct lanes *lanes_free(struct lanes *lanes); /* no handle may be taken */

/* A handle, its CURLU, share, CA file and version of HTTP set. The one given back
 * last comes first: its connection is the warmest. NULL: libcurl could not make one. */
struct handle *lanes_take(struct lanes *lanes, const struct lane_name *name);
const char *lane_ca_file(const struct handle *handle); /* NULL: the system's */
void lanes_give(struct lanes *lanes, struct handle *handle);

/* NULL: there is no such lane now. */
const struct entry *lanes_entry(const struct lanes *lanes, const struct lane_name *name);

#endif

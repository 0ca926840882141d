/*
 * A configuration: an immutable snapshot, shared by all threads, counted by reference. A
 * reload makes a new one beside it; a job keeps the one it began with.
 */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "base/gauge.h"
#include "core/egress.h"
#include "core/lists.h"
#include "core/proxy.h"
#include "core/request.h"
#include "core/route.h"
#include "core/sections.h"
#include "core/slots.h"

/* Who is counted without a name in the configuration. */
#define SLOT_NAME_URL   "(url)"  /* absolute URLs, among the upstreams */
#define SLOT_NAME_BATCH "/batch" /* among the endpoints */
#define SLOT_NAME_NONE  "(none)" /* requests that no endpoint has answered */
enum { SLOT_BATCH = SLOT_FIRST, SLOT_NONE = SLOT_OTHER + 1 };

struct upstream_batch { /* what ad-hoc batches may do here */
    struct strings methods, paths;
    bool closed; /* batch: off */
};

enum http_version { HTTP_1, HTTP_2, HTTP_NEGOTIATED }; /* the names of `http` */

struct upstream {
    const char *name;
    const char *url_text, *ca_file_text, *ca_file, *proxy_text;
    usec_t timeout, connect_timeout, first_byte_timeout;
    uint64_t max_in_flight, max_waiting;
    bool required; /* for the daemon to be ready */
    int http;      /* enum http_version; negotiation needs TLS, so without it HTTP_1 is meant */
    const struct node *batch_node;
    const struct node *node;
    /* Compiled. */
    struct upstream_batch batch;
    struct url url;            /* its path, without a trailing '/', goes before every request's */
    const struct proxy *proxy; /* NULL: none */
    struct gauge *in_flight;   /* shared with the snapshots before and after */
    size_t slot;               /* of its name */
};

enum { ENDPOINT_METHOD_MAX = 32 }; /* bytes */

struct endpoint {
    const char *path, *method;
    const struct node *node;
    struct forward forward;
    struct batch batch;
    bool explain; /* clients may ask for its plan; after checking: its own word or the file's */
    size_t slot;  /* of its method and path: "GET /posts" */
};

struct config {
    struct arena *arena;
    unsigned references; /* atomic */
    struct strings listen, admin, admin_hosts, hosts, origins;
    const char *workers_text, *file;
    const struct node *root; /* what was read; NULL: the defaults */
    uint64_t workers;        /* 0: auto */
    usec_t drain, drain_idle, unready_after;
    int log_level; /* index into "error|warning|info|debug" */
    struct limits limits;
    struct stream_options stream;
    struct resolver_options resolver;
    struct egress_options egress_options;
    struct egress egress;
    struct propagate propagate;
    struct compression compression;
    bool explain; /* clients may ask for the plans of batches */
    struct access_log_options access_log;
    struct tracing_options tracing;
    bool observes; /* requests have ids, because one of the above or `propagate` wants it */
    struct option_list upstreams, endpoints; /* struct upstream, struct endpoint */
    struct routes *routes;
    struct former_upstream *former;                /* see config.c */
    struct gauge *in_flight;                       /* calls of the whole daemon */
    struct slots *upstream_slots, *endpoint_slots; /* shared likewise */
};

/* An empty snapshot with one reference and an arena, to be filled by a loader. */
struct config *config_new(void) __attribute__((returns_nonnull));
/* Once upstreams and endpoints are known: gauges of calls in flight and slots of names, those
 * of `previous` (may be NULL) where it has one of the same name. */
void config_share(struct config *config, const struct config *previous);

/* It is in force now: calls that wait for a place wait by its limits. Any thread. */
void config_set_limits(const struct config *config);

struct config *config_ref(struct config *config);   /* any thread */
struct config *config_unref(struct config *config); /* NULL is fine; returns NULL */

const struct upstream *config_upstream(const struct config *config, const char *name);

#endif

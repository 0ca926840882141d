/*
 * Which endpoint answers a path. Works on the raw path of the request target
 * (percent-encoding untouched); a literal segment beats a template segment,
 * looked at from the left. Built once per configuration, read by every thread.
 */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct endpoint; /* core/config.h */
struct routes;

#define ROUTE_VARIABLES_MAX 16

struct route_match {
    const struct endpoint *endpoint; /* NULL: none for this method */
    const struct endpoint *any;      /* of the path, for some method; NULL: none */
    const char *allow; /* "GET, HEAD, POST" of the path; NULL: no endpoint has this path */
    size_t variable_count;
    const char *names[ROUTE_VARIABLES_MAX];
    struct {
        const char *data;
        size_t len;
    } values[ROUTE_VARIABLES_MAX]; /* still percent-encoded */
};

struct routes *routes_new(struct arena *arena);
/* NULL when added; otherwise what is wrong: syntax ("/users/{id}": whole segments,
 * plain names, each once), a reserved path (/batch, /jobs, /-/), or the same path
 * (names of variables aside) and method twice. HEAD comes with GET. */
const char *routes_add(struct routes *routes, const char *path, const char *method,
                       const struct endpoint *endpoint);
/* path[0..len): up to '?' or the end. An empty segment matches no variable. */
struct route_match routes_find(const struct routes *routes, const char *method, const char *path,
                               size_t len);
/* The variables of a path template, for checks at load time. */
size_t route_variables(struct arena *arena, const char *path, const char *const **ret_names);

#endif

/*
 * A tree over path segments: every node has its literal children, sorted, and
 * at most one child that takes any segment. A lookup tries the literal child
 * first and goes back when its branch ends nowhere; the depth fixes the place
 * in the path, so no node is visited twice. The most specific path decides, also
 * when it lacks the method: then the answer is its list of methods.
 *
 * Literals are compared character by character as url_next_character() reads
 * them, so that /%75sers is /users while %2F stays different from '/'.
 */
#include "core/route.h"

#include <string.h>

#include "core/header.h"
#include "core/url.h"

struct methods {
    const char *method;
    const struct endpoint *endpoint;
    const char **names;   /* of the variables, left to right */
    struct methods *next; /* sorted by method */
};

struct branch {
    const char *data, *end; /* the literal segment as configured */
    struct branch *any;     /* the child for a variable */
    struct branch **literals;
    size_t literal_count, literal_cap;
    struct methods *methods; /* NULL: no endpoint ends here */
    const char *allow;
};

struct routes {
    struct arena *arena;
    struct branch root;
};

struct segment {
    const char *data, *end;
};

static bool next_segment(const char **at, const char *end, struct segment *ret_segment)
{
    if (*at == end)
        return false;
    const char *begin = *at + 1; /* behind the '/' */
    const char *slash = memchr(begin, '/', (size_t)(end - begin));
    *ret_segment = (struct segment){begin, slash ? slash : end};
    *at = ret_segment->end;
    return true;
}

static int compare(struct segment a, struct segment b)
{
    while (a.data < a.end && b.data < b.end) {
        unsigned left = url_next_character(&a.data, a.end);
        unsigned right = url_next_character(&b.data, b.end);
        if (left != right)
            return left < right ? -1 : 1;
    }
    return (a.data < a.end) - (b.data < b.end);
}

/* Where `segment` is among the literal children, or where it belongs. */
static size_t literal_place(const struct branch *branch, struct segment segment, bool *ret_found)
{
    size_t low = 0;
    size_t high = branch->literal_count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct branch *literal = branch->literals[middle];
        int order = compare(segment, (struct segment){literal->data, literal->end});
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct routes *routes_new(struct arena *arena)
{
    struct routes *routes = arena_alloc(arena, sizeof *routes);
    routes->arena = arena;
    return routes;
}

/* ---- Adding ---- */

static struct branch *literal_child(struct arena *arena, struct branch *branch,
                                    struct segment segment)
{
    bool found;
    size_t place = literal_place(branch, segment, &found);
    if (found)
        return branch->literals[place];
    if (branch->literal_count == branch->literal_cap) {
        size_t cap = branch->literal_cap > 0 ? branch->literal_cap * 2 : 4;
        struct branch **literals = arena_array(arena, cap, sizeof(struct branch *));
        if (branch->literal_count > 0)
            memcpy(literals, branch->literals, branch->literal_count * sizeof(struct branch *));
        branch->literals = literals;
        branch->literal_cap = cap;
    }
    memmove(branch->literals + place + 1, branch->literals + place,
            (branch->literal_count - place) * sizeof(struct branch *));
    struct branch *child = arena_alloc(arena, sizeof *child);
    child->data = arena_copy(arena, segment.data, (size_t)(segment.end - segment.data));
    child->end = child->data + (segment.end - segment.data);
    branch->literals[place] = child;
    branch->literal_count++;
    return child;
}

static struct branch *any_child(struct arena *arena, struct branch *branch)
{
    if (!branch->any)
        branch->any = arena_alloc(arena, sizeof *branch->any);
    return branch->any;
}

static bool is_variable(struct segment segment)
{
    return segment.end - segment.data > 2 && segment.data[0] == '{' && segment.end[-1] == '}';
}

static bool is_plain_name(const char *name)
{
    for (const char *at = name; *at; at++) {
        bool digit = *at >= '0' && *at <= '9';
        if (!url_is_unreserved(*at) || strchr("-.~", *at) || (digit && at == name))
            return false;
    }
    return true;
}

static bool is_reserved(const char *path)
{
    static const char *const reserved[] = {"batch", "jobs", "-"};
    const char *at = path;
    struct segment segment;
    next_segment(&at, path + strlen(path), &segment);
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        struct segment name = {reserved[i], reserved[i] + strlen(reserved[i])};
        if (compare(segment, name) == 0)
            return true;
    }
    return false;
}

static const char *check_segment(struct segment segment, bool last)
{
    size_t len = (size_t)(segment.end - segment.data);
    if (len == 0)
        return last ? NULL : "the path has an empty segment";
    if (is_variable(segment))
        return NULL;
    if (memchr(segment.data, '{', len) || memchr(segment.data, '}', len))
        return "a variable is a whole segment, as in /users/{id}";
    if (memchr(segment.data, '?', len))
        return "a path has no query; forward.query names the members templates may use";
    char path[URL_LENGTH_MAX + 1];
    if (len >= sizeof path)
        return "the path is too long";
    path[0] = '/';
    memcpy(path + 1, segment.data, len);
    return url_check_target(path, len + 1);
}

static const char *check_path(struct arena *arena, const char *path)
{
    const char *end = path + strlen(path);
    const char *const *names;
    struct segment segment;
    if (*path != '/')
        return "a path begins with /";
    for (const char *at = path; next_segment(&at, end, &segment);) {
        const char *wrong = check_segment(segment, at == end);
        if (wrong)
            return wrong;
    }
    size_t count = route_variables(arena, path, &names);
    if (count > ROUTE_VARIABLES_MAX)
        return "a path has at most 16 variables";
    for (size_t i = 0; i < count; i++) {
        if (!is_plain_name(names[i]))
            return "a variable's name is made of letters, digits and _";
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0)
                return "a variable's name is used twice";
        }
    }
    return is_reserved(path) ? "/batch, /jobs and /-/ are reserved" : NULL;
}

static const char *check_method(const char *method)
{
    if (!header_method_valid(method))
        return "this is not an HTTP method";
    if (strcmp(method, "CONNECT") == 0 || strcmp(method, "TRACE") == 0)
        return "CONNECT and TRACE are not supported";
    return NULL;
}

static void add_allowed(struct arena *arena, const char **allow, const char *method)
{
    *allow = *allow ? arena_printf(arena, "%s, %s", *allow, method) : arena_string(arena, method);
}

/* "GET, HEAD, POST": HEAD comes with GET. */
static const char *list_allowed(struct arena *arena, const struct methods *methods)
{
    const char *allow = NULL;
    bool head_due = false;
    for (const struct methods *one = methods; one; one = one->next) {
        int order = strcmp(one->method, "HEAD");
        if (head_due && order > 0)
            add_allowed(arena, &allow, "HEAD");
        if (order >= 0)
            head_due = false;
        if (strcmp(one->method, "GET") == 0)
            head_due = true;
        add_allowed(arena, &allow, one->method);
    }
    if (head_due)
        add_allowed(arena, &allow, "HEAD");
    return allow;
}

static struct methods *add_method(struct routes *routes, struct branch *branch, const char *method)
{
    struct methods **place = &branch->methods;
    while (*place && strcmp((*place)->method, method) < 0)
        place = &(*place)->next;
    if (*place && strcmp((*place)->method, method) == 0)
        return NULL;
    struct methods *added = arena_alloc(routes->arena, sizeof *added);
    added->method = arena_string(routes->arena, method);
    added->next = *place;
    *place = added;
    branch->allow = list_allowed(routes->arena, branch->methods);
    return added;
}

const char *routes_add(struct routes *routes, const char *path, const char *method,
                       const struct endpoint *endpoint)
{
    const char *wrong = check_path(routes->arena, path);
    if (!wrong)
        wrong = check_method(method);
    if (wrong)
        return wrong;
    struct branch *branch = &routes->root;
    const char *end = path + strlen(path);
    struct segment segment;
    for (const char *at = path; next_segment(&at, end, &segment);)
        branch = is_variable(segment) ? any_child(routes->arena, branch)
                                      : literal_child(routes->arena, branch, segment);
    struct methods *added = add_method(routes, branch, method);
    if (!added)
        return "another endpoint has this path and method";
    const char *const *names;
    route_variables(routes->arena, path, &names);
    added->names = (const char **)names;
    added->endpoint = endpoint;
    return NULL;
}

size_t route_variables(struct arena *arena, const char *path, const char *const **ret_names)
{
    const char *end = path + strlen(path);
    struct segment segment;
    size_t most = 0;
    for (const char *at = path; *at; at++)
        most += *at == '/';
    const char **names = arena_array(arena, most, sizeof(char *));
    size_t count = 0;
    const char *at = *path == '/' ? path : end;
    while (next_segment(&at, end, &segment)) {
        if (is_variable(segment))
            names[count++] =
                arena_copy(arena, segment.data + 1, (size_t)(segment.end - segment.data - 2));
    }
    *ret_names = names;
    return count;
}

/* ---- Finding ---- */

/* %00 and broken triplets belong to no endpoint: whoever decodes them later would
 * see another path than the one that was matched. */
static bool is_sound(const char *path, const char *end)
{
    for (const char *at = path; at < end; at++) {
        if (*at == '%' && url_triplet(at, end) <= 0)
            return false;
    }
    return true;
}

/* Goes as deep as the longest configured path, whatever the client sent. Paths
 * have at most ROUTE_VARIABLES_MAX variables, so the values always have room. */
static const struct branch *find(const struct branch *branch, const char *at, const char *end,
                                 struct route_match *match)
{
    struct segment segment;
    if (!next_segment(&at, end, &segment))
        return branch->methods ? branch : NULL;
    bool found;
    size_t place = literal_place(branch, segment, &found);
    const struct branch *result = NULL;
    if (found)
        result = find(branch->literals[place], at, end, match);
    if (result || !branch->any || segment.data == segment.end)
        return result;
    size_t variable = match->variable_count++;
    match->values[variable].data = segment.data;
    match->values[variable].len = (size_t)(segment.end - segment.data);
    result = find(branch->any, at, end, match);
    if (!result)
        match->variable_count = variable;
    return result;
}

static const struct methods *find_method(const struct methods *methods, const char *method)
{
    while (methods && strcmp(methods->method, method) != 0)
        methods = methods->next;
    return methods;
}

struct route_match routes_find(const struct routes *routes, const char *method, const char *path,
                               size_t len)
{
    struct route_match match = {.variable_count = 0};
    const char *end = path + url_path_length(path, len);
    if (path == end || *path != '/' || !is_sound(path, end))
        return match;
    const struct branch *branch = find(&routes->root, path, end, &match);
    if (!branch)
        return match;
    match.allow = branch->allow;
    match.any = branch->methods->endpoint;
    const struct methods *methods = find_method(branch->methods, method);
    if (!methods && strcmp(method, "HEAD") == 0)
        methods = find_method(branch->methods, "GET");
    if (!methods)
        return match;
    match.endpoint = methods->endpoint;
    for (size_t i = 0; i < match.variable_count; i++)
        match.names[i] = methods->names[i];
    return match;
}

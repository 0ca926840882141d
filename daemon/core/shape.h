/*
 * What a request wants of a reply's JSON: `select` a value by pointer, `allow` and
 * `deny` what lies at paths, `rename` members, `group` it all under a key, in this
 * order. Compiled once; applied to the bytes without a tree. What is not touched
 * keeps its bytes, white space and all (docs/shaping.md has every corner).
 */
#ifndef CORE_SHAPE_H
#define CORE_SHAPE_H

#include "core/faults.h"
#include "core/pointer.h"
#include "core/shape_tree.h"

enum shape_list { SHAPE_ALLOW, SHAPE_DENY, SHAPE_RENAME, SHAPE_LISTS };

struct shape {
    const struct pointer *select;  /* NULL: the whole value */
    const struct shape_node *root; /* NULL: no paths */
    bool allows;                   /* there is an `allow` */
    struct {
        bool given, object, array; /* some path begins with a name, with `*` */
    } lists[SHAPE_LISTS];
    const char *group; /* `{"name":`; NULL: none */
    size_t group_len;
};

/* The members of a request that make it, as the option table reads them. */
struct shaping {
    const char *select, *group;
    const struct node *allow, *deny, *rename;
};

/* From the members of a request; NULL when it has none of the five, or all of them have
 * been faults. What has the wrong type is left to the option table. */
const struct shape *shape_compile(const struct node *request, struct arena *arena,
                                  struct faults *faults);

/* For others that write names and paths the same way; nothing but a fault when it is wrong. A
 * path without `*`: its names. */
void shape_read_names(const struct node *node, struct arena *arena, struct faults *faults,
                      struct pointer *ret_names);
/* A name alone, decoded and as JSON. */
void shape_read_name(const struct node *node, struct arena *arena, struct faults *faults,
                     const char **ret_name, size_t *ret_len, const char **ret_key,
                     size_t *ret_key_len);

struct shaped {
    struct json_span value; /* len 0: nothing is left */
    char *bytes;            /* new: where the value is, or NULL when it lies in the input */
    const char *unfit;      /* SHAPE_UNFIT: why */
};

enum { SHAPE_FULL = 1, SHAPE_UNFIT }; /* positive results of shape_apply() */

/* `value` was validated and outlives the result. It may grow by at most `growth` bytes. 0;
 * SHAPE_FULL; SHAPE_UNFIT: all paths of a list want an object and it is an array, or the
 * other way round; or -ENOMEM. Without 0 there is nothing to free. */
int shape_apply(const struct shape *shape, struct json_span value, size_t growth,
                struct shaped *ret_shaped);

#endif

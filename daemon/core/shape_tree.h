/* The paths of a shape as a tree of steps, for the modules that compile and apply it. */
#ifndef CORE_SHAPE_TREE_H
#define CORE_SHAPE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    SHAPE_PATHS_MAX = 128,   /* in `allow` and `deny` each */
    SHAPE_RENAMES_MAX = 64,  /* at most the bits of shape_rename_set */
    SHAPE_SEGMENTS_MAX = 32, /* of one path: how deep a walk goes */
    SHAPE_TEXT_MAX = 512,    /* bytes of one path, pointer or name */
};

/* A step of the paths: a member's name, or any item of an array. All lists of a
 * request share one tree of them; its root stands for the value itself. */
struct shape_node {
    const char *name; /* decoded; NULL: of an item */
    size_t len;
    struct shape_node **members; /* the steps below by length and name */
    size_t member_count;
    uint64_t filter;          /* the bits of shape_filter() of all of them */
    struct shape_node *items; /* what stands for any item; NULL: none */
    const char *new_name;     /* renamed to this, decoded; NULL: not */
    const char *new_key;      /* the same as JSON */
    size_t new_len, new_key_len;
    struct shape_node **renames; /* those of `members` that have a new name */
    size_t rename_count;
    bool allow, deny;                /* a path of the list ends here ... */
    bool allow_members, allow_items; /* ... or goes on below, by a name or by `*` */
    bool below;                      /* any list goes on below */
};

/* Most names of a body are told from those of the paths by one bit. `len` is not 0. */
static inline uint64_t shape_filter(const char *name, size_t len)
{
    unsigned sum = (unsigned)len + 7 * (unsigned char)name[0] + 29 * (unsigned char)name[len - 1];
    return (uint64_t)1 << sum % 64;
}

/* True when `node` has a member of that decoded name; *ret_at is where it is, or belongs. */
static inline bool shape_find(const struct shape_node *node, const char *name, size_t len,
                              size_t *ret_at)
{
    size_t low = 0;
    size_t high = node->member_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct shape_node *member = node->members[middle];
        int order = member->len == len  ? memcmp(member->name, name, len)
                    : member->len < len ? -1
                                        : 1;
        if (order == 0) {
            *ret_at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_at = low;
    return false;
}

#endif

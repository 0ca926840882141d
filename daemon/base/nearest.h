/* Finds what the user probably meant to write. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* The candidate with the smallest edit distance (insert, delete, replace, swap
 * of neighbours; ASCII case ignored) to `name`, or NULL when none is close
 * enough to be a likely slip (more than a third of the letters differ). */
const char *nearest_name(const char *name, const char *const *candidates, size_t count);

#endif

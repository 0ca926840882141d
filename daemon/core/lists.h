/* Plain lists that options are read into and that the model is made of. */
#ifndef CORE_LISTS_H
#define CORE_LISTS_H

#include <stddef.h>

struct strings {
    const char **items;
    size_t count;
};

struct option_list {
    void *items; /* contiguous structs of one section of the option table */
    size_t count;
};

#endif

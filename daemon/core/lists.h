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

struct success {      /* statuses that count as one */
    unsigned classes; /* bit n: nxx */
    const unsigned *statuses;
    size_t count;
};

struct pass_header { /* a field of a part's reply that goes on to the client */
    size_t part;
    const char *name;
};

struct pass_headers {
    struct pass_header *items; /* in the declared order of the parts */
    size_t count;
};

#endif

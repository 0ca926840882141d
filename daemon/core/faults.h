/*
 * What is wrong with a configuration or a client document: a list of places
 * and sentences, kept in reading order, with a cap on how many.
 */
#ifndef CORE_FAULTS_H
#define CORE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/limit.h"
#include "core/node.h"

struct fault {
    const char *place; /* file:line:column, or a JSON Pointer */
    const char *text;  /* one sentence without a full stop, says what would be right */
    unsigned status;   /* for documents: 400, 403 or 413 */
    struct fault *next;
};

struct faults {
    struct arena *arena; /* borrowed; the list lives in it */
    struct fault *first, *last;
    size_t count;           /* all, also those beyond the cap */
    size_t most;            /* how many are kept */
    enum tally_limit limit; /* one of them is about it */
};

void faults_init(struct faults *faults, struct arena *arena, size_t most);
static inline bool faults_any(const struct faults *faults)
{
    return faults->count > 0;
}

/* At a node's value, at its key, or at a place given as text. Status 400. */
void fault_at(struct faults *faults, const struct node *node, const char *format, ...)
    printf_like(3, 4);
void fault_at_key(struct faults *faults, const struct node *node, const char *format, ...)
    printf_like(3, 4);
void fault_in(struct faults *faults, const char *place, const char *format, ...) printf_like(3, 4);
/* At a node's value with another status (403: not allowed, 413: too large). */
void fault_with_status(struct faults *faults, const struct node *node, unsigned status,
                       const char *format, ...) printf_like(4, 5);

#endif

/*
 * Statuses as small numbers, to be counted by: one for each that is common (status.def), one
 * for what is left of each class, and one for what is no status at all.
 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

enum status_index {
    STATUS_INDEX_NONE,                           /* there was no reply; its status is 0 */
    STATUS_INDEX_OTHER,                          /* below 100 or above 599 */
    STATUS_INDEX_1XX,                            /* and the classes after it */
    STATUS_INDEX_5XX = STATUS_INDEX_1XX + 5 - 1, /* what follows are single ones */
#define STATUS(code) STATUS_INDEX_##code,
#include "core/status.def"
#undef STATUS
    STATUS_INDEXES
};

enum status_index status_index(unsigned status);
/* "404"; "5xx": another one of that class; "other"; "none". */
const char *status_index_text(enum status_index index);
bool status_index_failed(enum status_index index); /* 500 to 599 */

#endif

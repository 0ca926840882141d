/* `passHeaders`: fields of parts' replies that the merged reply carries. */
#ifndef CORE_PASS_HEADERS_H
#define CORE_PASS_HEADERS_H

#include "core/header.h"
#include "core/job.h"

/* Compiles batch->pass_node into batch->pass, in the declared order of the requests. Unknown
 * ids, names that are never passed on, and more than PASS_HEADERS_MAX names are faults. */
#define PASS_HEADERS_MAX 100
void pass_headers_read(struct batch *batch, struct arena *arena, struct faults *faults);

/* Adds the fields of the parts that succeeded; names and values are copied, because the batch
 * may be gone before the reply is sent. Where several parts have one, the first in
 * declared order wins, unless it is a field that is a list by its definition: then all are
 * joined. */
void pass_headers_add(struct arena *arena, struct header_list *headers, const struct job *job);

#endif

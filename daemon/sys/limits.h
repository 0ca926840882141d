/* What this process may use of the machine. */
#ifndef SYS_LIMITS_H
#define SYS_LIMITS_H

#include <stdint.h>

#include "base/errors.h"

/* Raises the soft limit of open descriptors to the hard one; the result is the
 * limit in force, raised or not. 0 or -errno. */
int must_check limits_raise_open_files(uint64_t *ret_limit);

/* Lets the allocator keep memory that was freed for the next request, up to a few tens
 * of megabytes per thread, instead of giving it back to the kernel at once. */
void limits_keep_memory(void);

/* CPUs that affinity and CPU quotas (see sys/cgroup.h) let this process use; at least 1. */
unsigned limits_cpus(void);

#endif

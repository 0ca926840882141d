/*
 * The kernel refuses an affinity set that is smaller than its own, whose size
 * it does not tell, so the set doubles until it fits. If the soft limit cannot
 * be raised (a seccomp filter may forbid it) the daemon lives with what it has.
 *
 * Replies of 100 KB come and go with every request. By default glibc maps such memory
 * anew, or gives back the end of its heap, each time, and the kernel's page faults cost
 * a third of the CPU of such requests.
 */
#include "sys/limits.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stddef.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "sys/cgroup.h"

int limits_raise_open_files(uint64_t *ret_limit)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -errno;
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    *ret_limit = limit.rlim_cur;
    return 0;
}

void limits_keep_memory(void)
{
#ifdef __GLIBC__
    enum { KEPT = 32 << 20, MAPPED = 4 << 20 };
    (void)mallopt(M_TRIM_THRESHOLD, KEPT); /* another allocator may stand in and refuse */
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED);
#endif
}

/* 0 when the set is too small, else the count. */
static unsigned count_in_set_of(size_t cpus)
{
    size_t size = CPU_ALLOC_SIZE(cpus);
    scope_free cpu_set_t *set = mem_new(size);
    if (sched_getaffinity(0, size, set) != 0)
        return 0;
    return (unsigned)CPU_COUNT_S(size, set);
}

static unsigned allowed_cpus(void)
{
    enum { FIRST = 1024, LAST = 1 << 20 };
    for (size_t cpus = FIRST; cpus <= LAST; cpus *= 2) {
        unsigned count = count_in_set_of(cpus);
        if (count > 0)
            return count;
    }
    return 1;
}

unsigned limits_cpus(void)
{
    return cgroup_cpus(CGROUP_ROOT, CGROUP_MEMBERSHIP, allowed_cpus());
}

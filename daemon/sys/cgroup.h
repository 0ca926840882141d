/* What the control groups of this process let it use of the CPUs (cgroup v1 and v2). */
#ifndef SYS_CGROUP_H
#define SYS_CGROUP_H

#define CGROUP_ROOT       "/sys/fs/cgroup"
#define CGROUP_MEMBERSHIP "/proc/self/cgroup"

/* The smallest quota (cpu.max; cpu.cfs_quota_us) of the own group and of those above it, in
 * CPUs, rounded up, at least 1; `most` when there is none or it is larger. `root` is where
 * version 2 is mounted, and the hierarchies of version 1 in folders with their controllers'
 * names; `membership` the file that names the own groups. What cannot be read or understood
 * limits nothing. */
unsigned cgroup_cpus(const char *root, const char *membership, unsigned most);

#endif

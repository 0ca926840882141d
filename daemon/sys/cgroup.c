/*
 * The own group's path is relative to the root of the cgroup namespace, and that is
 * mostly where the hierarchy is mounted. Where it is not (a container that sees the host's
 * path but only its own part of the tree) the groups on the path do not exist below the
 * mount; its top is then still read, and that is the container's own group.
 */
#include "sys/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"

/* The path of the v2 group: the line "0::/path". */
static bool own_group(const char *membership, char *ret_group, size_t size)
{
    FILE *file = fopen(membership, "re");
    bool found = false;
    if (!file)
        return false;
    while (!found && fgets(ret_group, (int)size, file))
        found = strncmp(ret_group, "0::/", 4) == 0 && strchr(ret_group, '\n');
    fclose(file);
    if (!found)
        return false;
    ret_group[strcspn(ret_group, "\n")] = '\0';
    memmove(ret_group, ret_group + 3, strlen(ret_group + 3) + 1);
    return true;
}

/* "max 100000" or "150000 100000": microseconds of CPU time per period. */
static unsigned quota_of(const char *root, const char *group, unsigned most)
{
    char path[PATH_MAX];
    unsigned long long quota, period;
    if (snprintf(path, sizeof path, "%s%s/cpu.max", root, group) >= (int)sizeof path)
        return most;
    FILE *file = fopen(path, "re");
    if (!file)
        return most;
    int fields = fscanf(file, "%19llu %19llu", &quota, &period);
    fclose(file);
    if (fields != 2 || period == 0)
        return most;
    unsigned long long cpus = quota / period + (quota % period != 0);
    if (cpus >= most)
        return most;
    return cpus > 0 ? (unsigned)cpus : 1;
}

unsigned cgroup_cpus(const char *root, const char *membership, unsigned most)
{
    char group[PATH_MAX];
    assert(most > 0);
    /* "/.." stands for groups above the namespace, which nobody here can see. */
    if (!own_group(membership, group, sizeof group) || strstr(group, "/.."))
        group[0] = '\0';
    for (;;) {
        most = quota_of(root, group, most);
        char *slash = strrchr(group, '/');
        if (!slash)
            return most;
        *slash = '\0';
    }
}

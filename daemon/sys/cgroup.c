/*
 * The own group's path is relative to the root of the cgroup namespace, and that is
 * mostly where the hierarchy is mounted. Where it is not (a container that sees the host's
 * path but only its own part of the tree) the groups on the path do not exist below the
 * mount; its top is then still read, and that is the container's own group.
 *
 * Version 1 has a hierarchy for each controller or a few of them, mounted in a folder with
 * their names; some systems have a folder for each and no link with all the names.
 */
#include "sys/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"

typedef unsigned quota_fn(const char *place, const char *group, unsigned most);

/* "cpu,cpuacct" has cpu; what has no controllers is version 2. */
static bool has(const char *controllers, const char *wanted)
{
    size_t len = strlen(wanted);
    while (strncmp(controllers, wanted, len) != 0 ||
           (controllers[len] != ',' && controllers[len] != '\0')) {
        controllers = strchr(controllers, ',');
        if (!controllers)
            return false;
        controllers++;
    }
    return true;
}

/* Splits "4:cpu,cpuacct:/path\n"; false: it is not a whole line. */
static bool split(char *line, char **ret_controllers, char **ret_group)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    char *end = strchr(line, '\n');
    if (!group || group[1] != '/' || !end)
        return false;
    *group = *end = '\0';
    *ret_controllers = controllers + 1;
    *ret_group = group + 1;
    return true;
}

/* Looks for the hierarchy with such a controller ("": version 2). False: there is none,
 * and both results are "". Both are parts of `line`. */
static bool find_group(const char *membership, const char *controller, char line[PATH_MAX],
                       char **ret_controllers, char **ret_group)
{
    FILE *file = fopen(membership, "re");
    bool found = false;
    while (!found && file && fgets(line, PATH_MAX, file))
        found = split(line, ret_controllers, ret_group) && has(*ret_controllers, controller);
    if (file)
        fclose(file);
    if (found)
        return true;
    line[0] = '\0';
    *ret_controllers = *ret_group = line;
    return false;
}

/* The numbers that a file begins with; false: there are not so many, or there is no file. */
static bool read_numbers(const char *place, const char *group, const char *name, long long *numbers,
                         int count)
{
    char path[PATH_MAX];
    int done = 0;
    if (snprintf(path, sizeof path, "%s%s/%s", place, group, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (done < count && fscanf(file, "%18lld", &numbers[done]) == 1)
        done++;
    fclose(file);
    return done == count;
}

static unsigned cpus_of(long long quota, long long period, unsigned most)
{
    if (quota < 0 || period <= 0)
        return most;
    long long cpus = quota / period + (quota % period != 0);
    if (cpus >= most)
        return most;
    return cpus > 0 ? (unsigned)cpus : 1;
}

/* "max 100000" or "150000 100000": microseconds of CPU time per period. */
static unsigned quota_of_2(const char *place, const char *group, unsigned most)
{
    long long numbers[2];
    if (!read_numbers(place, group, "cpu.max", numbers, 2))
        return most;
    return cpus_of(numbers[0], numbers[1], most);
}

/* The same in a file for each; -1: no quota. */
static unsigned quota_of_1(const char *place, const char *group, unsigned most)
{
    long long quota, period;
    if (!read_numbers(place, group, "cpu.cfs_quota_us", &quota, 1) ||
        !read_numbers(place, group, "cpu.cfs_period_us", &period, 1))
        return most;
    return cpus_of(quota, period, most);
}

/* From the own group upwards; `group` is used up. */
static unsigned smallest(const char *place, char *group, quota_fn *quota_of, unsigned most)
{
    /* "/.." stands for groups above the namespace, which nobody here can see. */
    if (strstr(group, "/.."))
        group[0] = '\0';
    for (;;) {
        most = quota_of(place, group, most);
        char *slash = strrchr(group, '/');
        if (!slash)
            return most;
        *slash = '\0';
    }
}

unsigned cgroup_cpus(const char *root, const char *membership, unsigned most)
{
    char line[PATH_MAX], place[PATH_MAX];
    char *controllers, *group;
    assert(most > 0);
    find_group(membership, "", line, &controllers, &group);
    most = smallest(root, group, quota_of_2, most);
    bool named = find_group(membership, "cpu", line, &controllers, &group);
    int len = snprintf(place, sizeof place, "%s/%s", root, controllers);
    if (!named || len >= (int)sizeof place || access(place, F_OK) != 0)
        snprintf(place, sizeof place, "%s/cpu", root);
    return smallest(place, group, quota_of_1, most);
}

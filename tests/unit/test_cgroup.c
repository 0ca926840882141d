/* CPU quotas from a made-up tree of control groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/cgroup.h"

static char root[] = "/tmp/gatherd-test-XXXXXX";
static char membership[64];

/* Every folder of the tree: the root, two levels below it. */
static const char *const groups[] = {"", "/outer", "/outer/inner"};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Quotas from the root inwards; NULL: no file. */
static void set_quotas(const char *const quotas[3])
{
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s/cpu.max", root, groups[i]);
        unlink(path);
        if (quotas[i])
            write_file(path, quotas[i]);
    }
}

static int make_tree(void **state)
{
    (void)state;
    char path[128];
    if (!mkdtemp(root))
        return -1;
    for (size_t i = 1; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", root, groups[i]);
        if (mkdir(path, 0700) != 0)
            return -1;
    }
    snprintf(membership, sizeof membership, "%s/membership", root);
    return 0;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

static int remove_tree(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void the_smallest_quota_counts_rounded_up(void **state)
{
    (void)state;
    static const struct {
        const char *quotas[3];
        unsigned cpus;
    } cases[] = {
        {{NULL, NULL, NULL}, 8},
        {{NULL, "max 100000\n", "max 100000\n"}, 8},
        {{NULL, NULL, "200000 100000\n"}, 2},
        {{NULL, NULL, "150000 100000\n"}, 2}, /* one and a half */
        {{NULL, NULL, "100001 100000\n"}, 2},
        {{NULL, NULL, "100000 100000\n"}, 1},
        {{NULL, NULL, "1000 100000\n"}, 1}, /* a hundredth */
        {{NULL, NULL, "0 100000\n"}, 1},
        {{NULL, "300000 100000\n", "max 100000\n"}, 3}, /* from above */
        {{NULL, "300000 100000\n", "500000 100000\n"}, 3},
        {{NULL, "500000 100000\n", "300000 100000\n"}, 3},
        {{"100000 50000\n", "max 100000\n", NULL}, 2}, /* a container's own group */
        {{NULL, NULL, "6400000 100000\n"}, 8},         /* more than there are */
        {{NULL, NULL, "800000 100000\n"}, 8},
        {{NULL, NULL, "700000 100000\n"}, 7},
        {{NULL, NULL, "100000 0\n"}, 8},
        {{NULL, NULL, "nonsense\n"}, 8},
        {{NULL, NULL, "100000\n"}, 8},
        {{NULL, NULL, ""}, 8},
    };
    write_file(membership, "1:cpu:/elsewhere\n0::/outer/inner\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_quotas(cases[i].quotas);
        unsigned cpus = cgroup_cpus(root, membership, 8);
        if (cpus != cases[i].cpus)
            fail_msg("case %zu: %u, not %u", i, cpus, cases[i].cpus);
    }
}

static void only_the_own_path_counts(void **state)
{
    (void)state;
    static const struct {
        const char *membership;
        unsigned cpus;
    } cases[] = {
        {"0::/outer/inner\n", 2},
        {"0::/outer\n", 3},
        {"0::/\n", 5},
        {"0::/gone/away\n", 5},
        {"0::/../outer\n", 5},
        {"4:cpu:/outer\n", 5},
        {"", 5},
        {"0::/outer", 5 /* no end of the line: cut off */},
    };
    set_quotas((const char *const[3]){"500000 100000\n", "300000 100000\n", "200000 100000\n"});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(membership, cases[i].membership);
        unsigned cpus = cgroup_cpus(root, membership, 8);
        if (cpus != cases[i].cpus)
            fail_msg("\"%s\": %u, not %u", cases[i].membership, cpus, cases[i].cpus);
    }
    unlink(membership);
    assert_int_equal(cgroup_cpus(root, membership, 8), 5);
    assert_int_equal(cgroup_cpus("/nowhere", membership, 8), 8);
}

/* ---- version 1 ---- */

static void write_in(const char *folder, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    unlink(path);
    if (text)
        write_file(path, text);
}

/* The three groups of a hierarchy mounted in such a folder; `quotas` from its root inwards. */
static void make_hierarchy(const char *folder, const char *const quotas[3], const char *period)
{
    for (size_t i = 0; i < 3; i++) {
        char group[96], path[128];
        snprintf(group, sizeof group, "%s%s", folder, groups[i]);
        snprintf(path, sizeof path, "%s%s", root, group);
        (void)mkdir(path, 0700);
        write_in(group, "cpu.cfs_quota_us", quotas[i]);
        write_in(group, "cpu.cfs_period_us", quotas[i] ? period : NULL);
    }
}

static void version_1_has_a_file_for_each_number(void **state)
{
    (void)state;
    static const struct {
        const char *quotas[3], *period;
        unsigned cpus;
    } cases[] = {
        {{NULL, "-1\n", "-1\n"}, "100000\n", 8},
        {{NULL, "-1\n", "150000\n"}, "100000\n", 2},
        {{NULL, "-1\n", "100001\n"}, "100000\n", 2},
        {{NULL, "-1\n", "100000\n"}, "100000\n", 1},
        {{NULL, "-1\n", "1000\n"}, "100000\n", 1},
        {{NULL, "300000\n", "-1\n"}, "100000\n", 3}, /* from above */
        {{NULL, "300000\n", "500000\n"}, "100000\n", 3},
        {{NULL, "500000\n", "300000\n"}, "100000\n", 3},
        {{"100000\n", "-1\n", NULL}, "50000\n", 2}, /* a container's own group */
        {{NULL, NULL, "6400000\n"}, "100000\n", 8},
        {{NULL, NULL, "100000\n"}, "0\n", 8},
        {{NULL, NULL, "100000\n"}, NULL, 8},
        {{NULL, NULL, "nonsense\n"}, "100000\n", 8},
        {{NULL, NULL, ""}, "100000\n", 8},
    };
    set_quotas((const char *const[3]){NULL, NULL, NULL});
    write_file(membership, "3:cpuset:/\n2:cpu,cpuacct:/outer/inner\n1:name=systemd:/outer\n0::/\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_hierarchy("/cpu,cpuacct", cases[i].quotas, cases[i].period);
        unsigned cpus = cgroup_cpus(root, membership, 8);
        if (cpus != cases[i].cpus)
            fail_msg("case %zu: %u, not %u", i, cpus, cases[i].cpus);
    }
}

static void the_hierarchy_of_cpu_counts(void **state)
{
    (void)state;
    static const struct {
        const char *membership;
        unsigned cpus;
    } cases[] = {
        {"2:cpu,cpuacct:/outer/inner\n", 2},
        {"2:cpu,cpuacct:/outer\n", 3},
        {"2:cpu,cpuacct:/\n", 5},
        {"2:cpu,cpuacct:/gone/away\n", 5},
        {"2:cpu,cpuacct:/../outer\n", 5},
        {"2:cpu:/outer/inner\n", 4},         /* in a folder of that name alone */
        {"2:cpuacct,cpu:/outer/inner\n", 4}, /* and where there is none of all names */
        {"2:cpuset:/outer\n1:name=cpu:/outer\n", 6},
        {"2:cpu:/odd:name\n", 6},
        {"0::/outer/inner\n", 6},
        {"", 6},
    };
    set_quotas((const char *const[3]){NULL, NULL, NULL});
    make_hierarchy("/cpu,cpuacct", (const char *const[3]){"50\n", "30\n", "20\n"}, "10\n");
    make_hierarchy("/cpu", (const char *const[3]){"60\n", "-1\n", "40\n"}, "10\n");
    make_hierarchy("/cpuset", (const char *const[3]){"10\n", "10\n", "10\n"}, "10\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(membership, cases[i].membership);
        unsigned cpus = cgroup_cpus(root, membership, 8);
        if (cpus != cases[i].cpus)
            fail_msg("\"%s\": %u, not %u", cases[i].membership, cpus, cases[i].cpus);
    }
}

static void both_versions_count(void **state)
{
    (void)state;
    write_file(membership, "1:cpu:/outer\n0::/outer/inner\n");
    make_hierarchy("/cpu", (const char *const[3]){NULL, "40\n", NULL}, "10\n");
    set_quotas((const char *const[3]){NULL, NULL, "30 10\n"});
    assert_int_equal(cgroup_cpus(root, membership, 8), 3);
    set_quotas((const char *const[3]){NULL, NULL, "50 10\n"});
    assert_int_equal(cgroup_cpus(root, membership, 8), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_quota_counts_rounded_up),
        cmocka_unit_test(only_the_own_path_counts),
        cmocka_unit_test(version_1_has_a_file_for_each_number),
        cmocka_unit_test(the_hierarchy_of_cpu_counts),
        cmocka_unit_test(both_versions_count),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}

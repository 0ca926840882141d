/* CPU quotas from a made-up tree of control groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static int remove_tree(void **state)
{
    (void)state;
    char path[128];
    set_quotas((const char *const[3]){NULL, NULL, NULL});
    unlink(membership);
    for (size_t i = 3; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", root, groups[i]);
        rmdir(path);
    }
    return access(root, F_OK) == 0 ? -1 : 0;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_quota_counts_rounded_up),
        cmocka_unit_test(only_the_own_path_counts),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}

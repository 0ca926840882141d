/* A CURLM per file of certificates, up to a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "back/trust.h"

enum { MOST = 16 };

static void finished(void *ctx, CURL *easy, CURLcode result)
{
    (void)ctx;
    (void)easy;
    (void)result;
    fail();
}

static void files_have_their_own(void **state)
{
    (void)state;
    struct loop *loop;
    struct trusts *trusts;
    struct multi *found[MOST];
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(trusts_new(loop, 8, finished, NULL, &trusts), 0);
    found[0] = trusts_multi(trusts, NULL);
    for (int i = 1; i < MOST; i++) {
        char name[16];
        snprintf(name, sizeof name, "/ca/%d", i);
        found[i] = trusts_multi(trusts, name);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(found[i], found[j]);
    }
    assert_ptr_equal(trusts_multi(trusts, "/ca/one-too-many"), found[0]);
    assert_ptr_equal(trusts_multi(trusts, "/ca/1"), found[1]);
    assert_ptr_equal(trusts_multi(trusts, "/ca/15"), found[15]);
    assert_ptr_equal(trusts_multi(trusts, NULL), found[0]);
    assert_int_equal(trusts_open_sockets(trusts), 0);
    assert_false(trusts_are_due(trusts));
    trusts_free(trusts);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_have_their_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Free records are used again, last given first taken, up to their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/recycler.h"

struct record {
    void *first;
    int kept;
};

static void gives_back_what_was_given(void **state)
{
    (void)state;
    struct recycler recycler;
    recycler_init(&recycler, sizeof(struct record), 2);
    struct record *one = recycler_take(&recycler);
    struct record *two = recycler_take(&recycler);
    assert_ptr_not_equal(one, two);
    assert_null(one->first);
    assert_int_equal(one->kept, 0);
    one->kept = 1;
    two->kept = 2;
    recycler_give(&recycler, one);
    recycler_give(&recycler, two);
    assert_int_equal(recycler.count, 0);
    assert_int_equal(((struct record *)recycler_take(&recycler))->kept, 2);
    assert_int_equal(((struct record *)recycler_take(&recycler))->kept, 1);
    assert_int_equal(recycler.count, 2);
    recycler_give(&recycler, one);
    recycler_give(&recycler, two);
    recycler_done(&recycler);
}

static void keeps_no_more_than_asked(void **state)
{
    (void)state;
    struct recycler recycler;
    void *records[3];
    recycler_init(&recycler, sizeof(struct record), 2);
    for (int i = 0; i < 3; i++)
        records[i] = recycler_take(&recycler);
    for (int i = 0; i < 3; i++)
        recycler_give(&recycler, records[i]);
    assert_int_equal(recycler.spare_count, 2);
    recycler_done(&recycler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_given),
        cmocka_unit_test(keeps_no_more_than_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

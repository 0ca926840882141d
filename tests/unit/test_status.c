/* Every status has a number of its own or its class's, and a text that says which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/status.h"

static const char *text_of(unsigned status)
{
    return status_index_text(status_index(status));
}

static void knows_what_is_common(void **state)
{
    (void)state;
    static const unsigned common[] = {200, 201, 204, 301, 304, 400, 404, 429, 451,
                                      499, 500, 502, 503, 504, 511, 520, 530};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        char number[8];
        snprintf(number, sizeof number, "%u", common[i]);
        assert_string_equal(text_of(common[i]), number);
    }
}

/* 0 to beyond the last, so that no status is without a number or has a stranger's. */
static void tells_the_class_of_the_rest(void **state)
{
    (void)state;
    for (unsigned status = 0; status < 1100; status++) {
        enum status_index index = status_index(status);
        const char *text = status_index_text(index);
        char number[8], class[8];
        snprintf(number, sizeof number, "%u", status);
        snprintf(class, sizeof class, "%uxx", status / 100);
        assert_true(index < STATUS_INDEXES);
        if (status == 0)
            assert_string_equal(text, "none");
        else if (status < 100 || status > 599)
            assert_string_equal(text, "other");
        else
            assert_true(strcmp(text, number) == 0 || strcmp(text, class) == 0);
        assert_int_equal(status_index_failed(index), status >= 500 && status <= 599);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_is_common),
        cmocka_unit_test(tells_the_class_of_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

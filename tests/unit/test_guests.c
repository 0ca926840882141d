/* Guests of the admin pages: who makes room, and whose time is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "front/guests.h"

enum { GUESTS = 3, PATIENCE = 100 };

struct house {
    struct guests guests;
    struct guest *all[GUESTS];
    int theirs[GUESTS];
};

/* Guest i comes at the moment i. */
static void open_house(struct house *house)
{
    guests_init(&house->guests, PATIENCE);
    for (int i = 0; i < GUESTS; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        house->theirs[i] = pair[1];
        house->all[i] = guests_enter(&house->guests, pair[0], (usec_t)i);
    }
    assert_int_equal(house->guests.count, GUESTS);
}

static void close_house(struct house *house)
{
    for (int i = 0; i < GUESTS; i++) {
        close(house->theirs[i]);
        close(house->all[i]->fd);
        guests_leave(&house->guests, house->all[i]);
    }
    assert_int_equal(house->guests.count, 0);
    assert_true(list_is_empty(&house->guests.all));
}

static bool was_shown_out(const struct house *house, int i)
{
    char byte;
    return recv(house->theirs[i], &byte, 1, 0) == 0;
}

static void test_the_longest_waiting_makes_room(void **state)
{
    struct house house;
    (void)state;
    open_house(&house);
    guests_serve(&house.guests, house.all[0], 10);
    assert_true(guests_show_out(&house.guests));
    assert_true(was_shown_out(&house, 1));
    assert_false(was_shown_out(&house, 0) || was_shown_out(&house, 2));
    assert_int_equal(house.guests.count, GUESTS);  /* it has not left yet */
    guests_serve(&house.guests, house.all[1], 20); /* nor does a late reply bring it back */
    assert_true(guests_show_out(&house.guests) && guests_show_out(&house.guests));
    assert_true(was_shown_out(&house, 2) && was_shown_out(&house, 0));
    assert_false(guests_show_out(&house.guests));
    close_house(&house);
}

static void test_time_is_over(void **state)
{
    struct house house;
    (void)state;
    open_house(&house);
    assert_int_equal(guests_expire(&house.guests, PATIENCE - 1), PATIENCE);
    assert_false(was_shown_out(&house, 0));
    assert_int_equal(guests_expire(&house.guests, PATIENCE), PATIENCE + 1);
    assert_true(was_shown_out(&house, 0));
    guests_serve(&house.guests, house.all[1], 50);
    assert_int_equal(guests_expire(&house.guests, PATIENCE + 2), PATIENCE + 50);
    assert_true(was_shown_out(&house, 2) && !was_shown_out(&house, 1));
    assert_int_equal(guests_expire(&house.guests, 2 * PATIENCE), USEC_NEVER);
    assert_true(was_shown_out(&house, 1));
    close_house(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_longest_waiting_makes_room),
        cmocka_unit_test(test_time_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

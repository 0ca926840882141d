/* Sockets from a service manager: taken by name or address, never taken down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front/address.h"
#include "front/listen.h"

enum { SOCKETS_MAX = 4 };

static char folder[] = "/tmp/gatherd-test-XXXXXX";
static char unix_text[80];

struct rig { /* what the service manager holds */
    struct arena *arena;
    struct passed_socket items[SOCKETS_MAX];
    struct passed_sockets passed;
    struct listeners listeners;
    int kept[SOCKETS_MAX]; /* the manager's own copies */
};

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(unix_text, sizeof unix_text, "unix:%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int bound_socket(const char *text, int type, bool listening)
{
    struct address address;
    assert_null(address_read(text, &address));
    int fd = socket(address.name.any.sa_family, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, &address.name.any, address.len), 0);
    if (listening)
        assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void pass(struct rig *rig, const char *name, int fd, bool listens)
{
    size_t at = rig->passed.count++;
    rig->kept[at] = fd;
    rig->items[at] = (struct passed_socket){.fd = dup(fd), .name = name, .listens = listens};
}

/* "http" twice (two ports), "local" (a file). */
static void begin(struct rig *rig)
{
    *rig = (struct rig){.arena = arena_new(), .passed.items = rig->items};
    pass(rig, "http", bound_socket("127.0.0.1:0", SOCK_STREAM, true), true);
    pass(rig, "local", bound_socket(unix_text, SOCK_STREAM, true), true);
    pass(rig, "http", bound_socket("[::1]:0", SOCK_STREAM, true), true);
}

static void end(struct rig *rig)
{
    listeners_close(&rig->listeners);
    for (size_t i = 0; i < rig->passed.count; i++) {
        (void)listen_unused(&rig->items[i], rig->arena);
        close(rig->kept[i]);
    }
    unlink(unix_text + strlen(ADDRESS_UNIX));
    arena_free(rig->arena);
}

static const char *open_list(struct rig *rig, const char *one, const char *other)
{
    const char *items[] = {one, other};
    struct strings list = {items, other ? 2 : 1};
    return listeners_open(&list, &rig->passed, rig->arena, &rig->listeners);
}

static int connected(const char *text)
{
    struct address address;
    assert_null(address_read(text, &address));
    int fd = socket(address.name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, &address.name.any, address.len) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static void sockets_are_taken_by_name(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    assert_null(open_list(&rig, "systemd:http", NULL));
    assert_int_equal(rig.listeners.count, 2);
    assert_string_equal(rig.listeners.items[0].passed_as, "http");
    assert_int_equal(strncmp(rig.listeners.items[0].name, "127.0.0.1:", 10), 0);
    assert_int_equal(strncmp(rig.listeners.items[1].name, "[::1]:", 6), 0);
    for (size_t i = 0; i < 2; i++)
        assert_true(fcntl(rig.listeners.items[i].fd, F_GETFL) & O_NONBLOCK);
    assert_null(listen_unused(&rig.items[0], rig.arena));
    const char *unused = listen_unused(&rig.items[1], rig.arena);
    assert_non_null(unused);
    assert_int_equal(strncmp(unused, "\"local\" (unix:/", 15), 0);
    assert_int_equal(fcntl(rig.items[1].fd, F_GETFD), -1);
    end(&rig);
}

static void the_rest_is_what_no_other_entry_takes(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    assert_null(open_list(&rig, "systemd", "systemd:local")); /* the order does not matter */
    assert_int_equal(rig.listeners.count, 3);
    assert_string_equal(rig.listeners.items[0].passed_as, "local");
    assert_true(rig.listeners.items[0].local);
    assert_string_equal(rig.listeners.items[0].name, unix_text);
    assert_string_equal(rig.listeners.items[1].passed_as, "http");
    assert_false(rig.listeners.items[1].local);
    end(&rig);
}

static void an_address_is_the_socket_bound_to_it(void **state)
{
    (void)state;
    struct rig rig;
    struct address bound;
    begin(&rig);
    assert_int_equal(address_bound(rig.kept[0], &bound), 0);
    assert_null(open_list(&rig, address_text(&bound, rig.arena), "127.0.0.1:0"));
    assert_int_equal(rig.listeners.count, 2);
    assert_int_equal(rig.listeners.items[0].fd, rig.items[0].fd);
    assert_null(rig.listeners.items[1].passed_as); /* a port of our own */
    listeners_close(&rig.listeners);
    assert_null(open_list(&rig, unix_text, NULL));
    assert_string_equal(rig.listeners.items[0].passed_as, "local");
    end(&rig);
}

static void closing_leaves_the_managers_socket_alone(void **state)
{
    (void)state;
    struct rig rig;
    struct address bound;
    struct stat status;
    begin(&rig);
    assert_null(open_list(&rig, "systemd", NULL));
    assert_int_equal(address_bound(rig.kept[0], &bound), 0);
    const char *text = address_text(&bound, rig.arena);
    listeners_close(&rig.listeners);
    assert_int_equal(rig.listeners.count, 0);
    assert_int_equal(connected(text), 0);
    assert_int_equal(connected(unix_text), 0);
    assert_int_equal(stat(unix_text + strlen(ADDRESS_UNIX), &status), 0);
    end(&rig);
}

static void missing_sockets_are_errors(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    assert_string_equal(open_list(&rig, "systemd:admin", NULL),
                        "cannot listen on systemd:admin: systemd passed no socket of that name; "
                        "the first of 3 is \"http\"");
    assert_string_equal(open_list(&rig, "systemd", "systemd:"),
                        "cannot listen on systemd:: systemd passed no socket of that name; "
                        "the first of 3 is \"http\"");
    assert_null(open_list(&rig, "systemd", NULL));
    listeners_close(&rig.listeners);
    assert_string_equal(open_list(&rig, "systemd", NULL),
                        "cannot listen on systemd: other entries have all sockets it passed");
    struct passed_sockets held = rig.passed;
    rig.passed.count = 0;
    assert_string_equal(open_list(&rig, "systemd:http", NULL),
                        "cannot listen on systemd:http: systemd passed no sockets");
    assert_string_equal(open_list(&rig, "systemd", NULL),
                        "cannot listen on systemd: systemd passed no sockets");
    rig.passed = held;
    end(&rig);
}

static void what_does_not_listen_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    pass(&rig, "datagrams", bound_socket("127.0.0.1:0", SOCK_DGRAM, false), false);
    assert_string_equal(open_list(&rig, "systemd:datagrams", NULL),
                        "the socket \"datagrams\" that systemd passed is not one to accept on");
    assert_false(rig.items[3].claimed);
    assert_int_equal(rig.listeners.count, 0);
    end(&rig);
}

/* As ListenStream=8080 in a unit, beside the default of `listen`. */
static void a_passed_socket_that_holds_an_address_is_named(void **state)
{
    (void)state;
    struct rig rig;
    struct address bound;
    begin(&rig);
    int fd = bound_socket(":0", SOCK_STREAM, true);
    assert_int_equal(address_bound(fd, &bound), 0);
    const char *place = address_text(&bound, rig.arena);
    pass(&rig, "web", fd, true);
    const char *wanted = arena_printf(rig.arena, "127.0.0.1%s", strrchr(place, ':'));
    assert_string_equal(
        open_list(&rig, wanted, NULL),
        arena_printf(rig.arena,
                     "%s is in use: the socket \"web\" (%s) that systemd passed holds it; write "
                     "\"systemd:web\" instead",
                     wanted, place));
    assert_string_equal(open_list(&rig, "systemd:web", wanted),
                        arena_printf(rig.arena, "%s is in use by another program", wanted));
    end(&rig);
}

/* ---- taking them out of the environment, in a process of its own ---- */

/* Runs as the child whose descriptors from 3 on are `fds`; the result is its exit code. */
static int in_child(const int *fds, int count, const char *names, int (*check)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        char number[16];
        for (int i = 0; i < count; i++)
            fcntl(fds[i], F_DUPFD, 20 + i);
        for (int i = 0; i < count; i++)
            dup2(20 + i, 3 + i);
        snprintf(number, sizeof number, "%d", (int)getpid());
        setenv("LISTEN_PID", number, 1);
        snprintf(number, sizeof number, "%d", count > 0 ? count : 2);
        setenv("LISTEN_FDS", number, 1);
        setenv("LISTEN_FDNAMES", names, 1);
        if (count == 0)
            for (int fd = 3; fd < 30; fd++)
                close(fd);
        _exit(check());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int takes_three(void)
{
    struct arena *arena = arena_new();
    struct passed_sockets sockets;
    if (passed_take(arena, &sockets) != 0 || sockets.count != 3)
        return 1;
    static const char *const names[] = {"http", "plain", "unknown"};
    static const bool listens[] = {true, false, false};
    for (size_t i = 0; i < 3; i++) {
        struct passed_socket *socket = &sockets.items[i];
        if (socket->fd != 3 + (int)i || strcmp(socket->name, names[i]) != 0 ||
            socket->listens != listens[i] || socket->claimed)
            return 2 + (int)i;
        if (!(fcntl(socket->fd, F_GETFD) & FD_CLOEXEC))
            return 5;
    }
    if (getenv("LISTEN_FDS") || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES"))
        return 6;
    bool again = passed_take(arena, &sockets) == 0 && sockets.count == 0;
    arena_free(arena);
    return again ? 0 : 7;
}

static int finds_none_open(void)
{
    struct arena *arena = arena_new();
    struct passed_sockets sockets;
    int rc = passed_take(arena, &sockets);
    arena_free(arena);
    return rc == -EBADF ? 0 : 1;
}

static void they_come_with_names_and_leave_the_environment(void **state)
{
    (void)state;
    int fds[] = {
        bound_socket("127.0.0.1:0", SOCK_STREAM, true),
        bound_socket("127.0.0.1:0", SOCK_STREAM, false),
        open("/dev/null", O_RDONLY | O_CLOEXEC),
    };
    assert_int_equal(in_child(fds, 3, "http:plain:unknown", takes_three), 0);
    assert_int_equal(in_child(fds, 0, "a:b", finds_none_open), 0);
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_taken_by_name),
        cmocka_unit_test(the_rest_is_what_no_other_entry_takes),
        cmocka_unit_test(an_address_is_the_socket_bound_to_it),
        cmocka_unit_test(closing_leaves_the_managers_socket_alone),
        cmocka_unit_test(missing_sockets_are_errors),
        cmocka_unit_test(what_does_not_listen_is_refused),
        cmocka_unit_test(a_passed_socket_that_holds_an_address_is_named),
        cmocka_unit_test(they_come_with_names_and_leave_the_environment),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

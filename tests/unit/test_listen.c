/* Listeners: syntax, opening, conflicts, unix socket files, accepting, shedding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "front/listen.h"

static void test_syntax(void **state)
{
    (void)state;
    static const char *const good[] = {
        "127.0.0.1:8080",   "localhost:0", ":65535",       "[::1]:80",      "[::]:1",
        "unix:/run/x.sock", "systemd",     "systemd:http", "systemd:a.b-c",
    };
    static const char *const bad[] = {
        "",        "8080",   "127.0.0.1",   "127.0.0.1:",     "127.0.0.1:65536", "a.b:80",
        "::1:80",  "[::1]",  "[::1:80",     "[127.0.0.1]:80", "systemd:",        "systemd:a:b",
        "Systemd", "[]:80",  "1.2.3:80",    "127.0.0.1:8o",   "127.0.0.1:-1",    "127.0.0.1:000080",
        "unix:",   "unix:x", "[::1%lo]:80", "*:80",           "256.0.0.1:80",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (listen_check(good[i]))
            fail_msg("%s: %s", good[i], listen_check(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!listen_check(bad[i]))
            fail_msg("%s is not refused", bad[i]);
}

static void test_same_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {
        {"127.0.0.1:80", "127.0.0.1:80", true},
        {"127.0.0.1:80", "localhost:0080", true},
        {"127.0.0.1:80", "127.0.0.1:81", false},
        {"127.0.0.1:80", "127.0.0.2:80", false},
        {"127.0.0.1:0", "127.0.0.1:0", false}, /* any port is another one each time */
        {"[::1]:80", "[0:0::1]:80", true},
        {"[::1]:80", "[::2]:80", false},
        {":80", ":80", true},
        {":80", "[::]:80", true}, /* the first one has IPv4 too, but both cannot be open */
        {"[::1]:80", "127.0.0.1:80", false},
        {"systemd", "systemd", true},
        {"systemd:a", "systemd:a", true},
        {"systemd:a", "systemd:b", false},
        {"systemd", "systemd:a", false},
        {"systemd:80", "127.0.0.1:80", false},
        {"unix:/x", "unix:/x", true},
        {"unix:/x", "unix:/xy", false},
        {"unix:/x", "127.0.0.1:80", false},
        {"x", "x", false}, /* not an address */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (listen_same(cases[i].one, cases[i].other) != cases[i].same)
            fail_msg("%s and %s", cases[i].one, cases[i].other);
}

static void test_unix_path_at_its_limit(void **state)
{
    (void)state;
    char address[sizeof "unix:" + sizeof((struct sockaddr_un *)NULL)->sun_path];
    memset(address, 'x', sizeof address);
    memcpy(address, "unix:/", 6);
    address[5 + 107] = '\0';
    assert_null(listen_check(address));
    address[5 + 107] = 'x';
    address[5 + 108] = '\0';
    assert_non_null(listen_check(address));
}

static const char *open_list(struct arena *arena, const char **addresses, size_t count,
                             struct listeners *ret_listeners)
{
    struct strings list = {addresses, count};
    struct passed_sockets none = {.count = 0};
    return listeners_open(&list, &none, arena, ret_listeners);
}

static int connect_to(const struct listener *listener)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    assert_int_equal(getsockname(listener->fd, (struct sockaddr *)&name, &len), 0);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, len), 0);
    return fd;
}

static void test_opens_and_accepts(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    struct listeners opened;
    const char *addresses[] = {"127.0.0.1:0", "localhost:0"};
    assert_null(open_list(arena, addresses, 2, &opened));
    assert_int_equal(opened.count, 2);
    for (size_t i = 0; i < 2; i++) {
        struct listener *listener = &opened.items[i];
        struct sockaddr_storage peer;
        socklen_t len = 0;
        assert_int_equal(strncmp(listener->name, "127.0.0.1:", 10), 0);
        assert_string_not_equal(listener->name, "127.0.0.1:0");
        assert_false(listener->local);
        assert_int_equal(listen_accept(listener, &peer, &len), -EAGAIN);
        int client = connect_to(listener);
        int fd = listen_accept(listener, &peer, &len);
        assert_true(fd >= 0);
        assert_int_equal(peer.ss_family, AF_INET);
        assert_int_equal(len, sizeof(struct sockaddr_in));
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        int no_delay = 0;
        socklen_t size = sizeof no_delay;
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
        assert_true(no_delay);
        close(fd);
        close(client);
    }
    listeners_close(&opened);
    assert_int_equal(opened.count, 0);
}

static void test_address_in_use(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    struct listeners first, second = {NULL, 0};
    const char *any = "127.0.0.1:0";
    assert_null(open_list(arena, &any, 1, &first));
    const char *addresses[] = {"127.0.0.1:0", first.items[0].name};
    const char *wrong = open_list(arena, addresses, 2, &second);
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, first.items[0].name));
    assert_non_null(strstr(wrong, "in use"));
    assert_int_equal(second.count, 0);
    listeners_close(&first);
}

static void test_unix_socket_files(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    char directory[] = "/tmp/gatherd-listen-XXXXXX";
    assert_non_null(mkdtemp(directory));
    umask(0077);
    const char *path = arena_printf(arena, "%s/s", directory);
    const char *address = arena_printf(arena, "unix:%s", path);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&name, sizeof name), 0);
    close(stale);

    struct listeners opened, second;
    assert_null(open_list(arena, &address, 1, &opened));
    assert_string_equal(opened.items[0].name, address);
    assert_true(opened.items[0].local);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0666);
    assert_non_null(strstr(open_list(arena, &address, 1, &second), "in use"));

    struct sockaddr_storage peer;
    socklen_t len;
    int client = connect_to(&opened.items[0]);
    int extra = listen_accept(&opened.items[0], &peer, &len); /* the probe above */
    int fd = listen_accept(&opened.items[0], &peer, &len);
    assert_true(extra >= 0 && fd >= 0);
    close(extra);
    close(fd);
    close(client);
    listeners_close(&opened);
    assert_int_equal(access(path, F_OK), -1);

    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    const char *wrong = open_list(arena, &address, 1, &second);
    assert_non_null(wrong);
    assert_string_equal(wrong, arena_printf(arena, "%s exists and is not a socket", address));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    rmdir(directory);
}

static void test_a_unix_socket_of_somebody_else_stays(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    char directory[] = "/tmp/gatherd-listen-XXXXXX";
    assert_non_null(mkdtemp(directory));
    const char *path = arena_printf(arena, "%s/s", directory);
    const char *address = arena_printf(arena, "unix:%s", path);
    struct listeners first, second;
    assert_null(open_list(arena, &address, 1, &first));
    assert_int_equal(unlink(path), 0);
    assert_null(open_list(arena, &address, 1, &second));
    listeners_close(&first);
    assert_int_equal(access(path, F_OK), 0);
    listeners_close(&second);
    assert_int_equal(access(path, F_OK), -1);
    rmdir(directory);
}

static void test_shedding_ends_a_client(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    struct listeners opened;
    const char *any = "127.0.0.1:0";
    assert_null(open_list(arena, &any, 1, &opened));
    int reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int client = connect_to(&opened.items[0]);
    listen_shed(&opened.items[0], &reserve);
    assert_true(reserve >= 0);
    struct pollfd ended = {.fd = client, .events = POLLIN};
    char byte;
    assert_int_equal(poll(&ended, 1, 5000), 1);
    assert_true(recv(client, &byte, 1, 0) <= 0);
    listen_shed(&opened.items[0], &reserve); /* nobody waits: harmless */
    assert_true(reserve >= 0);
    close(reserve);
    close(client);
    listeners_close(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_same_addresses),
        cmocka_unit_test(test_unix_path_at_its_limit),
        cmocka_unit_test(test_opens_and_accepts),
        cmocka_unit_test(test_address_in_use),
        cmocka_unit_test(test_unix_socket_files),
        cmocka_unit_test(test_a_unix_socket_of_somebody_else_stays),
        cmocka_unit_test(test_shedding_ends_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The access log in the journal: what an entry has, and what becomes of it without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "access_log.h"
#include "core/access_record.h"
#include "events.h"
#include "unit/batch_fixture.h"

static struct sockaddr_un journal_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/gatherd-test-%d.sock", (int)getpid());
    return address;
}

static struct access_record sample(bool slow)
{
    struct access_record record = {.status = 502,
                                   .duration = 1234,
                                   .work = 1200,
                                   .slowest = 1100,
                                   .sampled = true,
                                   .slow = slow,
                                   .client = CLIENT_UNIX};
    access_put(&record, ACCESS_REQUEST_ID, "abc", 3, 128);
    access_put(&record, ACCESS_METHOD, "GET", 3, 32);
    access_put(&record, ACCESS_TARGET, "/x", 2, ACCESS_TARGET_MAX);
    access_put(&record, ACCESS_ENDPOINT, "/{x}", 4, ACCESS_NAME_MAX);
    access_put(&record, ACCESS_PART, "user", 4, ACCESS_NAME_MAX);
    access_put(&record, ACCESS_UPSTREAM, "shop", 4, ACCESS_NAME_MAX);
    return record;
}

static void leave(struct access_log *log, bool slow)
{
    struct access_record record = sample(slow);
    assert_true(ring_put(access_log_ring(log, 0), &record, access_record_size(&record)));
}

static void expect_entry(int fd, const char *const *lines)
{
    char entry[8192];
    ssize_t len = recv(fd, entry, sizeof entry - 1, 0);
    assert_true(len > 0);
    entry[len] = '\0';
    for (; *lines; lines++) {
        if (!strstr(entry, *lines))
            print_error("%s is not in\n%s\n", *lines, entry);
        assert_non_null(strstr(entry, *lines));
    }
}

static void entries_have_fields(void **state)
{
    (void)state;
    static const char *const usual[] = {
        "PRIORITY=6\n",
        "MESSAGE_ID=" EVENT_REQUEST "\n",
        "REQUEST_ID=abc\n",
        "ENDPOINT=/{x}\n",
        "UPSTREAM=shop\n",
        "STATUS=502\n",
        "DURATION_US=1234\n",
        "CLIENT=unix\n",
        "END=complete\n",
        "WORK_US=",
        "MESSAGE=GET /x: 502 in 1.2 ms\n",
        NULL,
    };
    static const char *const slow[] = {
        "PRIORITY=4\n",
        "MESSAGE_ID=" EVENT_SLOW_REQUEST "\n",
        "MESSAGE=slow request: GET /x: 502 in 1.2 ms, the slowest call \"user\" to shop in 1.1 "
        "ms\n",
        NULL,
    };
    scope_arena struct arena *arena = arena_new();
    struct sockaddr_un address = journal_address();
    struct access_log *log;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    struct config *config = fixture_config(arena, "accessLog: { to: journal }\n");
    assert_int_equal(access_log_new(1, 16, address.sun_path, &log), 0);
    assert_int_equal(access_log_prepare(log, config), 0);
    access_log_commit(log);
    leave(log, false);
    expect_entry(fd, usual);
    leave(log, true);
    expect_entry(fd, slow);
    assert_true(access_log_stop(log));
    assert_int_equal(access_log_dropped(log), 0);
    access_log_free(log);
    config_unref(config);
    close(fd);
    unlink(address.sun_path);
}

static void without_a_journal_lines_are_counted(void **state)
{
    (void)state;
    scope_arena struct arena *arena = arena_new();
    struct access_log *log;
    struct config *config = fixture_config(arena, "accessLog: { to: journal }\n");
    assert_int_equal(access_log_new(1, 16, "/tmp/no-such-journal.sock", &log), 0);
    assert_int_equal(access_log_prepare(log, config), 0);
    access_log_commit(log);
    leave(log, false);
    leave(log, false);
    assert_true(access_log_stop(log));
    assert_int_equal(access_log_dropped(log), 2);
    assert_null(access_log_free(log));
    assert_null(access_log_free(NULL));
    config_unref(config);
}

/* ---- files ---- */

static char folder[] = "/tmp/gatherd-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

struct place {
    struct arena *arena;
    struct access_log *log;
    char path[64];
};

static void use(struct place *place, const char *to)
{
    struct config *config =
        fixture_config(place->arena, arena_printf(place->arena,
                                                  "accessLog: { to: '%s', format: "
                                                  "'%%{status} %%{target}' }\n",
                                                  to));
    assert_int_equal(access_log_prepare(place->log, config), 0);
    access_log_commit(place->log);
    config_unref(config);
}

static void open_place(struct place *place)
{
    place->arena = arena_new();
    snprintf(place->path, sizeof place->path, "%s/log", folder);
    assert_int_equal(access_log_new(1, 64, "/tmp/no-such-journal.sock", &place->log), 0);
}

static void close_place(struct place *place)
{
    access_log_free(place->log);
    arena_free(place->arena);
    unlink(place->path);
}

static void expect_file(const struct place *place, const char *expected)
{
    char got[8192];
    int fd = open(place->path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, got, sizeof got - 1);
    assert_true(len >= 0);
    got[len] = '\0';
    close(fd);
    assert_string_equal(got, expected);
}

static void await_dropped(const struct place *place, uint64_t count)
{
    usec_t until = clock_now() + 10 * USEC_PER_SEC;
    while (access_log_dropped(place->log) < count && clock_now() < until)
        usleep(1000);
    assert_int_equal(access_log_dropped(place->log), count);
}

static void await_size(const struct place *place, off_t size)
{
    struct stat status;
    usec_t until = clock_now() + 10 * USEC_PER_SEC;
    while ((stat(place->path, &status) != 0 || status.st_size < size) && clock_now() < until)
        usleep(1000);
    assert_int_equal(status.st_size, size);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Each line has seven bytes. What is half written ends with the next that goes out, and
 * what went out is not lost. */
static void a_full_disk_tears_no_other_line(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(17);
    use(&place, place.path);
    for (int i = 0; i < 4; i++)
        leave(place.log, false);
    await_dropped(&place, 2);
    limit_files(20);
    leave(place.log, false);
    await_dropped(&place, 3);
    limit_files(0);
    leave(place.log, false);
    assert_true(access_log_stop(place.log));
    signal(SIGXFSZ, SIG_DFL);
    expect_file(&place, "502 /x\n502 /x\n502\n50\n502 /x\n");
    assert_int_equal(access_log_dropped(place.log), 3);
    close_place(&place);
}

static void a_file_with_half_a_line_is_mended(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    int fd = open(place.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    use(&place, place.path);
    leave(place.log, false);
    assert_true(access_log_stop(place.log));
    expect_file(&place, "half\n502 /x\n");
    close_place(&place);
}

/* What was left before is written, what comes later is counted. */
static void turning_it_off_loses_nothing_unseen(void **state)
{
    (void)state;
    struct place place;
    char expected[51 * 7 + 1] = "";
    open_place(&place);
    use(&place, place.path);
    leave(place.log, false);
    await_size(&place, 7);
    for (int i = 0; i < 50; i++)
        leave(place.log, false);
    use(&place, "off");
    for (int i = 0; i < 51; i++)
        strcat(expected, "502 /x\n");
    usec_t until = clock_now() + 10 * USEC_PER_SEC;
    for (uint64_t late = 0; late == 0 && clock_now() < until; usleep(1000)) {
        leave(place.log, false);
        late = access_log_dropped(place.log);
    }
    assert_true(access_log_dropped(place.log) > 0);
    assert_true(access_log_stop(place.log));
    char got[8192];
    int fd = open(place.path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, got, sizeof got);
    close(fd);
    assert_true(len >= (ssize_t)strlen(expected));
    assert_memory_equal(got, expected, strlen(expected));
    close_place(&place);
}

static void what_cannot_be_opened_is_named(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    assert_int_equal(mkfifo(place.path, 0600), 0);
    struct config *config = fixture_config(
        place.arena, arena_printf(place.arena, "accessLog: { to: '%s' }\n", place.path));
    int rc = access_log_prepare(place.log, config);
    assert_int_equal(rc, -ENXIO);
    assert_string_equal(access_log_refusal(config, rc), "it is a FIFO that nobody reads");
    unlink(place.path);
    assert_string_equal(access_log_refusal(config, -ENOENT), "No such file or directory");
    config_unref(config);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_have_fields),
        cmocka_unit_test(without_a_journal_lines_are_counted),
        cmocka_unit_test(a_full_disk_tears_no_other_line),
        cmocka_unit_test(a_file_with_half_a_line_is_mended),
        cmocka_unit_test(turning_it_off_loses_nothing_unseen),
        cmocka_unit_test(what_cannot_be_opened_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* Calls over TLS, by both carriers, to a real TLS server with a certificate of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/wait.h>

#include "back/carriers.h"
#include "unit/carriers_rig.h"

struct tls_server {
    char folder[64], ca_file[96];
    pid_t pid;
    int input; /* closing it ends the server */
    unsigned short port;
};

static void make_certificate(struct tls_server *server)
{
    char command[512];
    strcpy(server->folder, "/tmp/gatherd-test-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->ca_file, sizeof server->ca_file, "%s/cert.pem", server->folder);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
             "-subj /CN=up.test -addext subjectAltName=DNS:up.test "
             "-keyout %s/key.pem -out %s/cert.pem 2>/dev/null",
             server->folder, server->folder);
    assert_int_equal(system(command), 0);
}

static void start_server(struct tls_server *server)
{
    char key[96], source[] = __FILE__, path[512];
    int in[2], out[2];
    make_certificate(server);
    snprintf(key, sizeof key, "%s/key.pem", server->folder);
    snprintf(path, sizeof path, "%s/tls_upstream.py", dirname(source));
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl("/usr/bin/python3", "python3", path, server->ca_file, key, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server->input = in[1];
    char text[16] = "";
    assert_true(read(out[0], text, sizeof text - 1) > 0);
    close(out[0]);
    server->port = (unsigned short)atoi(text);
}

static void stop_server(struct tls_server *server)
{
    char command[128];
    close(server->input);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    snprintf(command, sizeof command, "rm -r %s", server->folder);
    assert_int_equal(system(command), 0);
}

struct tls_rig {
    struct tls_server server;
    struct upstream upstream;
    struct rig rig;
};

static void tls_rig_init(struct tls_rig *tls, const void *way)
{
    *tls = (struct tls_rig){.upstream = {.name = "up"}};
    start_server(&tls->server);
    rig_init(&tls->rig, way, tls->server.port);
    tls->rig.origin.tls = true;
    tls->upstream.ca_file = tls->server.ca_file;
    tls->rig.spec.upstream = &tls->upstream;
    tls->rig.spec.reply_body_max = 1000000;
}

static void tls_rig_done(struct tls_rig *tls)
{
    rig_done(&tls->rig);
    stop_server(&tls->server);
}

static void one_connection_for_many_calls(void **state)
{
    struct tls_rig tls;
    tls_rig_init(&tls, *state);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(run(&tls.rig), OUTCOME_REPLY);
        turn(&tls.rig); /* a session ticket may come while it idles */
    }
    tls.rig.spec.target = "/big";
    assert_int_equal(run(&tls.rig), OUTCOME_REPLY);
    assert_int_equal(tls.rig.outcome.body_len, 300000);
    assert_memory_equal(tls.rig.outcome.body + 299990, "0123456789", 10);
    tls.rig.spec.target = "/count";
    run(&tls.rig);
    expect_body(&tls.rig, "1");
    assert_int_equal(rig_open_sockets(&tls.rig), 1);
    tls_rig_done(&tls);
}

static void a_large_request(void **state)
{
    struct tls_rig tls;
    size_t len = 700000;
    char *body = malloc(len);
    memset(body, 'x', len);
    tls_rig_init(&tls, *state);
    tls.rig.spec.method = "PUT";
    tls.rig.spec.has_body = true;
    tls.rig.spec.body = body;
    tls.rig.spec.body_len = len;
    assert_int_equal(run(&tls.rig), OUTCOME_REPLY);
    assert_int_equal(tls.rig.outcome.body_len, len);
    assert_memory_equal(tls.rig.outcome.body, body, len);
    free(body);
    tls_rig_done(&tls);
}

/* Twenty connections are needed for twenty calls at once; `most` were opened at most. */
static void expect_count(const struct rig *rig, unsigned long most)
{
    char text[16] = "";
    assert_int_equal(rig->outcome.code, OUTCOME_REPLY);
    assert_in_range(rig->outcome.body_len, 1, sizeof text - 1);
    memcpy(text, rig->outcome.body, rig->outcome.body_len);
    assert_in_range(strtoul(text, NULL, 10), 20, most);
}

/* Of sixty calls in three rounds. libcurl replaces an idle connection on which a session
 * ticket waits that came too late to be read, so its carrier may open a few more. */
static void many_at_once(void **state)
{
    struct tls_rig tls;
    tls_rig_init(&tls, *state);
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < 20; i++) /* more than one connection cache of libcurl's */
            begin(&tls.rig);
        until_done(&tls.rig, 20 * round);
    }
    tls.rig.spec.target = "/count";
    run(&tls.rig);
    expect_count(&tls.rig, *(const enum way *)*state == BY_EXCHANGE ? 20 : 40);
    stop(&tls.rig, begin(&tls.rig));
    assert_int_equal(run(&tls.rig), OUTCOME_REPLY);
    tls_rig_done(&tls);
}

static void a_dead_idle_connection(void **state)
{
    struct tls_rig tls;
    tls_rig_init(&tls, *state);
    tls.rig.spec.target = "/silent";
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(run(&tls.rig), OUTCOME_REPLY);
    tls.rig.spec.target = "/count";
    run(&tls.rig);
    expect_body(&tls.rig, "3");
    tls_rig_done(&tls);
}

static size_t discard(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

/* Whether a connection that ends without TLS's goodbye counts as one that ended in order.
 * That is for libcurl and OpenSSL to say: their versions differ, too many servers rely on it. */
static bool accepts_a_cut(const struct tls_rig *tls)
{
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/cut", (unsigned)tls->server.port);
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    assert_true(code == CURLE_OK || code == CURLE_RECV_ERROR);
    return code == CURLE_OK;
}

static void replies_to_the_end(void **state)
{
    struct tls_rig tls;
    tls_rig_init(&tls, *state);
    tls.rig.spec.target = "/end";
    run(&tls.rig);
    expect_body(&tls.rig, "to the end");
    bool whole = accepts_a_cut(&tls);
    tls.rig.spec.target = "/cut";
    assert_int_equal(run(&tls.rig), whole ? OUTCOME_REPLY : OUTCOME_RESPONSE_INCOMPLETE);
    if (whole)
        expect_body(&tls.rig, "to the end");
    tls.rig.spec.target = "/short";
    assert_int_equal(run(&tls.rig), OUTCOME_RESPONSE_INCOMPLETE);
    assert_int_equal(rig_open_sockets(&tls.rig), 0);
    tls_rig_done(&tls);
}

/* One that the certificate does not have. */
static void use_other_name(struct tls_rig *tls)
{
    tls->rig.origin.host = "other.test";
    snprintf(tls->rig.authority, sizeof tls->rig.authority, "other.test:%u",
             (unsigned)tls->server.port);
}

static void trust(void **state)
{
    struct tls_rig tls;
    tls_rig_init(&tls, *state);
    struct upstream system = {.name = "up"};
    tls.rig.spec.upstream = &system;
    assert_int_equal(run(&tls.rig), OUTCOME_TLS_CERTIFICATE);
    tls.rig.spec.upstream = &tls.upstream;
    assert_int_equal(run(&tls.rig), OUTCOME_REPLY);
    /* What was trusted by one is not by another. */
    tls.rig.spec.upstream = &system;
    assert_int_equal(run(&tls.rig), OUTCOME_TLS_CERTIFICATE);
    tls.rig.spec.upstream = &tls.upstream;
    use_other_name(&tls);
    assert_int_equal(run(&tls.rig), OUTCOME_TLS_CERTIFICATE);
    tls_rig_done(&tls);
}

/* The fault is here, not in the upstream's certificate, and is called that. */
static void a_missing_file_of_authorities(void **state)
{
    struct tls_rig tls;
    tls_rig_init(&tls, *state);
    struct upstream nobody = {.name = "up", .ca_file = "/no/such/authorities.pem"};
    tls.rig.spec.upstream = &nobody;
    assert_int_equal(run(&tls.rig), OUTCOME_TLS_CERTIFICATE);
    assert_non_null(tls.rig.outcome.detail);
    assert_non_null(strstr(tls.rig.outcome.detail, "there is no file of trusted authorities"));
    tls.rig.spec.upstream = &tls.upstream;
    use_other_name(&tls);
    assert_int_equal(run(&tls.rig), OUTCOME_TLS_CERTIFICATE);
    assert_null(tls.rig.outcome.detail);
    tls_rig_done(&tls);
}

/* The server agrees on nothing, so it gets HTTP/1.1; next time from the exchange. */
static void who_carries_what(void **state)
{
    static const struct {
        enum http_version http;
        enum way way;
        enum outcome_code code;
    } cases[] = {
        {HTTP_1, BY_EXCHANGE, OUTCOME_REPLY},
        {HTTP_2, BY_TRANSFER, OUTCOME_PROTOCOL},
        {HTTP_NEGOTIATED, BY_TRANSFER, OUTCOME_REPLY},
        {HTTP_NEGOTIATED, BY_EXCHANGE, OUTCOME_REPLY},
        {HTTP_2, BY_TRANSFER, OUTCOME_PROTOCOL},
    };
    struct tls_rig tls;
    struct carriers *carriers;
    tls_rig_init(&tls, *state);
    assert_int_equal(carriers_new(tls.rig.loop, &carriers), 0);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct carried carried;
        bool sent;
        tls.rig.spec.http = cases[i].http;
        assert_true(carriers_start(carriers, &tls.rig.spec, "127.0.0.1", USEC_NEVER, &events,
                                   &tls.rig, &carried, &sent));
        assert_int_equal(carried.by_exchange != NULL, cases[i].way == BY_EXCHANGE);
        assert_int_equal(carried.by_transfer != NULL, cases[i].way == BY_TRANSFER);
        usec_t end = clock_now() + 5 * USEC_PER_SEC;
        while (tls.rig.done < i + 1 && clock_now() < end) {
            assert_int_equal(loop_turn(tls.rig.loop, clock_now() + 20 * USEC_PER_MSEC), 0);
            carriers_turn(carriers);
        }
        assert_int_equal(tls.rig.done, i + 1);
        assert_int_equal(tls.rig.outcome.code, cases[i].code);
    }
    carriers_free(carriers);
    tls_rig_done(&tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        for_both(one_connection_for_many_calls),
        for_both(a_large_request),
        for_both(many_at_once),
        for_both(a_dead_idle_connection),
        for_both(replies_to_the_end),
        for_both(trust),
        for_both(a_missing_file_of_authorities),
        cmocka_unit_test_prestate(who_carries_what, (void *)&by_transfer),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

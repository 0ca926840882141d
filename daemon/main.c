/* From argv to the exit code. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "log_sink.h"
#include "sys/signals.h"

/* A reload that is asked for from now on waits for the daemon to serve. Sockets that were
 * passed are taken before anything of our own could get their numbers. */
static int run(const char *file)
{
    scope_arena struct arena *arena = arena_new();
    struct passed_sockets passed;
    int held = signals_hold_reload(), taken = passed_take(arena, &passed);
    struct config *config = command_load(file);
    if (!config)
        return EXIT_MISUSED;
    struct journal *journal = log_sink_install();
    int code = EXIT_FAILED;
    if (held != 0)
        log_error("cannot start: %s", strerror(-held));
    else if (taken != 0)
        log_error("the sockets that systemd passed cannot be used: %s", strerror(-taken));
    else
        code = daemon_run(config, file, &passed);
    log_sink_remove(journal);
    return code;
}

int main(int argc, char **argv)
{
    struct cli cli = cli_read(argc, argv);
    switch (cli.action) {
    case CLI_RUN:
        return run(cli.file);
    case CLI_CHECK_CONFIG:
        return command_check_config(cli.file);
    case CLI_PRINT_CONFIG:
        return command_print_config(cli.file);
    case CLI_PRINT_SCHEMA:
        return command_print_schema();
    case CLI_PRINT_REFERENCE:
        return command_print_reference();
    case CLI_PRINT_MAN:
        return command_print_man();
    case CLI_VERSION:
        return command_version();
    case CLI_HELP:
        cli_help(stdout);
        return EXIT_SUCCESS;
    case CLI_MISUSE:
        break;
    }
    return EXIT_MISUSED;
}

/* The command line, as a value. */
#ifndef DAEMON_CLI_H
#define DAEMON_CLI_H

#include <stdio.h>

#define CLI_DEFAULT_FILE "/etc/gatherd/gatherd.yaml"

enum { EXIT_FAILED = 1, EXIT_MISUSED = 2 }; /* beside EXIT_SUCCESS */

enum cli_action {
    CLI_RUN,
    CLI_CHECK_CONFIG,
    CLI_PRINT_CONFIG,
    CLI_PRINT_SCHEMA,
    CLI_PRINT_REFERENCE,
    CLI_PRINT_MAN,
    CLI_VERSION,
    CLI_HELP,
    CLI_MISUSE, /* said on stderr already */
};

struct cli {
    enum cli_action action;
    const char *file; /* NULL: none was named and the default one does not exist */
};

struct cli cli_read(int argc, char **argv);
void cli_help(FILE *out);

#endif

/* getopt_long() reads; there is one action on a line. */
#include "cli.h"

#include <getopt.h>
#include <unistd.h>

void cli_help(FILE *out)
{
    fputs("Usage: gatherd [OPTION]...\n"
          "Serves HTTP and gathers the replies of many requests into one.\n"
          "\n"
          "  -c, --config FILE      the configuration (" CLI_DEFAULT_FILE ",\n"
          "                         if it exists); reads conf.d/*.yaml beside it too\n"
          "      --check-config     check the configuration and exit with 0 or 2\n"
          "      --print-config     print the configuration with all defaults\n"
          "      --print-schema     print a JSON Schema of the configuration\n"
          "      --print-reference  print the page that documents every option\n"
          "      --print-man        print the same as the manual page gatherd.yaml(5)\n"
          "  -V, --version          print the versions of gatherd and its libraries\n"
          "  -h, --help             print this\n"
          "\n"
          "Runs in the foreground. SIGHUP reloads the configuration, SIGTERM and\n"
          "SIGINT finish what is in flight and stop.\n",
          out);
}

static const struct option *long_options(void)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, CLI_CHECK_CONFIG},
        {"print-config", no_argument, NULL, CLI_PRINT_CONFIG},
        {"print-schema", no_argument, NULL, CLI_PRINT_SCHEMA},
        {"print-reference", no_argument, NULL, CLI_PRINT_REFERENCE},
        {"print-man", no_argument, NULL, CLI_PRINT_MAN},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    return options;
}

static struct cli misuse(const char *program)
{
    fprintf(stderr, "Try '%s --help'.\n", program);
    return (struct cli){.action = CLI_MISUSE};
}

static enum cli_action action_of(int option)
{
    switch (option) {
    case 'V':
        return CLI_VERSION;
    case 'h':
        return CLI_HELP;
    default:
        return (enum cli_action)option;
    }
}

struct cli cli_read(int argc, char **argv)
{
    struct cli cli = {.action = CLI_RUN};
    int option;
    while ((option = getopt_long(argc, argv, "c:Vh", long_options(), NULL)) != -1) {
        if (option == '?')
            return misuse(argv[0]);
        if (option == 'c') {
            cli.file = optarg;
            continue;
        }
        enum cli_action action = action_of(option);
        if (cli.action != CLI_RUN && cli.action != action) {
            fprintf(stderr, "%s: of the options that check or print, one at a time\n", argv[0]);
            return misuse(argv[0]);
        }
        cli.action = action;
    }
    if (optind < argc) {
        fprintf(stderr, "%s: '%s' is not an option\n", argv[0], argv[optind]);
        return misuse(argv[0]);
    }
    if (!cli.file && access(CLI_DEFAULT_FILE, F_OK) == 0)
        cli.file = CLI_DEFAULT_FILE;
    return cli;
}

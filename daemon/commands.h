/* What gatherd does besides serving, and how every way of starting it reads its file. */
#ifndef DAEMON_COMMANDS_H
#define DAEMON_COMMANDS_H

#include "core/config.h"

/* The configuration of `file` (NULL: the built-in defaults), or NULL with one line per
 * fault on stderr. */
struct config *command_load(const char *file);

/* Each returns the exit code. */
int command_check_config(const char *file);
int command_print_config(const char *file);
int command_print_schema(void);
int command_print_reference(void);
int command_print_man(void);
int command_version(void);

#endif

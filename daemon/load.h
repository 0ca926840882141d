/* A configuration from its file, with the checks that only a server can make. */
#ifndef DAEMON_LOAD_H
#define DAEMON_LOAD_H

#include "core/config.h"

enum { LOAD_FAULTS_SHOWN = 100 };

/* config_load(), or the built-in defaults when `file` is NULL; `listen` is checked
 * too. NULL with faults. */
struct config *load_config(const char *file, struct config *previous, struct faults *faults);

#endif

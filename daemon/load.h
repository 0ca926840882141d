/* A configuration from its file, with the checks that only a server can make. */
#ifndef DAEMON_LOAD_H
#define DAEMON_LOAD_H

#include "core/config.h"

enum { LOAD_FAULTS_SHOWN = 100 };

/* config_load(), or the built-in defaults when `file` is NULL; `listen` is checked
 * too. NULL with faults. */
struct config *load_config(const char *file, struct config *previous, struct faults *faults);
/* The same to serve with: a credential that nothing is known of is a fault. */
struct config *load_config_to_serve(const char *file, struct config *previous,
                                    struct faults *faults);
/* The same to tell what a daemon would say: whether its access log could be opened is tried,
 * and nothing is created. */
struct config *load_config_to_check(const char *file, struct config *previous,
                                    struct faults *faults);
/* A fault where `config` names its access log, which cannot be opened because of `error`. */
void load_blame_access_log(const struct config *config, int error, struct faults *faults);
/* The first file of `config` that could not be looked at because it is a credential and
 * nobody said where those are; NULL: there is none. */
const char *load_unknown_credential(const struct config *config);

#endif

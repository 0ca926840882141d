/* A configuration from files, from memory, or from the built-in defaults alone. */
#ifndef CORE_CONFIG_LOAD_H
#define CORE_CONFIG_LOAD_H

#include "core/config.h"
#include "core/faults.h"

/* Loads `file` and conf.d/ *.yaml beside it, in name order (maps merge, lists of
 * endpoints append, a scalar given twice is a fault), and checks everything,
 * cycles between endpoints included. `previous` (may be NULL) lends its gauges.
 * NULL with faults in *faults, whose arena is the caller's. */
struct config *config_load(const char *file, struct config *previous, struct faults *faults);
/* The same for one file already in memory, called `name` in places. */
struct config *config_load_memory(const char *name, const char *data, size_t len,
                                  struct faults *faults);
/* The built-in defaults: what runs without a configuration file. */
struct config *config_defaults(void);

#endif

/* What a reload cannot put in force. */
#ifndef CORE_CONFIG_CHANGES_H
#define CORE_CONFIG_CHANGES_H

#include "core/config.h"

/* Names of options that differ and need a restart ("listen, workers"), or NULL. */
const char *config_needs_restart(const struct config *running, const struct config *loaded,
                                 struct arena *arena);

#endif

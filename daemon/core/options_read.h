/* From a tree to the structs that the option table describes. */
#ifndef CORE_OPTIONS_READ_H
#define CORE_OPTIONS_READ_H

#include "core/faults.h"
#include "core/options.h"

/* Fills *target (the section's struct, zeroed) from a map node and defaults.
 * NULL or null: nothing was written. `document`: it came from a client; CONFIG_ONLY
 * options are then unknown. Requests, endpoints and upstreams remember their node.
 * Unknown members (with the nearest name), wrong types and values out of range
 * are faults; reading goes on so that all of them are reported at once. */
void options_read(enum option_section section, const struct node *map, bool document, void *target,
                  struct arena *arena, struct faults *faults);

#endif

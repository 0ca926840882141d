/* From options as read to a configuration that works: what the option table cannot
 * know is checked and compiled here. */
#ifndef CORE_CONFIG_CHECK_H
#define CORE_CONFIG_CHECK_H

#include "core/config.h"

/* Workers, hosts, origins, egress rules, the timeout header, upstreams. `root` may be
 * NULL (defaults). */
void config_check_values(struct config *config, const struct node *root, struct faults *faults);

/* The sections accessLog and tracing; afterwards it is known whether anybody observes. */
void config_check_observing(struct config *config, const struct node *root, struct faults *faults);

/* The path of a file of certificates as an option names it, `text` (NULL: the option is not
 * there). NULL with a fault at `node` when it cannot be read. */
const char *config_check_ca_file(const struct node *node, const char *text, struct arena *arena,
                                 struct faults *faults);

/* Routes and batches of the endpoints; upstreams are complete by now. */
void config_check_endpoints(struct config *config, struct faults *faults);

/* Requests that name endpoints: each must exist, none may lead back to where it began,
 * nor deeper than limits.nesting. Batches are compiled by now. */
void config_check_calls(const struct config *config, struct faults *faults);

#endif

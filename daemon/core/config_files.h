/* The files of a configuration as one tree. */
#ifndef CORE_CONFIG_FILES_H
#define CORE_CONFIG_FILES_H

#include "core/faults.h"
#include "core/node.h"

/* Reads `file` and conf.d/ *.yaml beside it, in byte order of their names, and merges
 * them: maps member by member, the lists under `endpoints` one after the other. What
 * is given twice is a fault that names both places; the first one stays in the tree.
 * NULL when a file could not be read, with its faults. Only plain files are read, so that
 * nothing waits; with no `previous` also what a shell hands over, such as /dev/stdin.
 * `previous`: the tree of the configuration in force; a file that has options there and is
 * empty now is a fault. */
struct node *config_files_read(struct arena *arena, const char *file, const struct node *previous,
                               struct faults *faults);

#endif

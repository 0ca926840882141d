/* YAML files to trees. The only user of libyaml. */
#ifndef CORE_YAML_H
#define CORE_YAML_H

#include "core/faults.h"
#include "core/node.h"

#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX 200000
#define YAML_FILE_MAX  ((size_t)8 * 1024 * 1024)

/* Reads one YAML document from memory; `file` is its name in places. Plain
 * scalars follow YAML's core schema as far as JSON goes (null, true, false,
 * JSON numbers); everything else is a string. Duplicate keys, several
 * documents, non-string keys, `<<`, custom tags, too many nodes and syntax
 * errors are faults with their place; then NULL. Aliases are copied and counted.
 * An empty file is an empty map. */
struct node *yaml_parse(struct arena *arena, const char *file, const char *data, size_t len,
                        struct faults *faults);

/* "0.2.5": the libyaml that runs. */
const char *yaml_library_version(void);

#endif

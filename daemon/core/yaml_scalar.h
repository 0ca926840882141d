/* What a plain (unquoted) YAML scalar stands for. */
#ifndef CORE_YAML_SCALAR_H
#define CORE_YAML_SCALAR_H

#include <stddef.h>

#include "core/node.h"

/* YAML's core schema as far as JSON goes: nothing, ~ and null; true and false;
 * numbers in JSON's form. Everything else is NODE_STRING. */
enum node_kind yaml_scalar_kind(const char *text, size_t len);

#endif

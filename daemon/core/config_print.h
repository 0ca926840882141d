/* What --print-config, --print-schema and the reference page show, all from the
 * option table. */
#ifndef CORE_CONFIG_PRINT_H
#define CORE_CONFIG_PRINT_H

#include "base/buffer.h"
#include "core/config.h"

/* The effective configuration as YAML that config_load() accepts again. Secrets are masked:
 * users and passwords of proxies, and what goes by a secret's name (core/mask.h) in URLs,
 * fields, query members, bodies and defaults. */
void config_print(const struct config *config, struct buffer *out);
/* A JSON Schema (draft 2020-12) of the configuration file. */
void config_print_schema(struct buffer *out);
/* The reference page in Markdown: every option with type, default, range. */
void config_print_reference(struct buffer *out);
/* The same as the manual page gatherd.yaml(5). */
void config_print_man(struct buffer *out);

#endif

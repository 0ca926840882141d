/*
 * Showing requests without their secrets. What is secret is told by the name it goes by,
 * never by its value, so that it is easy to say in advance what is shown.
 */
#ifndef CORE_MASK_H
#define CORE_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* What stands in place of a secret. */
#define MASK_TEXT "***"
/* A name that contains one of these, in any case of its letters, is a secret's. */
#define MASK_WORDS                                                                                 \
    "authorization", "cookie", "token", "secret", "key", "password", "passwd", "credential",       \
        "session", "signature", "jwt", "pwd"
/* And so is one of whose parts (letters and digits between other characters) one is these,
 * which are too short to look for everywhere: X-Auth, but not X-Author. */
#define MASK_PARTS "auth", "pass", "sig", "sid"

/* True for the name of a field, a query member or a JSON member that holds a secret. */
bool mask_is_secret(const char *name, size_t len);

/* A target ("/path?query") or a form ("a=1&b=2"): the values of secret members are masked. */
void mask_put_target(const char *target, size_t len, struct buffer *out);
void mask_put_form(const char *form, size_t len, struct buffer *out);
/* A target or URL as the configuration writes it, with expressions. */
void mask_put_template(const char *text, size_t len, struct buffer *out);

/* A JSON value, its bytes as they are but for the values of secret members. */
void mask_put_json(const char *data, size_t len, struct buffer *out);

#endif

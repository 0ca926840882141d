/*
 * What a log line says to programs: a bounded list of named values beside the text. It
 * lives on the caller's stack and borrows its texts; nothing is allocated. Names are in
 * the journal's form: capitals, digits and underscores, not beginning with a digit or an
 * underscore.
 *
 * Per-request lines use REQUEST_ID, ENDPOINT, UPSTREAM, STATUS and DURATION_US, so that
 * one filter finds them all.
 */
#ifndef BASE_LOG_FIELDS_H
#define BASE_LOG_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_FIELDS_MAX = 16 };

/* 128 random bits in hexadecimal that name a kind of event; only the journal shows it. */
#define LOG_MESSAGE_ID "MESSAGE_ID"

struct log_field {
    const char *name;
    const char *text; /* NULL: the number counts */
    uint64_t number;
};

struct log_fields {
    size_t count;
    struct log_field items[LOG_FIELDS_MAX];
};

/* A NULL text adds nothing: the value is not known. More than LOG_FIELDS_MAX is a mistake
 * of the caller and asserted. */
void log_add_text(struct log_fields *fields, const char *name, const char *text);
void log_add_number(struct log_fields *fields, const char *name, uint64_t number);

/* Writes ` status=502 upstream="my shop"`: names in small letters, control characters as
 * spaces, quotes where a value has spaces, quotes or backslashes or is empty. What does not
 * fit is left out as a whole field. Writes a terminated text of its result's length, which
 * is below `size`; NULL fields write "". */
size_t log_fields_write(const struct log_fields *fields, char *out, size_t size);

#endif

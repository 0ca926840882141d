/*
 * A strict validator of JSON texts: RFC 8259 grammar, RFC 3629 UTF-8 in
 * strings, a depth budget. One pass, no allocation, no recursion; what it
 * accepts can be copied into a larger JSON text byte for byte. It judges the
 * text, not the meaning: numbers of any size, escaped lone surrogates and
 * duplicate keys are valid JSON text and pass.
 */
#ifndef JSON_VALIDATE_H
#define JSON_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>

enum json_type {
    JSON_NONE, /* not a value: an empty text */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

enum json_fault {
    JSON_VALID,
    JSON_EMPTY,        /* no value at all: empty or white space only */
    JSON_SYNTAX,       /* a byte that the grammar does not allow here */
    JSON_TRUNCATED,    /* the text ends inside a value */
    JSON_BAD_UTF8,     /* inside a string */
    JSON_BAD_ESCAPE,   /* a backslash followed by the wrong thing */
    JSON_CONTROL_CHAR, /* below 0x20, inside a string */
    JSON_TOO_DEEP,
    JSON_TRAILING, /* something other than white space after the value */
};

#define JSON_DEPTH_MAX 4096 /* the largest depth budget one may ask for */

struct json_verdict {
    enum json_fault fault;
    enum json_type type; /* of the top-level value, when valid */
    size_t offset;       /* of the offending byte (a bad sequence or escape: its first), or len */
    size_t start, end;   /* the value without surrounding white space, when valid */
};

/* Judges data[0..len). `depth` is how many arrays and objects may be open at
 * once, 1 to JSON_DEPTH_MAX; 0 allows only scalars. Reads no byte outside. */
struct json_verdict json_validate(const char *data, size_t len, unsigned depth);

/* The same, one byte at a time: what the tests and the fuzzer hold the vectorised one
 * against, and what runs where there are no vectors. Equal in every field. */
struct json_verdict json_validate_scalar(const char *data, size_t len, unsigned depth);

/* What json_validate() asks first: true when data[0..len) is one valid object or array with
 * no white space around it. A false says nothing; without vectors it is always false. */
bool json_vector_accepts(const char *data, size_t len, unsigned depth);

/* A short English name of a fault, for error details. */
const char *json_fault_text(enum json_fault fault);

#endif

/* Numbers are judged by the JSON validator, so that they can be written as JSON as they are. */
#include "core/yaml_scalar.h"

#include <stdbool.h>
#include <string.h>

#include "json/validate.h"

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

enum node_kind yaml_scalar_kind(const char *text, size_t len)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    if (strlen(text) != len)
        return NODE_STRING;
    if (is_one_of(text, nulls, sizeof(nulls) / sizeof(nulls[0])))
        return NODE_NULL;
    if (is_one_of(text, bools, sizeof(bools) / sizeof(bools[0])))
        return NODE_BOOL;
    struct json_verdict verdict = json_validate(text, len, 0);
    bool whole = verdict.fault == JSON_VALID && verdict.start == 0 && verdict.end == len;
    return whole && verdict.type == JSON_NUMBER ? NODE_NUMBER : NODE_STRING;
}

/* What a merge needs its values to be. */
#ifndef CORE_MERGE_TYPE_H
#define CORE_MERGE_TYPE_H

#include "core/batch_enums.h"
#include "json/validate.h"

/* NULL when a value of that type will do; otherwise "merge: shallow needs an object". */
static inline const char *merge_type_wanted(enum merge_kind merge, enum json_type type)
{
    if (merge <= MERGE_ARRAY)
        return NULL;
    if (merge == MERGE_CONCAT)
        return type == JSON_ARRAY ? NULL : "merge: concat needs an array";
    if (type == JSON_OBJECT)
        return NULL;
    return merge == MERGE_SHALLOW ? "merge: shallow needs an object"
           : merge == MERGE_DEEP  ? "merge: deep needs an object"
           : merge == MERGE_PATCH ? "merge: patch needs an object"
                                  : NULL;
}

#endif

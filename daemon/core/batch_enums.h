/* The choices a batch offers, in the order of their names in the option table. */
#ifndef CORE_BATCH_ENUMS_H
#define CORE_BATCH_ENUMS_H

enum merge_kind {                 /* MERGE_NAMES */
                  MERGE_ENVELOPE, /* no `merge` */
                  MERGE_KEYED,
                  MERGE_ARRAY,
                  MERGE_SHALLOW,
                  MERGE_CONCAT,
                  MERGE_RAW,
                  MERGE_DEEP,
                  MERGE_PATCH,
                  MERGE_COALESCE,
};
#define MERGE_NAMES "envelope|keyed|array|shallow|concat|raw|deep|patch|coalesce"

enum policy_kind {
    POLICY_ALL,         /* every required request must succeed */
    POLICY_ALL_SETTLED, /* wait for every one */
    POLICY_ANY,         /* one success is enough */
    POLICY_RACE,        /* the first to finish decides, either way */
    POLICY_AT_LEAST,    /* a number of successes is enough */
};

enum conflict_kind { CONFLICT_LAST, CONFLICT_FIRST, CONFLICT_ERROR };
#define CONFLICT_NAMES "last|first|error"

enum status_rule { STATUS_STRICT, STATUS_WORST, STATUS_MULTI, STATUS_OK };
#define STATUS_NAMES "strict|worst|multi|ok"

enum meta_rule { META_AUTO, META_ALWAYS, META_NEVER };
#define META_NAMES "auto|always|never"

enum etag_rule { ETAG_AUTO, ETAG_ALWAYS, ETAG_OFF };
#define ETAG_NAMES "auto|always|off"

enum timeout_rule { ON_TIMEOUT_ERROR, ON_TIMEOUT_PARTIAL };
#define ON_TIMEOUT_NAMES "error|partial"

#endif

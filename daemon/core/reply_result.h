/* What came of the requests behind a reply, which its status does not always tell. */
#ifndef CORE_REPLY_RESULT_H
#define CORE_REPLY_RESULT_H

enum reply_result {
    RESULT_NONE,      /* nothing was run for it; not counted */
    RESULT_COMPLETE,  /* all that the policy waits for */
    RESULT_PARTIAL,   /* something of it is missing or stands in by its default */
    RESULT_FAILED,    /* too much of it has failed, or there is no reply of it */
    RESULT_ABANDONED, /* the client left before the end */
    REPLY_RESULTS
};

#endif

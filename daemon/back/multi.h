/*
 * A CURLM on our event loop: descriptors and the one timeout that libcurl asks
 * for. Knows handles, not calls. libcurl runs only inside multi_run() and when
 * a descriptor is ready; `finished` runs there, with libcurl off the stack.
 */
#ifndef BACK_MULTI_H
#define BACK_MULTI_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/loop.h"
#include "core/tally.h"

struct multi;

typedef void multi_finished_fn(void *ctx, CURL *easy, CURLcode result);

/* `connections`: how many one connection cache (one share) keeps. */
int must_check multi_new(struct loop *loop, long connections, multi_finished_fn *finished,
                         void *ctx, struct multi **ret_multi);
/* After every handle and share whose connections it opened. NULL is fine. */
struct multi *multi_free(struct multi *multi);

/* Each handle needs this once: whose descriptors its connections' are. */
bool must_check multi_adopt(struct multi *multi, CURL *easy);

bool must_check multi_add(struct multi *multi, CURL *easy);
/* A transfer that has ended; from `finished`. */
void multi_remove(struct multi *multi, CURL *easy);
/* What the connection of a transfer that has ended may do while nobody uses it: send
 * frames that libcurl reads before the next use (`frames`), or nothing: it ends now.
 * From `finished`, before multi_remove(), and only for HTTP/2. */
void multi_leave(struct multi *multi, CURL *easy, bool frames);
/* The connection of a transfer that has ended counts in `tally` (of the first that asks) until it
 * is closed. From `finished`, before multi_remove(). */
void multi_count(struct multi *multi, CURL *easy, struct upstream_tally *tally);
/* One that has not: its connection is closed, unless others use it; then its stream, if it
 * may be one (`stream`), is reset in this turn. Not from `finished`. */
void multi_cancel(struct multi *multi, CURL *easy, bool stream);

/* The descriptor of a connection that a finished CONNECT_ONLY handle made becomes the
 * caller's: libcurl neither watches nor closes it from now on, not even when the
 * handle is removed. The caller closes it after that. -1: there is none. */
int must_check multi_release_socket(struct multi *multi, CURL *easy);

/* From a callback of libcurl's: something came for an HTTP/2 transfer. */
void multi_progressed(struct multi *multi);

/* Does what is due. Once per turn of the loop. */
void multi_run(struct multi *multi);
bool multi_is_due(const struct multi *multi);

/* Descriptors of libcurl's that are open now. */
size_t multi_open_sockets(const struct multi *multi);

#endif

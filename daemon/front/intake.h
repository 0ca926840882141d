/*
 * One exchange with a client: from the request line to libmicrohttpd's word that
 * the reply is out. The functions are libmicrohttpd's callbacks; `cls` is the
 * struct front of the thread.
 */
#ifndef FRONT_INTAKE_H
#define FRONT_INTAKE_H

#include "front/connection.h"

/* Request heads with more fields than this get 431, targets with more query members
 * 414. libmicrohttpd keeps a record of each in the connection's memory. */
#define INTAKE_FIELDS_MAX  100
#define INTAKE_MEMBERS_MAX 100

/* The request line has been read: MHD_OPTION_URI_LOG_CALLBACK. */
void *intake_begin(void *cls, const char *target, struct MHD_Connection *mhd);
/* The access handler. */
enum MHD_Result intake_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context);
/* MHD_OPTION_NOTIFY_COMPLETED. */
void intake_completed(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode reason);

/* The client has gone: what runs for it is cancelled at once. */
void intake_client_left(struct connection *connection);
/* The daemon stops: what still runs is cancelled and answered with 503. */
void intake_give_up(struct connection *connection);
/* The connection ends: frees what is left of its exchange, and notes a request that
 * libmicrohttpd has refused before there was one. */
void intake_closed(struct connection *connection);

#endif

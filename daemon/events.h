/* Names of lifecycle events in the journal: `journalctl MESSAGE_ID=...` finds them in every
 * version and language. */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#define EVENT_READY         "15274520ecebe69c3c59e6e48a42f4a6"
#define EVENT_RELOADED      "141ab411f3d485398951b10edbb50aa6"
#define EVENT_RELOAD_FAILED "539fe056d38931720c94cda996991b95"
#define EVENT_STOPPING      "d23836e3ca85ce42474ba901b2f50516"
#define EVENT_STOPPED       "b54cadcc435328568c54783beebf2b5e"
#define EVENT_WORKER_SILENT "e305233e1b4268b04e8308625a50c2b5"

#define EVENT_REQUEST      "4750b186bd1bda49100a0f82e923eead"
#define EVENT_SLOW_REQUEST "df873cc7515994684405bfa88de236ca"

#endif

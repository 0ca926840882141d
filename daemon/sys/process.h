/* What this process uses of the machine now, as the kernel tells. */
#ifndef SYS_PROCESS_H
#define SYS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process_use {
    uint64_t cpu;               /* microseconds, user and system */
    uint64_t memory;            /* resident, bytes */
    uint64_t files, files_most; /* open descriptors, and how many there may be */
};

/* What cannot be found out is 0. */
void process_look(struct process_use *ret_use);

struct process_thread {
    uint64_t cpu;       /* microseconds on a CPU, user and system */
    uint64_t run_delay; /* microseconds with work and without a CPU, which others had or a quota
                           denied; counted once it has one again */
};

/* `thread`: what gettid() said in a thread of this process. False: it has ended, or the
 * kernel does not tell. */
bool process_look_at_thread(uint64_t thread, struct process_thread *ret_use);

/* Microseconds since 1970. */
uint64_t process_wall_clock(void);

#endif

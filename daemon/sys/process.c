/* From /proc, where a figure takes one file or one folder, and from getrusage(). */
#include "sys/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static uint64_t resident_memory(void)
{
    uint64_t total, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count > 0 ? count - 1 : 0; /* without the folder's own */
}

void process_look(struct process_use *ret_use)
{
    struct rusage usage;
    struct rlimit limit;
    *ret_use = (struct process_use){.memory = resident_memory(), .files = open_files()};
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        ret_use->cpu = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret_use->files_most = limit.rlim_cur;
}

bool process_look_at_thread(uint64_t thread, struct process_thread *ret_use)
{
    char path[64];
    uint64_t cpu, run_delay;
    snprintf(path, sizeof path, "/proc/self/task/%" PRIu64 "/schedstat", thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    int fields = fscanf(file, "%" SCNu64 " %" SCNu64, &cpu, &run_delay); /* nanoseconds */
    fclose(file);
    if (fields != 2)
        return false;
    *ret_use = (struct process_thread){.cpu = cpu / 1000, .run_delay = run_delay / 1000};
    return true;
}

uint64_t process_wall_clock(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* core cannot know what a listener's address looks like; front can. */
#include "load.h"

#include "front/listen.h"

struct config *load_config(const char *file, struct config *previous, struct faults *faults)
{
    struct config *config = file ? config_load(file, previous, faults) : config_defaults();
    for (size_t i = 0; config && i < config->listen.count; i++) {
        const char *wrong = listen_check(config->listen.items[i]);
        if (wrong)
            fault_in(faults, file ? file : "defaults", "listen: \"%s\": %s",
                     config->listen.items[i], wrong);
    }
    return faults_any(faults) ? config_unref(config) : config;
}

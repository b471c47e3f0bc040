/* backend: the list of compiled-in backends. The only file of the host that knows which there are. */
#include "backend.h"

#include "log.h"
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_CUDA
extern const struct backend backend_cuda;
#endif

const struct backend *const backend_list[] = {
#ifdef WITH_CUDA
    &backend_cuda,
#endif
    &backend_cpu,
    NULL,
};

/* "cuda:1" -> name "cuda", index 1. The config has been checked for what can be a name. */
static void split_name(const char *text, char name[static 32], int *index)
{
    snprintf(name, 32, "%.*s", (int)strcspn(text, ":"), text);
    *index = strchr(text, ':') ? atoi(strchr(text, ':') + 1) : 0;
}

int backend_open(const char *device_name, int threads, const struct backend **backend, struct device **device)
{
    char name[32];
    int index = 0;
    split_name(device_name, name, &index);
    const bool any = strcmp(name, "auto") == 0;
    int status = ERR_DEVICE;
    for (int i = 0; backend_list[i]; i++) {
        if (!any && strcmp(backend_list[i]->name, name) != 0)
            continue;
        *backend = backend_list[i];
        if (*backend == &backend_cpu)
            TRY(machine_check());
        status = backend_list[i]->open(device, index, threads);
        if (status == OK || !any)
            return status;
        /* The reason; the remedy is for who asked for this device. */
        if (backend_list[i + 1])
            log_info("%.*s; using %s", (int)strcspn(fail_text(), ";"), fail_text(), backend_list[i + 1]->name);
    }
    if (any)
        return status;
    return FAIL(ERR_DEVICE, "%s: this program was built without it; `evenkeel devices` lists what there is",
                device_name);
}

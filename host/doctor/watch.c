/* watch: see include/watch.h. Must not know who prints. */
#include "watch.h"

#include "evidence.h"

#include <string.h>

enum { FIRST_LOOK = 10 };

static bool known(const struct watch *watch, enum cause cause)
{
    for (int i = 0; i < watch->count; i++)
        if (watch->found[i].cause == cause)
            return true;
    return false;
}

int watch_look(struct watch *watch, const char *run, const struct config *config, int64_t steps)
{
    struct evidence_files files = {0};
    struct symptom found[CAUSE_COUNT];
    int before = watch->count;
    /* A third more each time: reading all of steps.csv again comes to three times writing it. */
    watch->next_look = steps + steps / 3 > FIRST_LOOK ? steps + steps / 3 : FIRST_LOOK;
    int status = evidence_open(&files, run, config);
    int count = status == OK ? doctor_examine(&files.evidence, found) : 0;
    for (int i = 0; i < count; i++)
        if (!known(watch, found[i].cause))
            watch->found[watch->count++] = found[i];
    evidence_close(&files);
    return status < 0 ? status : watch->count - before;
}

int watch_begin(struct watch *watch, const char *run, const struct config *config)
{
    *watch = (struct watch){.next_look = FIRST_LOOK};
    int status = watch_look(watch, run, config, 0);
    return status < 0 ? status : OK;
}

bool watch_due(const struct watch *watch, int64_t steps)
{
    return steps >= watch->next_look;
}

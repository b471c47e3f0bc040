/* watch: see include/watch.h. Must not know who prints. */
#include "watch.h"

#include "evidence.h"

#include <stdlib.h>

enum { FIRST_LOOK = 10 };

static bool speaks(const struct symptom *said, int count, enum cause cause)
{
    for (int i = 0; i < count; i++)
        if (said[i].cause == cause)
            return symptom_speaks(&said[i]);
    return false;
}

int watch_hear(struct watch *watch, const struct symptom *said, int count)
{
    int kept = 0, before;
    watch->withdrawn_count = 0;
    for (int i = 0; i < watch->count; i++)
        if (speaks(said, count, watch->found[i].cause))
            watch->found[kept++] = watch->found[i];
        else
            watch->withdrawn[watch->withdrawn_count++] = watch->found[i];
    watch->count = before = kept;
    watch->verdict = doctor_cause(said, count) != CAUSE_HEALTHY ? said[0] : (struct symptom){.cause = CAUSE_HEALTHY};
    for (int i = 0; i < count; i++)
        if (symptom_speaks(&said[i]) && !speaks(watch->found, before, said[i].cause)) {
            watch->as_cause[said[i].cause] = said[i].cause == watch->verdict.cause;
            watch->found[watch->count++] = said[i];
        }
    return watch->count - before;
}

static int read_on(struct watch *watch, const char *run, const struct config *config)
{
    if (watch->files)
        return evidence_follow(watch->files, run);
    watch->files = calloc(1, sizeof *watch->files);
    if (!watch->files)
        return FAIL(ERR_MEMORY, "out of memory for what the run has recorded");
    return evidence_open(watch->files, run, config);
}

int watch_look(struct watch *watch, const char *run, const struct config *config, int64_t steps)
{
    struct symptom found[CAUSE_COUNT];
    /* A third more each time: asking the rules about all steps again comes to four times asking them once. */
    watch->next_look = steps + steps / 3 > FIRST_LOOK ? steps + steps / 3 : FIRST_LOOK;
    TRY(read_on(watch, run, config));
    int count = doctor_examine(&watch->files->evidence, found);
    const struct standing standing = doctor_standing(&watch->files->evidence);
    doctor_say_healthy(&standing, found, count, watch->healthy);
    watch->too_early = doctor_too_early(&watch->files->evidence);
    return watch_hear(watch, found, count);
}

void watch_end(struct watch *watch)
{
    if (watch->files)
        evidence_close(watch->files);
    free(watch->files);
    watch->files = NULL;
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

bool watch_diverged(const struct watch *watch, int64_t accepted, struct symptom *symptom)
{
    if (!watch->files)
        return false;
    struct evidence evidence = watch->files->evidence;
    evidence.accepted = accepted;
    return doctor_diverged(&evidence, symptom);
}

bool watch_learns(const struct watch *watch)
{
    return watch->files && doctor_learns(&watch->files->evidence);
}

bool watch_noise_limited(const struct watch *watch, struct symptom *symptom)
{
    return watch->files && doctor_noise_limited(&watch->files->evidence, symptom);
}

/* watch: the doctor's rules while a run is going on: asked again and again of what it has recorded so far, each finding
 * said once.
 * Level 6: includes doctor. */
#ifndef WATCH_H
#define WATCH_H
#include "doctor.h"

struct evidence_files;
struct watch {
    int64_t
        next_look; /* steps taken at which to look again; looks become rarer, so that they cost a share of a percent */
    int count;     /* of findings that still speak */
    struct symptom found[CAUSE_COUNT]; /* in the order in which they were found, those that may be causes */
    int withdrawn_count;
    struct symptom withdrawn[CAUSE_COUNT]; /* found at an earlier look, and taken out of found at the last */
    bool as_cause[CAUSE_COUNT];   /* the cause was the verdict when it was found last, not a consequence of another */
    struct symptom verdict;       /* what is the cause as far as is known now; CAUSE_HEALTHY: nothing */
    bool too_early;               /* doctor_too_early, when it was looked last */
    char healthy[HEALTHY_TEXT];   /* the verdict where no fault is found */
    struct evidence_files *files; /* what has been read so far; private to host/doctor */
};

/* What an interrupted run had found already is not said again. config: the caller's, until watch_end. */
int watch_begin(struct watch *watch, const char *run, const struct config *config);
/* Whether it is time to look. steps: taken so far. */
bool watch_due(const struct watch *watch, int64_t steps);
/* Reads the run's new records and asks the rules: see watch_hear. A run that is too young to be judged is no failure.
 */
int watch_look(struct watch *watch, const char *run, const struct config *config, int64_t steps);
/* Takes in what the rules say now, as doctor_examine has it: what no longer speaks is moved from found to withdrawn,
 * new findings are appended to found. Returns how many are new. */
int watch_hear(struct watch *watch, const struct symptom *said, int count);
/* doctor_diverged, doctor_learns and doctor_noise_limited, of what was read at the last look. */
bool watch_noise_limited(const struct watch *watch, struct symptom *symptom);
bool watch_diverged(const struct watch *watch, int64_t accepted, struct symptom *symptom);
bool watch_learns(const struct watch *watch);
void watch_end(struct watch *watch); /* accepts a zeroed struct; count and found stay */
#endif

/* given_trials: a run's trials.json with figures that are given. */
#ifndef GIVEN_TRIALS_H
#define GIVEN_TRIALS_H
#include "diagnosis.h"

/* A trial beside unchanged ones of loss 1, where guessing has 2.302585. */
struct given {
    const char *family;
    enum cause cause;
    double gain, error;
    bool swaps;   /* the optimizer and its rate: two settings */
    bool untried; /* for want of budget */
};

extern double given_unchanged; /* loss of the unchanged ones, where it is not 1 */
extern int given_updates;      /* of each; 0: 400, or where the run has fewer these */
/* Of the first trials, beside what each says. */
enum { GIVEN_MOST = 3 };
extern const char *given_name[GIVEN_MOST]; /* NULL: "trial" and its number */
extern double given_longer[GIVEN_MOST];    /* the loss of the same once more, longer; 0: not made */
extern bool given_suspected;               /* the first trial is of what the rules suspect */

/* by_heart: the share of 80 images that was learnt by heart; below 0: not known. steps: of the run, when it was asked.
 */
void write_trials(const char *run, const struct given *given, int count, double by_heart, int batch, int steps);
#endif

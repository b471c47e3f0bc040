/* axes: what is swept, as the command line has it; and what the parts of a plan share. Private to host/sweep. */
#ifndef AXES_H
#define AXES_H
#include "sweep.h"

enum { AXES = 16, AXIS_VALUES = 1000 };

struct axis {
    const char *key; /* "section.key" */
    const char **values;
    int count;
};
struct axes {
    struct axis axis[AXES];
    int count;
    const char **every; /* "section.key=value" of the words that name one value */
    int every_count;
};
/* Takes the words apart; keys are written in full. config: loaded from the file, all words have a known key. */
int axes_read(struct axes *axes, const struct sweep_request *request, struct arena *arena);
/* Whether there is a comma outside brackets and quotes. */
bool axes_several(const char *text);
/* Splits at commas outside brackets and quotes. Returns how many, or a failure. */
int axes_split(const char *key, const char *text, const char ***values, struct arena *arena);

/* ---- plan.c ---- */
/* Gives every run its point. runs are the sweep's. */
void sweep_number_points(struct sweep *sweep, struct sweep_run *runs);
/* A run's config from another file than the sweep's copy. */
int sweep_load_run(const struct sweep *sweep, const char *file, const struct sweep_run *run, struct config *config,
                   FILE *errors);
#endif

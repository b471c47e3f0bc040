/* series: columns of a run's tables made into what charts show.
 * Level 11: includes report. */
#ifndef SERIES_H
#define SERIES_H
#include "report.h"

/* A column of steps.csv, NaN throughout where there is none. */
const double *steps_column(const struct run_facts *facts, const char *name);
const double *results_column(const struct run_facts *facts, const char *name);

/* Last step of each row of results.csv, NaN where steps.csv has none of that epoch. */
const double *epoch_ends(struct arena *arena, const struct run_facts *facts);

/* The middle of the last `window` rows, in x, at each row: where what is computed of them belongs. */
double *window_middles(struct arena *arena, const double *x, int64_t count, int window);
/* Median of the last `window` finite values at each row; NaN until there are a few. */
double *rolling_median(struct arena *arena, const double *values, int64_t count, int window);
/* How many rows a line is smoothed over: as steps.csv does it, or a quarter of a short run, so that there is a course
 * to be seen. */
int smooth_window(int64_t rows);
/* Mean of the last `window` losses that are known, and its standard error; NaN until there is one. Without those that
 * have lost their way, ten times guessing and ten times the window's median, which would lift it half a window before.
 */
struct smooth_loss {
    const double *mean, *error;
    bool some_lost; /* there are such */
};
struct smooth_loss smooth_loss_of(struct arena *arena, const struct run_facts *facts, int window);
/* value + factor * other, row by row. */
double *plus(struct arena *arena, int64_t count, const double *value, double factor, const double *other);

/* How the fluctuation is split (include/fluctuation.h), window by window. */
struct split_series {
    int64_t count;
    int window;                        /* steps */
    double *step;                      /* the middle of the window */
    double *sampling, *motion, *trend; /* shares, adding up to 1; NaN where they cannot be told */
};
void split_over_time(struct arena *arena, const struct run_facts *facts, struct split_series *split);

/* Estimates of the gradient noise scale (include/fluctuation.h) over stretches of measurements. */
enum { NOISE_MEASUREMENTS = 16 }; /* of a stretch */
struct noise_series {
    int64_t count;
    double *step;               /* the middle of the stretch */
    double *value, *low, *high; /* images; NaN where it cannot be told */
};
void noise_over_time(struct arena *arena, const struct run_facts *facts, struct noise_series *noise);
#endif

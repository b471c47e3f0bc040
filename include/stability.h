/* stability: what a whole run's steps.csv says about the fluctuation of its loss, in figures and in three sentences.
 * Level 2: includes fluctuation, table. */
#ifndef STABILITY_H
#define STABILITY_H
#include "fluctuation.h"
#include "table.h"

enum { STABILITY_STEPS = 200, STABILITY_MEASUREMENTS = 100, STABILITY_TEXTS = 3, STABILITY_TEXT = 400 };

struct stability {
    int64_t steps, refused;        /* rows, and those whose update was refused */
    int64_t epoch_steps;           /* of a whole epoch; 0: not known */
    double images;                 /* as given */
    bool in_order;                 /* for the sentences, by the caller: batches are not drawn at random */
    int64_t windows;               /* of STABILITY_STEPS rows, counted from the end; at least 1 where steps > 0 */
    int64_t first_step, last_step; /* of the last window */
    struct fluctuation last;       /* the last window */
    int64_t end_steps;             /* of `end`: of `last`, or fewer where the loss came down or up within it */
    struct estimate end;           /* the mean loss that the run came to */
    double fall; /* of the last window: rank correlation of the loss with the step, 1: falls at every step */
    double phi, variance_ratio;      /* medians over the windows */
    double sampling, motion, trend;  /* medians of the shares */
    struct estimate autocorrelation; /* mean over the windows, with what these tell together */
    struct estimate noise_scale;     /* of the last measurements, at most STABILITY_MEASUREMENTS; in images */
    struct estimate steady;          /* chance_looked_at, of as many */
    int64_t spikes, spikes_of_batch; /* losses over LOSS_SPIKE_Z; the second: of them, the batch's own */
};

/* The losses in a table with the columns of steps.csv, into which they point, with loss_next where column `tied` says
 * so of the last row. images: loss_series.images. false: a column is missing, or there are no rows. */
bool loss_series_of(const struct table *steps, double images, struct loss_series *series);

/* Losses over LOSS_SPIKE_Z; the second: of them, the batch's own. bad: of each row, as in steps.csv; NULL: all are
 * good. */
void spikes_of(const struct loss_series *series, const double *bad, int64_t *spikes, int64_t *spikes_of_batch);

/* Of a table with the columns of steps.csv. Missing columns or rows leave NaN. images: loss_series.images. */
void stability_of(const struct table *steps, double images, struct stability *stability);

/* Three plain sentences: how much of the scatter is what, what the loss does, what may be done. They say nothing of
 * whether the learning rate is right where the figures cannot. Returns how many: 0 where there are too few steps. */
int stability_say(const struct stability *stability, char texts[STABILITY_TEXTS][STABILITY_TEXT]);

/* Figures and sentences as one JSON object; NaN is null. In the arena. */
char *stability_json(const struct stability *stability, struct arena *arena);
#endif

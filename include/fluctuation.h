/* fluctuation: what a series of batch losses says about its own fluctuation. Pure functions over arrays: of a running
 * trainer and of steps.csv alike. Formulas, units and limits: docs/statistics.md.
 * Level 1. */
#ifndef FLUCTUATION_H
#define FLUCTUATION_H
#include "base.h"

/* ---- step by step ---- */

enum { LOSS_WINDOW = 64, LOSS_WINDOW_LEAST = 16 };
/* A loss so many robust standard deviations above the median of those before it is a spike. It is the batch's own where
 * it lies within LOSS_SPIKE_OWN of the standard errors that the batch's own spread gives its mean. */
#define LOSS_SPIKE_Z   6.0
#define LOSS_SPIKE_OWN 3.0

/* The last good losses. Plain numbers, part of a run's state. */
struct loss_window {
    int64_t count;                   /* taken in so far; the arrays hold the last ones, at count % LOSS_WINDOW */
    double loss[LOSS_WINDOW];        /* mean of a batch */
    double error[LOSS_WINDOW];       /* squared standard error of that mean, s^2 / n */
    double epoch[LOSS_WINDOW];       /* in which it was drawn */
    int64_t spikes, spikes_of_batch; /* so far; the second: of them, the batch's own */
};

/* What is said of one step's loss beside it; NaN: not known. */
struct loss_view {
    double smooth, smooth_error; /* mean of the window, this loss included, and its standard error */
    double spike_z;              /* how far above the losses before it, in robust standard deviations */
    int direction;               /* -1: the window's second half lies below its first by more than chance; 1: above */
    bool tied;                   /* its images were drawn at random and tied by batch norm; not known to the window */
};

/* Takes in a step's loss; one that is not finite changes nothing but *view. variance: of the losses within the batch,
 * NaN for one sample. epoch_samples: images of an epoch, for sampling without replacement; 0: not known. */
void loss_window_add(struct loss_window *window, double loss, double variance, int64_t samples, int64_t epoch,
                     int64_t epoch_samples, struct loss_view *view);

/* ---- a stretch of steps ---- */

/* low to high: 95 %. All NaN: could not be computed. */
struct estimate {
    double value, low, high;
};

/* Arrays of one length, in order of steps, as columns of steps.csv. Rows whose loss or variance is not finite are left
 * out. */
struct loss_series {
    int64_t count;
    const double *step, *epoch, *samples, *loss, *variance;
    const double *next; /* loss_next, where batch norm ties the images of a batch; NULL: they are independent */
    double images;      /* that an epoch's batches are drawn from, without replacement; 0: those of its whole batches */
};

struct fluctuation {
    int64_t steps;                           /* that counted */
    double samples;                          /* of a batch, on average */
    struct estimate loss;                    /* mean over the stretch */
    double deviation;                        /* standard deviation of the batch losses about their mean */
    double sampling_deviation;               /* what batches of this size alone would give them */
    struct estimate sampling, motion, trend; /* shares of the variance; the values add up to 1 */
    struct estimate phi;                     /* share of sampling in the step-to-step jitter; may exceed 1 */
    double variance_ratio;                   /* detrended variance / sampling variance */
    struct estimate autocorrelation;         /* of the detrended losses, from one step to the next */
    struct estimate epoch_autocorrelation;   /* from one epoch to the next; NaN unless there are two */
    struct estimate slope;                   /* change of the loss a step */
    struct estimate design;                  /* design_looked_at, as it was taken; NaN: as if images were independent */
};

/* Rows [first, end) of the series. epoch_steps: steps of a whole epoch, 0: not known; with series->images 0 too batches
 * are taken as drawn anew each time. Fewer than 16 usable rows: all
 * NaN but steps. */
void fluctuation_of(const struct loss_series *series, int64_t first, int64_t end, int64_t epoch_steps,
                    struct fluctuation *fluctuation);

/* The gradient noise scale tr(Sigma) / |G|^2, in images: the batch size beyond which larger batches hardly make better
 * steps. Of measurements as in steps.csv's noise_grad and noise_trace, NaN where there is none; the ratio of the means,
 * with Fieller's interval. high is infinite where the gradient cannot be told from 0; fewer than 8: all NaN. */
struct estimate noise_scale_of(const double *grad, const double *trace, int64_t count);

/* The share of the jitter from step to step that is left when what each step itself changed is taken off: 1 - mean(d^2)
 * / mean(dL^2), with d a batch's loss less loss_next of the row before it, which is its loss before that step. Unlike
 * phi it takes nothing of what batches scatter for granted, so that it holds with batch norm too. Rows from first on;
 * fewer than 8 such pairs: all NaN; below 0 where steps undo one another. */
struct estimate chance_looked_at(const struct loss_series *series, const double *loss_next, int64_t first);

/* The design: the variance that a batch's loss has where weights stand still, over variance / samples, which it would
 * be if images were independent. Of rows [first, end), of batches that were looked at (loss_next) before the step that
 * came before them: their losses differ from that step's by sampling alone. They must be drawn at random within an
 * epoch. Fewer than 8 looks: all NaN. */
struct estimate design_looked_at(const struct loss_series *series, int64_t first, int64_t end);

/* ---- the design while a run goes on ---- */

/* Of pairs x, y, each with a weight. */
struct pair_moments {
    int64_t count;
    double weight, squares; /* sums of weights and of their squares */
    double x, y, xx, xy, yy;
};

/* A row of steps.csv. loss: NaN where the update was refused; next: loss_next, NaN where it was not looked at. */
struct loss_row {
    double step, epoch, samples, loss, variance, next;
};

/* design_looked_at row by row, where what lies 64 looks back counts but a third. A function of the rows alone, zero at
 * first. */
struct design_track {
    struct pair_moments looks, steps;
    double since; /* steps since the last look */
    double scale; /* running mean of s^2 / n */
    struct loss_row last;
};
void design_take(struct design_track *track, const struct loss_row *row);
/* NaN: not known to within DESIGN_KNOWN of itself, or fewer than 8 looks. */
double design_now(const struct design_track *track);
/* The design is taken where half of its interval is at most this share of it. */
#define DESIGN_KNOWN 0.4

/* What is said of the window with another design than 1: its standard error and its direction. */
void loss_window_look(const struct loss_window *window, double design, int64_t samples, int64_t epoch_samples,
                      struct loss_view *view);

/* Steps of the longest epoch that is followed by another one in the series; 0: there is none. */
int64_t fluctuation_epoch_steps(const struct loss_series *series);
#endif

/* loss_window: the last losses of a run: their mean with its standard error, and spikes by median and median absolute
 * deviation. See include/fluctuation.h. Must not know where losses come from. */
#include "fluctuation.h"
#include "order.h"

#include <math.h>
#include <string.h>

/* Of a normal distribution: standard deviation / median absolute deviation. */
#define MAD_TO_DEVIATION 1.4826

static int window_size(const struct loss_window *window)
{
    return window->count < LOSS_WINDOW ? (int)window->count : LOSS_WINDOW;
}

/* NaN where the window is short or its losses are all alike. */
static double spike_z(const struct loss_window *window, double loss, double *middle)
{
    double values[LOSS_WINDOW];
    const int count = window_size(window);
    *middle = NAN;
    if (count < LOSS_WINDOW_LEAST)
        return NAN;
    memcpy(values, window->loss, (size_t)count * sizeof *values);
    *middle = median_of_known(values, count);
    for (int i = 0; i < count; i++)
        values[i] = fabs(values[i] - *middle);
    const double deviation = MAD_TO_DEVIATION * median_of_known(values, count);
    return deviation > 0.0 ? (loss - *middle) / deviation : NAN;
}

/* Squared standard error of the mean of the window: batches of one epoch are drawn without replacement, so k of them
 * that make up all of it would have none. */
static double mean_error(const struct loss_window *window, int64_t samples, int64_t epoch_samples)
{
    const int count = window_size(window);
    const double batch_share = epoch_samples > 0 ? (double)samples / (double)epoch_samples : 0.0;
    double sum = 0.0;
    for (int i = 0; i < count;) {
        /* Oldest first: a run of entries of one epoch. */
        const int64_t begin = window->count - count;
        double part = 0.0;
        int run = i;
        const double epoch = window->epoch[(begin + i) % LOSS_WINDOW];
        for (; run < count && window->epoch[(begin + run) % LOSS_WINDOW] == epoch; run++)
            part += window->error[(begin + run) % LOSS_WINDOW];
        const double left = 1.0 - (run - i) * batch_share;
        sum += part * (left > 0.0 ? left : 0.0);
        i = run;
    }
    return sum / ((double)count * count);
}

/* Two halves of n losses each, drawn by chance around one mean, differ by sqrt(sum of their squared errors) / n. */
static int direction_of(const struct loss_window *window, double design, int count)
{
    const int half = count / 2;
    double gain = 0.0, error = 0.0;
    for (int i = 0; i < 2 * half; i++) {
        const int at = (int)((window->count - 2 * half + i) % LOSS_WINDOW);
        gain += i < half ? -window->loss[at] : window->loss[at];
        error += window->error[at];
    }
    return half >= LOSS_WINDOW_LEAST / 2 && fabs(gain) > 1.96 * sqrt(design * error) ? gain < 0.0 ? -1 : 1 : 0;
}

void loss_window_look(const struct loss_window *window, double design, int64_t samples, int64_t epoch_samples,
                      struct loss_view *view)
{
    const int count = window_size(window);
    double sum = 0.0;
    for (int i = 0; i < count; i++)
        sum += window->loss[i];
    view->smooth = count ? sum / count : NAN;
    view->smooth_error = count ? sqrt(design * mean_error(window, samples, epoch_samples)) : NAN;
    view->direction = direction_of(window, design, count);
}

void loss_window_add(struct loss_window *window, double loss, double variance, int64_t samples, int64_t epoch,
                     int64_t epoch_samples, struct loss_view *view)
{
    double middle;
    view->spike_z = NAN;
    if (isfinite(loss)) {
        const double error = variance / (double)samples;
        view->spike_z = spike_z(window, loss, &middle);
        if (view->spike_z > LOSS_SPIKE_Z) {
            window->spikes++;
            window->spikes_of_batch += loss - middle <= LOSS_SPIKE_OWN * sqrt(error);
        }
        const int64_t slot = window->count++ % LOSS_WINDOW;
        window->loss[slot] = loss;
        window->error[slot] = error;
        window->epoch[slot] = (double)epoch;
    }
    loss_window_look(window, 1.0, samples, epoch_samples, view);
}

/* find_lr: range tests and trials of one rate, and what follows from them. See include/find_lr.h; why it is done so:
 * docs/sweep.md. Knows losses and rates, not how a step is taken. */
#include "log.h"
#include "order.h"
#include "walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIL = 5 };                    /* steps whose mean loss says that a range test is over */
static const double too_high = 4.0;    /* times the lowest such mean */
static const double kernel_log = 0.25; /* standard deviation of the smoothing, in natural logarithms of the rate */
static const double finest = 1.25;     /* ratio of rates up to which the limit is narrowed down */
static const double hopeless = 1.05;   /* times the untrained loss: a trial that is there half way is given up */
static const double sure = 3.5;        /* standard errors */

struct finder {
    struct find_lr *found;
    struct find_lr_options options; /* steps: of now */
    struct walk walk;
    int restart;
};

static uint64_t seed_of(const struct finder *finder)
{
    return (uint64_t)finder->walk.config->train.seed + (uint64_t)finder->restart;
}

/* ---- the range test ---- */

static double trailing_mean(const struct find_lr_curve *curve)
{
    double sum = 0.0;
    for (int i = curve->count - TRAIL; i < curve->count; i++)
        sum += curve->loss[i];
    return sum / TRAIL;
}

static void smooth(struct find_lr_curve *curve)
{
    for (int i = 0; i < curve->count; i++) {
        double sum = 0.0, weights = 0.0;
        for (int k = 0; k < curve->count; k++) {
            double away = log(curve->rate[k] / curve->rate[i]) / kernel_log, weight = exp(-away * away / 2.0);
            if (isfinite(curve->loss[k])) {
                sum += weight * curve->loss[k];
                weights += weight;
            }
        }
        curve->smooth[i] = weights > 0.0 ? sum / weights : NAN;
    }
}

static int range_test(struct finder *finder, struct find_lr_curve *curve)
{
    const struct find_lr_options *options = &finder->options;
    double growth = pow(options->to / options->from, 1.0 / (options->steps - 1)), lowest = INFINITY;
    TRY(walk_begin(&finder->walk, seed_of(finder), 0));
    for (bool over = false; !over && curve->count < options->steps;) {
        struct step_record record;
        int i = curve->count++;
        curve->rate[i] = options->from * pow(growth, i);
        TRY(walk_step(&finder->walk, curve->rate[i], &record));
        curve->loss[i] = record.bad ? NAN : (double)record.loss;
        curve->variance[i] = record.bad ? NAN : (double)record.loss_variance / record.samples;
        log_progress("restart %d/%d  range test  rate %.2e  loss %.4g", finder->restart + 1, options->restarts,
                     curve->rate[i], curve->loss[i]);
        over = record.bad == REFUSED_NONFINITE;
        if (!over && curve->count >= TRAIL) {
            double mean = trailing_mean(curve);
            lowest = fmin(lowest, mean);
            over = mean > too_high * lowest;
        }
    }
    smooth(curve);
    return OK;
}

/* ---- trials ---- */

/* What the last quarter of a trial would lose with fresh weights: on the same images, so that which images they are
 * does not count as gained or lost. */
static int untrained_loss(struct finder *finder, double *loss)
{
    int steps = finder->options.steps, last = (steps + 3) / 4;
    double sum = 0.0;
    TRY(walk_begin(&finder->walk, seed_of(finder), steps - last));
    for (int i = 0; i < last; i++) {
        struct step_record record;
        TRY(walk_step(&finder->walk, 0.0, &record));
        sum += (double)record.loss;
    }
    *loss = sum / last;
    return OK;
}

/* The loss of one who knows how frequent the classes are and nothing of an image. */
static double guessing_loss(const struct session *session)
{
    const struct subset *subset = &session->train.subset;
    const int classes = session->card.class_count;
    const double smoothing = session->config->train.label_smoothing;
    struct arena arena = {0};
    int64_t *counts = arena_push(&arena, (size_t)classes * sizeof *counts);
    double entropy = 0.0;
    for (int64_t i = 0; i < subset->count; i++)
        counts[subset->data->labels[subset->samples[i]]]++;
    for (int c = 0; c < classes; c++) {
        const double share = (double)counts[c] / (double)subset->count;
        entropy -= share > 0.0 ? share * log(share) : 0.0;
    }
    arena_free(&arena);
    return (1.0 - smoothing) * entropy + smoothing * log((double)classes);
}

/* The loss is above that of untrained weights, and by more than images of another step make it. */
static bool is_hopeless(const struct find_lr_restart *restart, double loss, double error)
{
    return !isfinite(loss) || loss > hopeless * restart->untrained + sure * error;
}

static int try_rate(struct finder *finder, struct find_lr_restart *restart, double rate)
{
    int steps = finder->options.steps, quarter = (steps + 3) / 4, counted = 0;
    double sum = 0.0, noise = 0.0; /* over the second quarter, then over the last */
    struct step_record record = {0};
    TRY(walk_begin(&finder->walk, seed_of(finder), 0));
    for (int i = 0; i < steps && !record.bad; i++) {
        if (i == 2 * quarter && is_hopeless(restart, sum / counted, sqrt(noise) / counted))
            break;
        if (i == quarter || i == steps - quarter)
            sum = noise = counted = 0;
        TRY(walk_step(&finder->walk, rate, &record));
        sum += (double)record.loss;
        noise += (double)record.loss_variance / record.samples;
        counted++;
        log_progress("restart %d/%d  rate %.2e  step %d/%d  loss %.4g", finder->restart + 1, finder->options.restarts,
                     rate, i + 1, steps, (double)record.loss);
    }
    double gain = restart->begins - sum / counted;
    restart->trials[restart->trial_count++] = (struct find_lr_trial){
        .rate = rate, .gain = record.bad || isnan(gain) ? -INFINITY : gain, .error = sqrt(noise) / counted};
    return OK;
}

static const struct find_lr_trial *best_trial(const struct find_lr_restart *restart)
{
    const struct find_lr_trial *best = NULL;
    for (int i = 0; i < restart->trial_count; i++)
        if (restart->trials[i].gain > sure * restart->trials[i].error &&
            (!best || restart->trials[i].gain > best->gain))
            best = &restart->trials[i];
    return best;
}

static bool is_stable(const struct find_lr_trial *trial, const struct find_lr_trial *best)
{
    return best && trial->gain >= best->gain / 2.0;
}

/* The largest stable rate tried and the smallest tried above it, 0 where there is none. */
static void find_limit(const struct find_lr_restart *restart, double *stable, double *above)
{
    const struct find_lr_trial *best = best_trial(restart);
    *stable = *above = 0.0;
    for (int i = 0; i < restart->trial_count; i++)
        if (is_stable(&restart->trials[i], best))
            *stable = fmax(*stable, restart->trials[i].rate);
    for (int i = 0; i < restart->trial_count; i++)
        if (restart->trials[i].rate > *stable && (*above == 0.0 || restart->trials[i].rate < *above))
            *above = restart->trials[i].rate;
}

/* The rate at which the range test's smoothed loss was lowest. */
static double lowest_rate(const struct find_lr_curve *curve)
{
    int lowest = 0;
    for (int i = 1; i < curve->count; i++)
        if (curve->smooth[i] < curve->smooth[lowest])
            lowest = i;
    return curve->rate[lowest];
}

static bool has_room(const struct find_lr_restart *restart)
{
    return restart->trial_count < FIND_LR_TRIALS;
}

/* From there upwards by factors of 2 as long as that is stable, and downwards until two rates in a row gain less than
 * the best. */
static int spread_out(struct finder *finder, struct find_lr_restart *restart)
{
    double begin = lowest_rate(&restart->curve);
    TRY(try_rate(finder, restart, begin));
    for (double rate = begin * 2.0; rate <= finder->options.to && has_room(restart); rate *= 2.0) {
        TRY(try_rate(finder, restart, rate));
        if (!is_stable(&restart->trials[restart->trial_count - 1], best_trial(restart)))
            break;
    }
    int behind = 0;
    for (double rate = begin / 2.0; behind < 2 && rate >= finder->options.from && has_room(restart); rate /= 2.0) {
        TRY(try_rate(finder, restart, rate));
        const struct find_lr_trial *best = best_trial(restart);
        behind = best && best->rate > rate ? behind + 1 : 0;
    }
    return OK;
}

/* Whether the smallest rate that was tried drove the loss up, so that the rates to try lie below the range. */
static bool begins_too_high(const struct find_lr_restart *restart)
{
    const struct find_lr_trial *smallest = &restart->trials[0];
    for (int i = 1; i < restart->trial_count; i++)
        if (restart->trials[i].rate < smallest->rate)
            smallest = &restart->trials[i];
    return is_hopeless(restart, restart->begins - smallest->gain, smallest->error);
}

static int find_rates(struct finder *finder, struct find_lr_restart *restart)
{
    double stable, above;
    TRY(untrained_loss(finder, &restart->untrained));
    restart->begins = fmin(restart->untrained, guessing_loss(finder->walk.session));
    TRY(spread_out(finder, restart));
    for (;;) {
        find_limit(restart, &stable, &above);
        if (stable == 0.0 || above == 0.0 || above < finest * stable || !has_room(restart))
            break;
        TRY(try_rate(finder, restart, sqrt(stable * above)));
    }
    const struct find_lr_trial *best = best_trial(restart);
    restart->best = best ? best->rate : NAN;
    restart->stable = best ? stable : NAN;
    finder->found->open_end |= best && above == 0.0;
    finder->found->diverged += !best && begins_too_high(restart);
    return OK;
}

/* ---- all together ---- */

static struct find_lr_spread spread_of(double *values, int count)
{
    if (count == 0)
        return (struct find_lr_spread){.middle = NAN, .low = NAN, .high = NAN};
    sort_doubles(values, count);
    return (struct find_lr_spread){.middle = sqrt(values[(count - 1) / 2] * values[count / 2]),
                                   .low = values[0],
                                   .high = values[count - 1],
                                   .count = count};
}

static void summarize(struct find_lr *found)
{
    double best[FIND_LR_RESTARTS], stable[FIND_LR_RESTARTS];
    int count = 0;
    for (int i = 0; i < found->restart_count; i++)
        if (!isnan(found->restarts[i].best)) {
            best[count] = found->restarts[i].best;
            stable[count++] = found->restarts[i].stable;
        }
    found->best = spread_of(best, count);
    found->stable = spread_of(stable, count);
}

static int do_restarts(struct finder *finder)
{
    struct find_lr *found = finder->found;
    const size_t bytes = (size_t)finder->options.steps * sizeof(double);
    memset(found->restarts, 0, (size_t)finder->options.restarts * sizeof *found->restarts);
    found->restart_count = 0;
    found->open_end = false;
    found->diverged = 0;
    for (finder->restart = 0; finder->restart < finder->options.restarts; finder->restart++) {
        struct find_lr_restart *restart = &found->restarts[finder->restart];
        struct find_lr_curve *curve = &restart->curve;
        double **const parts[] = {&curve->rate, &curve->loss, &curve->variance, &curve->smooth};
        for (int i = 0; i < COUNT_OF(parts); i++)
            *parts[i] = arena_push(&found->arena, bytes);
        TRY(range_test(finder, curve));
        TRY(find_rates(finder, restart));
        found->restart_count++;
    }
    summarize(found);
    return OK;
}

int find_lr(struct find_lr *found, struct session *session, const struct find_lr_options *options)
{
    *found = (struct find_lr){0};
    found->restarts = arena_push(&found->arena, (size_t)options->restarts * sizeof *found->restarts);
    struct finder finder = {.found = found, .options = *options};
    int status = walk_open(&finder.walk, session);
    if (status == OK)
        status = do_restarts(&finder);
    while (status == OK && found->best.count + found->diverged < found->restart_count &&
           finder.options.steps <= options->most_steps / 2) {
        finder.options.steps *= 2;
        log_info("after so few steps %d of %d restarts did not come clearly below guessing: again with %d",
                 found->restart_count - found->best.count, found->restart_count, finder.options.steps);
        status = do_restarts(&finder);
    }
    found->steps = finder.options.steps;
    walk_close(&finder.walk);
    log_progress_end();
    return status;
}

void find_lr_free(struct find_lr *found)
{
    arena_free(&found->arena);
    *found = (struct find_lr){0};
}

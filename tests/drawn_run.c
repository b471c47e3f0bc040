/* drawn_run: see drawn_run.h. */
#include "drawn_run.h"

#include <math.h>
#include <string.h>

const double guess = 2.302585;
struct drawn_run run;

double jitter(int step)
{
    return 2.0 * (((unsigned)step * 2654435761u >> 8) % 65536) / 65535.0 - 1.0;
}

void healthy(void)
{
    memset(&run, 0, sizeof run);
    run.config.optim.name = OPTIMIZER_ADAM;
    run.config.optim.lr = 0.001;
    run.config.optim.beta1 = 0.9;
    run.config.optim.beta2 = 0.999;
    run.config.optim.eps = 1e-8;
    run.config.optim.momentum = 0.9;
    run.config.data.shuffle = true;
    for (int t = 0; t < STEPS; t++) {
        run.epoch[t] = 1 + t / 100;
        run.variance[t] = 0.5;
        run.samples[t] = 64;
        double level = guess * (0.25 + 0.75 * exp(-t / 60.0));
        run.loss[t] = level + sqrt(3.0 * 0.5 / 64) * jitter(t);
        run.correct[t] = 64 * (0.85 - 0.75 * exp(-t / 60.0));
        run.grad[t] = 1.0;
        run.weight[t] = 20.0;
        run.update[t] = 0.2;
        run.rate[t] = 0.001;
        run.slope[t] = -0.1;
        run.end_slope[t] = 0.01;
        run.grad_cosine[t] = 0.2 + 0.1 * jitter(t);
    }
    for (int e = 0; e < EPOCHS; e++) {
        run.train_loss[e] = run.loss[100 * e + 99];
        run.train_accuracy[e] = run.correct[100 * e + 99] / 64;
        run.val_loss[e] = guess * (0.27 + 0.75 * exp(-(e + 1) * 100 / 60.0));
        run.val_loss_error[e] = NAN;
        run.best[e] = 1.0;
        run.val_accuracy[e] = 0.84 - 0.75 * exp(-(e + 1) * 100 / 60.0);
    }
    run.evidence = (struct evidence){
        .config = &run.config,
        .classes = 10,
        .prior_entropy = guess,
        .train_images = 6400,
        .val_images = 2000,
        .planned_steps = STEPS,
        .noise_scale = {NAN, NAN, NAN},
        .steps = STEPS,
        .epoch = run.epoch,
        .loss = run.loss,
        .variance = run.variance,
        .samples = run.samples,
        .correct = run.correct,
        .grad_norm = run.grad,
        .update_norm = run.update,
        .weight_norm = run.weight,
        .rate = run.rate,
        .slope = run.slope,
        .end_slope = run.end_slope,
        .grad_cosine = run.grad_cosine,
        .bad = run.bad,
        .epochs = EPOCHS,
        .train_loss = run.train_loss,
        .train_accuracy = run.train_accuracy,
        .val_loss = run.val_loss,
        .val_accuracy = run.val_accuracy,
        .val_loss_error = run.val_loss_error,
        .best = run.best,
    };
}

const struct symptom *shown(const char *rule)
{
    static struct symptom found[CAUSE_COUNT];
    const int count = doctor_examine(&run.evidence, found);
    for (int i = 0; i < count; i++)
        if (strcmp(found[i].rule, rule) == 0)
            return &found[i];
    return NULL;
}

void fill(double *column, int from, int to, double value)
{
    for (int i = from; i < to; i++)
        column[i] = value;
}

void stand(double level)
{
    healthy();
    fill(run.loss, 1, STEPS, level * guess);
    fill(run.correct, 0, STEPS, 6.4);
    for (int e = 0; e < EPOCHS; e++)
        run.val_accuracy[e] = 0.1;
}

void stride(int step)
{
    healthy();
    fill(run.update, step, step + 3, 10.0);
    run.loss[step + 1] = guess + 1.0;
}

void creep(double whole, double level)
{
    healthy();
    fill(run.update, 0, STEPS, 20.0 * whole / STEPS);
    fill(run.loss, 1, STEPS, level * guess);
}

void fall_back(double level, int steps)
{
    healthy();
    fill(run.loss, 1, STEPS, 1.0);
    fill(run.loss, 300, 300 + steps, level);
}

struct estimate exactly(double value)
{
    return (struct estimate){value, value, value};
}

void part(double train_accuracy, double train_loss, double val_accuracy, double val_loss)
{
    healthy();
    fill(run.correct, 0, STEPS, 64.0 * train_accuracy);
    fill(run.loss, 0, STEPS, train_loss);
    fill(run.val_accuracy, 0, EPOCHS, val_accuracy);
    fill(run.val_loss, 0, EPOCHS, val_loss);
    run.loss[0] = guess;
}

void worse(double train_accuracy, double train_loss, double val_accuracy)
{
    part(train_accuracy, train_loss, val_accuracy, 0.8);
    run.val_loss[0] = 0.7;
}

/* experiment: see include/experiment.h. Owns which trials there are for a config, their order and their budget. */
#include "experiment.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PROBE_IMAGES = 512, UPDATES_LEAST = 40, UPDATES_MOST = 400, MEMORY_IMAGES = 256, MEMORY_UPDATES = 250 };

static struct arm *add(struct experiment *experiment, enum cause cause, const char *name)
{
    struct arm *arm = &experiment->arms[experiment->arm_count++];
    *arm = (struct arm){.cause = cause, .pace = 1};
    snprintf(arm->name, sizeof arm->name, "%s", name);
    return arm;
}

static void change(struct arm *arm, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void change(struct arm *arm, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(arm->text[arm->override_count], sizeof arm->text[0], format, args);
    va_end(args);
    arm->override_count++;
}

static void add_optimizer(struct experiment *experiment, const struct config *config)
{
    struct arm *arm;
    if (config->optim.name == OPTIMIZER_SGD) {
        if (config->optim.momentum < 0.5)
            change(add(experiment, CAUSE_PLAIN_SGD, "momentum 0.9"), "optim.momentum=0.9");
        arm = add(experiment, CAUSE_PLAIN_SGD, "adam");
        change(arm, "optim.name=adam");
        change(arm, "optim.lr=0.001");
        return;
    }
    if (config->optim.eps != 1e-8 || config->optim.beta2 != 0.999 || config->optim.beta1 != 0.9) {
        arm = add(experiment, CAUSE_ADAM, "adam's defaults");
        change(arm, "optim.eps=1e-8");
        change(arm, "optim.beta1=0.9");
        change(arm, "optim.beta2=0.999");
    }
}

static bool suspect(enum cause cause, const struct symptom *suspected, int count)
{
    for (int i = 0; i < count; i++)
        if (suspected[i].cause == cause)
            return true;
    return false;
}

/* One row for everything that can be set wrong: only what the config sets otherwise is tried. */
static void list_arms(struct experiment *experiment, const struct config *config, const struct symptom *suspected,
                      int suspected_count)
{
    double lr = config->optim.lr;
    bool far_too_high =
        suspect(CAUSE_RATE_HIGH, suspected, suspected_count) || suspect(CAUSE_NO_SIGNAL, suspected, suspected_count);
    add(experiment, CAUSE_HEALTHY, "unchanged");
    change(add(experiment, CAUSE_RATE_HIGH, "rate / 4"), "optim.lr=%.9g", lr / 4.0);
    if (far_too_high)
        change(add(experiment, CAUSE_RATE_HIGH, "rate / 64"), "optim.lr=%.9g", lr / 64.0);
    change(add(experiment, CAUSE_RATE_LOW, "rate x 4"), "optim.lr=%.9g", lr * 4.0);
    struct arm *batch = add(experiment, CAUSE_BATCH_SMALL, "batch x 4");
    batch->pace = 4;
    change(batch, "train.accumulate=%d", batch->pace * config->train.accumulate);
    add_optimizer(experiment, config);
    if (config->optim.weight_decay > 0.0)
        change(add(experiment, CAUSE_WEIGHT_DECAY, "no weight decay"), "optim.weight_decay=0");
    if (config->model.init_scale != 1.0)
        change(add(experiment, CAUSE_INITIALISATION, "usual first weights"), "model.init_scale=1");
    if (config->augment.normalize != NORMALIZE_AUTO) {
        struct arm *arm = add(experiment, CAUSE_INPUT_SCALE, "measured normalisation");
        change(arm, "augment.normalize=auto");
        change(arm, "augment.mean=[]");
        change(arm, "augment.std=[]");
    }
    if (!config->data.shuffle)
        change(add(experiment, CAUSE_ORDER, "shuffled"), "data.shuffle=true");
}

/* Suspected ones first; the others stay in order. */
static void sort_arms(struct experiment *experiment, const struct symptom *suspected, int count)
{
    struct arm *arms = experiment->arms;
    for (int i = 2; i < experiment->arm_count; i++)
        for (int k = i; k > 1; k--) {
            if (suspect(arms[k - 1].cause, suspected, count) || !suspect(arms[k].cause, suspected, count))
                break;
            struct arm other = arms[k];
            arms[k] = arms[k - 1];
            arms[k - 1] = other;
        }
}

/* As many updates as let every trial and learning by heart into the budget, within what says something and what is long
 * enough. */
static int choose_updates(const struct experiment *experiment, double memory)
{
    double updates = (experiment->updates_allowed - memory) / experiment->arm_count;
    return (int)fmin(fmax(updates, UPDATES_LEAST), UPDATES_MOST);
}

static int run_arm(struct experiment *experiment, struct arm *arm, const struct branch *branch, const char *run,
                   struct probe *probe)
{
    const char *overrides[ARM_OVERRIDES];
    for (int i = 0; i < arm->override_count; i++)
        overrides[i] = arm->text[i];
    const struct trial trial = {.name = arm->name,
                                .overrides = overrides,
                                .override_count = arm->override_count,
                                .updates = experiment->updates / arm->pace,
                                .fresh = true};
    arm->result.losses = arena_push(&experiment->arena, (size_t)probe->count * sizeof(float));
    TRY(trial_run(branch, run, &trial, probe, &arm->result));
    arm->done = true;
    experiment->updates_spent += experiment->updates;
    experiment->seconds += arm->result.seconds;
    return OK;
}

static int run_arms(struct experiment *experiment, const struct branch *branch, const char *run, struct probe *probe)
{
    if (2.0 * experiment->updates > experiment->updates_allowed)
        return OK; /* the unchanged one alone says nothing */
    for (int i = 0; i < experiment->arm_count; i++) {
        struct arm *arm = &experiment->arms[i];
        if (experiment->updates_spent + experiment->updates > experiment->updates_allowed)
            break;
        TRY(run_arm(experiment, arm, branch, run, probe));
        if (i > 0)
            trial_gain(&experiment->arms[0].result, &arm->result, probe->count, &arm->gain, &arm->error);
    }
    return OK;
}

/* Of learning by heart, in updates of the run's size. */
static double memory_cost(const struct session *session, const struct config *config)
{
    const int64_t available = session->train.subset.count;
    const double images = available < MEMORY_IMAGES ? (double)available : MEMORY_IMAGES;
    return images * MEMORY_UPDATES / ((double)config->train.batch_size * config->train.accumulate);
}

/* A network of the run's kind, with everything that could hold it back taken away, shown a few images over and over:
 * what it cannot learn by heart it is too small for, or too badly built. */
static int memorise(struct experiment *experiment, struct session *session, const struct branch *branch,
                    const char *run, struct probe *probe)
{
    const struct config *config = branch->config;
    int64_t available = session->train.subset.count;
    int images = available < MEMORY_IMAGES ? (int)available : MEMORY_IMAGES;
    char batch[48];
    snprintf(batch, sizeof batch, "train.batch_size=%d", images);
    const char *const overrides[] = {batch,
                                     "train.accumulate=1",
                                     "optim.name=adam",
                                     "optim.lr=0.003",
                                     "optim.weight_decay=0",
                                     "optim.clip_norm=0",
                                     "optim.eps=1e-8",
                                     "optim.beta1=0.9",
                                     "optim.beta2=0.999",
                                     "optim.nesterov=false",
                                     "model.dropout=0",
                                     "train.label_smoothing=0",
                                     "augment.hflip=0",
                                     "augment.rotate=0",
                                     "augment.brightness=0",
                                     "augment.contrast=0"};
    double cost = memory_cost(session, config);
    if (experiment->updates_spent + cost > experiment->updates_allowed)
        return OK;
    const struct trial trial = {.name = "by heart",
                                .overrides = overrides,
                                .override_count = COUNT_OF(overrides),
                                .updates = MEMORY_UPDATES,
                                .samples = probe->samples,
                                .sample_count = images,
                                .fresh = true};
    experiment->memory.losses = arena_push(&experiment->arena, (size_t)probe->count * sizeof(float));
    TRY(trial_run(branch, run, &trial, probe, &experiment->memory));
    experiment->memory_done = true;
    experiment->memory_images = images;
    experiment->updates_spent += cost;
    experiment->seconds += experiment->memory.seconds;
    return OK;
}

/* ---- judging ---- */

static double guess_of(const struct session *session)
{
    const struct subset *subset = &session->train.subset;
    struct arena arena = {0};
    double entropy = 0.0, *counts = arena_push(&arena, (size_t)session->card.class_count * sizeof *counts);
    for (int64_t i = 0; i < subset->count; i++)
        counts[subset->data->labels[subset->samples[i]]] += 1.0 / (double)subset->count;
    for (int c = 0; c < session->card.class_count; c++)
        entropy -= counts[c] > 0.0 ? counts[c] * log(counts[c]) : 0.0;
    arena_free(&arena);
    return entropy;
}

/* An arm helps when it is better beyond three standard errors and by what makes a fault worth mending: a loss lower by
 * 15
 * %. A higher rate is quicker at first nearly always: it must make a fifth more of the way down from guessing. A larger
 * batch sees the same images in fewer updates, each of which costs less per image: it helps already when it loses
 * nothing, and the batch is one that a machine can do better than. */
static bool arm_helps(const struct experiment *experiment, const struct arm *arm, const struct config *config)
{
    double base = experiment->arms[0].result.loss, loss = arm->result.loss;
    if (!isfinite(loss))
        return false;
    if (!isfinite(base) || base > 10.0 * experiment->guess)
        return loss < experiment->guess;
    bool sure = arm->gain > 3.0 * arm->error;
    if (arm->cause == CAUSE_RATE_LOW)
        return sure && experiment->guess - loss > 1.2 * (experiment->guess - base);
    if (arm->cause == CAUSE_BATCH_SMALL)
        return config->train.batch_size * config->train.accumulate <= 16 && base < 0.9 * experiment->guess &&
               arm->gain > -0.03 * base;
    return sure && arm->gain > 0.15 * base;
}

static void judge(struct experiment *experiment, const struct config *config)
{
    for (int i = 1; i < experiment->arm_count; i++)
        if (experiment->arms[i].done)
            experiment->arms[i].helps = arm_helps(experiment, &experiment->arms[i], config);
}

/* A setting that is not what it is by default comes before what is tried on every run, and that before another
 * optimizer, which hides rather than mends a badly chosen rate. */
static int rank_of(const struct arm *arm)
{
    if (arm->cause == CAUSE_PLAIN_SGD && arm->override_count > 1)
        return 0;
    return arm->cause == CAUSE_RATE_HIGH || arm->cause == CAUSE_RATE_LOW || arm->cause == CAUSE_BATCH_SMALL ? 1 : 2;
}

enum cause experiment_verdict(const struct experiment *experiment, const struct arm **proof)
{
    double most = 0.0;
    const struct arm *best = NULL;
    for (int i = 1; i < experiment->arm_count; i++)
        if (experiment->arms[i].helps)
            most = fmax(most, experiment->arms[i].gain);
    for (int i = 1; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (!arm->helps || arm->gain < 0.7 * most)
            continue;
        if (!best || rank_of(arm) > rank_of(best) || (rank_of(arm) == rank_of(best) && arm->gain > best->gain))
            best = arm;
    }
    /* A higher rate is quicker at first for a small network too: what cannot learn a few images by heart at any rate is
     * too small, however much quicker it may get there. */
    const bool small = experiment->memory_done && experiment->memory.train_accuracy < 0.95;
    *proof = small && best && best->cause == CAUSE_RATE_LOW ? NULL : best;
    if (*proof)
        return best->cause;
    return small ? CAUSE_CAPACITY : CAUSE_HEALTHY;
}

const struct arm *experiment_arm(const struct experiment *experiment, enum cause cause)
{
    const struct arm *best = NULL;
    for (int i = 1; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->cause == cause && arm->done && (!best || arm->gain > best->gain))
            best = arm;
    }
    return best;
}

int experiment_run(struct experiment *experiment, struct session *session, const struct branch *branch, const char *run,
                   const struct symptom *suspected, int suspected_count, double budget)
{
    *experiment = (struct experiment){.updates_allowed = budget, .guess = guess_of(session)};
    list_arms(experiment, branch->config, suspected, suspected_count);
    sort_arms(experiment, suspected, suspected_count);
    const double memory = memory_cost(session, branch->config);
    experiment->updates = choose_updates(experiment, memory);
    experiment->updates_wanted = (double)experiment->arm_count * experiment->updates + memory;
    struct probe probe;
    int status = probe_open(&probe, session, PROBE_IMAGES);
    if (status == OK)
        status = run_arms(experiment, branch, run, &probe);
    if (status == OK)
        status = memorise(experiment, session, branch, run, &probe);
    probe_close(&probe, session);
    judge(experiment, branch->config);
    return status;
}

void experiment_free(struct experiment *experiment)
{
    arena_free(&experiment->arena);
}

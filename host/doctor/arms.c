/* arms: which trials there are for a run. Only what its config sets otherwise than usual is tried, besides the rate,
 * the batch and the optimizer. Must not run them. */
#include "arms.h"

#include "suspects.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static struct arm *add(struct experiment *experiment, enum arm_family family, enum cause cause, const char *name)
{
    struct arm *arm = &experiment->arms[experiment->arm_count++];
    *arm = (struct arm){.family = family, .cause = cause, .pace = 1};
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

bool arms_suspected(const struct experiment_request *request, enum cause cause)
{
    for (int i = 0; i < request->suspected_count; i++)
        if (request->suspected[i].cause == cause ||
            (cause == CAUSE_RATE_HIGH && request->suspected[i].cause == CAUSE_NO_SIGNAL))
            return true;
    return false;
}

/* ---- from new weights ---- */

static void add_optimizer(struct experiment *experiment, const struct config *config)
{
    struct arm *arm;
    if (config->optim.name == OPTIMIZER_SGD) {
        if (config->optim.momentum < 0.5)
            change(add(experiment, ARM_ANEW, CAUSE_PLAIN_SGD, "momentum 0.9"), "optim.momentum=0.9");
        arm = add(experiment, ARM_ANEW, CAUSE_PLAIN_SGD, "adam");
        change(arm, "optim.name=adam");
        change(arm, "optim.lr=0.001");
        return;
    }
    if (config->optim.eps != 1e-8 || config->optim.beta2 != 0.999 || config->optim.beta1 != 0.9) {
        arm = add(experiment, ARM_ANEW, CAUSE_ADAM, "adam's defaults");
        change(arm, "optim.eps=1e-8");
        change(arm, "optim.beta1=0.9");
        change(arm, "optim.beta2=0.999");
    }
}

struct arm *arms_add_rate(struct experiment *experiment, enum cause cause, int rung, double lr)
{
    char name[48];
    const double factor = pow(4.0, rung);
    snprintf(name, sizeof name, "rate %s %.0f", cause == CAUSE_RATE_HIGH ? "/" : "x", factor);
    struct arm *arm = add(experiment, ARM_ANEW, cause, name);
    change(arm, "optim.lr=%.9g", cause == CAUSE_RATE_HIGH ? lr / factor : lr * factor);
    return arm;
}

static void list_anew(struct experiment *experiment, const struct experiment_request *request,
                      const struct config *config)
{
    arms_add_rate(experiment, CAUSE_RATE_HIGH, 1, config->optim.lr);
    if (config->optim.lr < 100.0)
        arms_add_rate(experiment, CAUSE_RATE_LOW, 1, config->optim.lr);
    struct arm *batch = add(experiment, ARM_ANEW, CAUSE_BATCH_SMALL, "batch x 4");
    batch->pace = 4;
    change(batch, "train.accumulate=%d", batch->pace * config->train.accumulate);
    add_optimizer(experiment, config);
    if (config->optim.weight_decay > 0.0)
        change(add(experiment, ARM_ANEW, CAUSE_WEIGHT_DECAY, "no weight decay"), "optim.weight_decay=0");
    if (config->model.init_scale != 1.0)
        change(add(experiment, ARM_ANEW, CAUSE_INITIALISATION, "usual first weights"), "model.init_scale=1");
    if (config->model.name == MODEL_SMALL_CNN && !config->model.batch_norm && arms_suspected(request, CAUSE_NO_SIGNAL))
        change(add(experiment, ARM_ANEW, CAUSE_NO_SIGNAL, "batch normalisation"), "model.batch_norm=true");
    if (config->augment.normalize != NORMALIZE_AUTO) {
        struct arm *arm = add(experiment, ARM_ANEW, CAUSE_INPUT_SCALE, "measured normalisation");
        change(arm, "augment.normalize=auto");
        change(arm, "augment.mean=[]");
        change(arm, "augment.std=[]");
    }
    if (!config->data.shuffle)
        change(add(experiment, ARM_ANEW, CAUSE_ORDER, "shuffled"), "data.shuffle=true");
}

/* ---- from the run's own state ---- */

/* Marks the images of a kind; returns how many. */
static int64_t mark(const struct suspects *suspects, enum suspect_kind kind, bool *out)
{
    int64_t marked = 0;
    for (int64_t i = 0; i < suspects->count; i++)
        if (suspects->list[i].kind == kind && !out[suspects->list[i].sample]) {
            out[suspects->list[i].sample] = true;
            marked++;
        }
    return marked;
}

/* Where so many are suspected that an update could not be filled without them, there is nothing to try. */
static void add_left_out(struct experiment *experiment, const struct experiment_request *request,
                         const struct suspects *suspects, enum suspect_kind kind, enum cause cause, const char *name)
{
    const struct session *session = request->session;
    const struct config *config = request->branch->config;
    bool *out = arena_push(&experiment->arena, (size_t)session->train_source.data.count * sizeof *out);
    const int64_t marked = mark(suspects, kind, out);
    if (marked == 0 ||
        session->train.subset.count - marked < (int64_t)config->train.batch_size * config->train.accumulate)
        return;
    struct arm *arm = add(experiment, ARM_ONWARD, cause, name);
    arm->left_out = out;
    arm->left_out_count = marked;
}

/* Labels are judged from what the run saw of each image; odd images, which take a look at all pixels, only where the
 * rules found some. */
static int list_suspects(struct experiment *experiment, const struct experiment_request *request)
{
    struct suspects suspects = {0};
    if (suspects_find_labels(&suspects, request->session, request->run) == OK)
        add_left_out(experiment, request, &suspects, SUSPECT_LABEL, CAUSE_LABELS, "doubtful labels left out");
    suspects_free(&suspects);
    if (!arms_suspected(request, CAUSE_OUTLIERS))
        return OK;
    int status = suspects_find_images(&suspects, request->session);
    if (status == OK)
        add_left_out(experiment, request, &suspects, SUSPECT_OUTLIER, CAUSE_OUTLIERS, "odd images left out");
    suspects_free(&suspects);
    return status;
}

static int list_onward(struct experiment *experiment, const struct experiment_request *request,
                       const struct config *config)
{
    if (!config_augments(config)) {
        struct arm *arm = add(experiment, ARM_ONWARD, CAUSE_OVERFITTING, "augmentation");
        change(arm, "augment.hflip=0.5");
        change(arm, "augment.rotate=10");
        change(arm, "augment.crop_padding=%d", request->session->card.image.h / 8);
    }
    if (config->schedule.name == SCHEDULE_CONSTANT && request->levelled)
        change(add(experiment, ARM_ONWARD, CAUSE_SCHEDULE, "rate / 10 from here on"), "optim.lr=%.9g",
               config->optim.lr / 10.0);
    return list_suspects(experiment, request);
}

/* Suspected ones first; the others stay in order. */
static void sort(struct experiment *experiment, const struct experiment_request *request, int first)
{
    struct arm *arms = experiment->arms;
    for (int i = first + 1; i < experiment->arm_count; i++)
        for (int k = i; k > first; k--) {
            if (arms_suspected(request, arms[k - 1].cause) || !arms_suspected(request, arms[k].cause))
                break;
            struct arm other = arms[k];
            arms[k] = arms[k - 1];
            arms[k - 1] = other;
        }
}

int arms_list(struct experiment *experiment, const struct experiment_request *request)
{
    const struct config *config = request->branch->config;
    /* A run that failed before its first checkpoint has no state to go on from. */
    const bool onward = request->session->val.source != NULL && request->branch->memory;
    add(experiment, ARM_ANEW, CAUSE_HEALTHY, "unchanged");
    if (onward)
        add(experiment, ARM_ONWARD, CAUSE_HEALTHY, "unchanged, from here on");
    const int first = experiment->arm_count;
    list_anew(experiment, request, config);
    if (onward)
        TRY(list_onward(experiment, request, config));
    sort(experiment, request, first);
    return OK;
}

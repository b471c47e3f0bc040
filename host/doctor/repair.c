/* repair: the settings that mend a cause, and the repaired config. Must not judge. */
#include "diagnosis.h"

#include "file.h"
#include "log.h"
#include "suspects.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

struct draft {
    char (*text)[REPAIR_TEXT];
    int count;
};

static void set(struct draft *draft, const char *key, double value)
{
    snprintf(draft->text[draft->count++], REPAIR_TEXT, "%s=%.9g", key, value);
}

static void word(struct draft *draft, const char *text)
{
    snprintf(draft->text[draft->count++], REPAIR_TEXT, "%s", text);
}

static void draft_usual(struct draft *draft, enum cause cause, const struct config *config)
{
    double lr = config->optim.lr;
    switch (cause) {
    case CAUSE_INPUT_SCALE:
        word(draft, "augment.normalize=auto");
        word(draft, "augment.mean=[]");
        word(draft, "augment.std=[]");
        break;
    case CAUSE_ILLUMINATION:
        set(draft, "augment.brightness", 0.3);
        set(draft, "augment.contrast", 0.3);
        break;
    case CAUSE_LABELS: set(draft, "train.label_smoothing", 0.1); break;
    case CAUSE_IMBALANCE: word(draft, "train.balance=true"); break;
    case CAUSE_ORDER: word(draft, "data.shuffle=true"); break;
    case CAUSE_OVERFITTING:
        set(draft, "augment.hflip", 0.5);
        set(draft, "augment.rotate", 10);
        set(draft, "augment.crop_padding", 4);
        break;
    case CAUSE_RATE_HIGH: set(draft, "optim.lr", lr / 10); break;
    case CAUSE_RATE_LOW: set(draft, "optim.lr", lr * 10); break;
    case CAUSE_BATCH_SMALL: set(draft, "train.batch_size", 4.0 * config->train.batch_size); break;
    case CAUSE_CAPACITY:
        if (config->model.name == MODEL_SMALL_CNN)
            set(draft, "model.width", 4.0 * config->model.width < 32 ? 32 : 2.0 * config->model.width);
        else if (config->model.name == MODEL_MLP)
            set(draft, "model.hidden", 4.0 * config->model.hidden < 256 ? 256 : 2.0 * config->model.hidden);
        break;
    case CAUSE_INITIALISATION: set(draft, "model.init_scale", 1); break;
    case CAUSE_NO_SIGNAL:
        if (config->model.name == MODEL_SMALL_CNN && !config->model.batch_norm)
            word(draft, "model.batch_norm=true");
        else
            set(draft, "optim.lr", lr / 10);
        break;
    case CAUSE_WEIGHT_DECAY: set(draft, "optim.weight_decay", config->optim.weight_decay / 100); break;
    case CAUSE_ADAM:
        word(draft, "optim.eps=1e-8");
        word(draft, "optim.beta1=0.9");
        word(draft, "optim.beta2=0.999");
        break;
    case CAUSE_PLAIN_SGD: set(draft, "optim.momentum", 0.9); break;
    case CAUSE_SCHEDULE:
        word(draft, "schedule.name=cosine");
        word(draft, "schedule.warmup_epochs=0");
        break;
    case CAUSE_HEALTHY:
    case CAUSE_OUTLIERS:
    case CAUSE_LEAKAGE:
    case CAUSE_COUNT: break;
    }
}

int diagnosis_repair(const struct diagnosis *diagnosis, const struct config *config,
                     char repair[static REPAIR_MAX][REPAIR_TEXT])
{
    struct draft draft = {repair, 0};
    const struct arm *arm = diagnosis_mending(diagnosis);
    if (diagnosis->left_out[0])
        snprintf(repair[draft.count++], REPAIR_TEXT, "data.leave_out=%s", diagnosis->left_out);
    else if (!arm)
        draft_usual(&draft, diagnosis->cause, config);
    else
        for (int i = 0; i < arm->override_count; i++)
            word(&draft, arm->text[i]);
    return draft.count;
}

static int find_left_out(struct suspects *suspects, enum cause cause, const struct session *session, const char *run)
{
    const enum suspect_kind kind = cause == CAUSE_LABELS ? SUSPECT_LABEL : SUSPECT_OUTLIER;
    TRY(kind == SUSPECT_LABEL ? suspects_find_labels(suspects, session, run) : suspects_find_images(suspects, session));
    suspects_keep(suspects, kind);
    return OK;
}

int diagnosis_leave_out(struct diagnosis *diagnosis, const char *run)
{
    if (diagnosis->cause != CAUSE_LABELS && diagnosis->cause != CAUSE_OUTLIERS)
        return OK;
    struct config config = {0};
    struct session session = {0};
    struct suspects suspects = {0};
    char path[PATH_BYTES];
    int status = path_join(path, run, "left-out.csv");
    if (status == OK)
        status = train_load_config(&config, run, NULL, 0);
    if (status == OK)
        status = session_open_data(&session, &config, stderr);
    if (status == OK && find_left_out(&suspects, diagnosis->cause, &session, run) < 0)
        log_warn("no images are listed: %s", fail_text());
    if (status == OK && suspects.count > 0) {
        status = suspects_write(&suspects, &session.train_source.data, path);
        text_copy(diagnosis->left_out, sizeof diagnosis->left_out, path);
    }
    suspects_free(&suspects);
    session_close(&session);
    config_free(&config);
    return status;
}

/* A network made of layers has no width to set: every layer gets four times as many filters and units, and no fewer
 * than learn anything. */
static void widen(struct config *config)
{
    for (int i = 0; i < config->layer_count; i++) {
        struct config_layer *layer = &config->layers[i];
        if (layer->filters > 0)
            layer->filters = layer->filters < 4 && layer->groups <= 1 ? 16 : 4 * layer->filters;
        if (layer->units > 0)
            layer->units = layer->units < 16 ? 64 : 4 * layer->units;
    }
}

static int write_repaired(const struct diagnosis *diagnosis, const char *run, const struct config *config,
                          const char *repair, FILE *stream)
{
    char confidence[CONFIDENCE_TEXT];
    diagnosis_say_confidence(diagnosis, confidence);
    fprintf(stream, "# %s, repaired: %s.\n# confidence: %s\n", run, diagnosis_title(diagnosis), confidence);
    for (int i = 0; i < diagnosis->count; i++)
        fprintf(stream, "# %s: step %lld, %s: %s\n", diagnosis_role(diagnosis, i), (long long)diagnosis->found[i].step,
                cause_table[diagnosis->found[i].cause].name, diagnosis->found[i].evidence);
    fprintf(stream, "# changed: %s\n\n", repair);
    return config_write(config, stream);
}

int diagnosis_apply(const struct diagnosis *diagnosis, const char *run, const char *file)
{
    struct config old = {0}, config = {0};
    struct new_file out;
    struct arena arena = {0};
    char repair[REPAIR_MAX][REPAIR_TEXT];
    const char *overrides[REPAIR_MAX + 1], *list = "";
    TRY(train_load_config(&old, run, NULL, 0));
    int count = diagnosis_repair(diagnosis, &old, repair);
    const bool widens = diagnosis->cause == CAUSE_CAPACITY && old.layer_count > 0;
    int status = count > 0 || widens ? OK
                                     : FAIL(ERR_CONFIG, "%s: %s, which no setting mends: %s", run,
                                            diagnosis_title(diagnosis), cause_table[diagnosis->cause].action);
    for (int i = 0; i < count; i++) {
        overrides[i] = repair[i];
        list = arena_format(&arena, "%s%s%s", list, i ? ", " : "", repair[i]);
    }
    if (widens)
        list = "filters and units of the layers";
    overrides[count] = arena_format(&arena, "run.name=%.100s-repaired", old.name);
    if (status == OK)
        status = train_load_config(&config, run, overrides, count + 1);
    if (status == OK && widens)
        widen(&config);
    if (status == OK)
        status = new_file_open(&out, file);
    if (status == OK) {
        status = write_repaired(diagnosis, run, &config, list, out.stream);
        status = status < 0 ? (new_file_abandon(&out), status) : new_file_commit(&out);
    }
    arena_free(&arena);
    config_free(&old);
    config_free(&config);
    return status;
}

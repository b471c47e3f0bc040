/* repair: the settings that mend a cause, and the repaired config. Must not judge. */
#include "diagnosis.h"

#include "file.h"
#include "log.h"
#include "suspects.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static size_t key_length(const char *setting)
{
    return strcspn(setting, "=");
}

/* Whether a key, or what sets it, is of how long a run is, or its schedule's steps: of several wishes the longest
 * serves all. */
static bool is_length(const char *setting)
{
    static const char *const keys[] = {"train.epochs", "train.max_steps", "schedule.step_epochs", "schedule.patience"};
    for (int i = 0; i < COUNT_OF(keys); i++)
        if (key_length(setting) == strlen(keys[i]) && strncmp(setting, keys[i], strlen(keys[i])) == 0)
            return true;
    return false;
}

/* Whether a remedy sets all that a trial did. */
static bool makes_all_of(const struct arm *arm, const struct remedy *remedy, const struct remedy_case *asked)
{
    char text[REMEDY_MOST][EDIT_TEXT];
    const int size = remedy_say(remedy, asked, text);
    int there = 0;
    for (int i = 0; i < arm->override_count; i++)
        for (int k = 0; k < size; k++)
            there += strcmp(arm->text[i], text[k]) == 0;
    return there == arm->override_count;
}

/* Whether it is of how images are changed by lot. */
static bool augments(const char *setting)
{
    for (const char *const *key = config_augmentations; *key; key++)
        if (key_length(setting) == strlen(*key) && strncmp(setting, *key, strlen(*key)) == 0)
            return true;
    return false;
}

/* Whether the run's own trial of one cure did not help. Images that change take longer to learn: a repair that makes
 * the run longer as well is more than its trial was. */
static bool is_no_cure(const struct diagnosis *diagnosis, const struct remedy *remedy, const struct remedy_case *asked)
{
    char text[REMEDY_MOST][EDIT_TEXT];
    const int size = remedy_say(remedy, asked, text);
    bool changing = false, longer = false;
    for (int i = 0; i < size; i++) {
        changing |= augments(text[i]);
        longer |= is_length(text[i]);
    }
    if (changing && longer)
        return false;
    for (int i = 0; diagnosis->probed && i < diagnosis->experiment.arm_count; i++) {
        const struct arm *arm = &diagnosis->experiment.arms[i];
        if (arm->cause == diagnosis->cause && arm->done && !arm->helps && arm_is_one_cure(arm) &&
            makes_all_of(arm, remedy, asked))
            return true;
    }
    return false;
}

/* What a cause's row has for a run: its own repair, or what its trial changes. */
static const struct remedy *usual_remedy(const struct diagnosis *diagnosis, const struct remedy_case *asked)
{
    const struct cause_info *info = &cause_table[diagnosis->cause];
    static const struct remedy none;
    for (int i = 0; i < REPAIRS_MOST; i++) {
        const struct remedy *own = &info->repairs[i];
        if (remedy_is_any(own) && (!own->fits || own->fits(asked)) && !is_no_cure(diagnosis, own, asked))
            return own;
    }
    const struct remedy *tried = &info->trials[0].remedy;
    return (tried->fits && !tried->fits(asked)) || is_no_cure(diagnosis, tried, asked) ? &none : tried;
}

/* Of several repairs that which makes what a trial made; the usual one where none does. */
static const struct remedy *remedy_of(const struct diagnosis *diagnosis, const struct arm *arm,
                                      const struct remedy_case *asked)
{
    for (int i = 0; arm->override_count > 0 && i < REPAIRS_MOST; i++) {
        const struct remedy *own = &cause_table[diagnosis->cause].repairs[i];
        if (remedy_is_any(own) && (!own->fits || own->fits(asked)) && makes_all_of(arm, own, asked))
            return own;
    }
    return usual_remedy(diagnosis, asked);
}

/* Of a cause's own repair what no trial is long enough for: the average, and how long the run is. */
static int say_lasting(const struct remedy *remedy, const struct remedy_case *asked,
                       char text[static REMEDY_MOST][EDIT_TEXT])
{
    struct remedy lasting = {.fits = NULL};
    int count = 0;
    for (int i = 0; i < EDITS_MOST && remedy->edits[i].key; i++)
        if (remedy->edits[i].averages > 0.0 || is_length(remedy->edits[i].key))
            lasting.edits[count++] = remedy->edits[i];
    return remedy_say(&lasting, asked, text);
}

static double falls_short(const struct diagnosis *diagnosis)
{
    for (int i = 0; i < diagnosis->count; i++)
        if (diagnosis->found[i].cause == diagnosis->cause)
            return diagnosis->found[i].falls_short;
    return 0.0;
}

/* "key=value" of what the config has already changes nothing. */
static bool is_set_already(const struct config *config, const char *setting)
{
    const char *value = strchr(setting, '=') + 1;
    char key[EDIT_TEXT], is[EDIT_TEXT], quoted[EDIT_TEXT + 2];
    snprintf(key, sizeof key, "%.*s", (int)(value - 1 - setting), setting);
    snprintf(quoted, sizeof quoted, "\"%s\"", value);
    if (!config_get(config, key, is, sizeof is))
        return false;
    double a, b;
    return strcmp(is, value) == 0 || strcmp(is, quoted) == 0 ||
           (text_to_double(is, &a) && text_to_double(value, &b) && a == b);
}

static bool leaves_out(const struct diagnosis *diagnosis)
{
    const enum cause cause = diagnosis->cause;
    return diagnosis->left_out[0] && (cause == CAUSE_LABELS || cause == CAUSE_OUTLIERS || cause == CAUSE_LEAKAGE);
}

/* Share of the images that stay in training; 0: all. */
static double kept(const struct diagnosis *diagnosis)
{
    const double images = (double)diagnosis->train_images, left_out = (double)diagnosis->left_out_count;
    return leaves_out(diagnosis) && left_out < images ? 1.0 - left_out / images : 0.0;
}

/* Whether what mends a small batch is the trial of another cause, which leaves it as it is. */
static bool mends_otherwise(const struct diagnosis *diagnosis)
{
    const struct arm *arm = diagnosis_mending(diagnosis);
    return arm && arm->cause != CAUSE_BATCH_SMALL;
}

static struct remedy_case case_of(const struct diagnosis *diagnosis, const struct config *config)
{
    const struct arm *own = diagnosis->probed ? experiment_arm(&diagnosis->experiment, diagnosis->cause) : NULL;
    return (struct remedy_case){.config = config,
                                .tried = own,
                                .gained = own && own->gain > 0.0,
                                .wider = diagnosis->probed && experiment_wants_wider(&diagnosis->experiment),
                                .suspected = true,
                                .left_out = leaves_out(diagnosis),
                                .missing = true,
                                .steps = diagnosis->steps,
                                .kept = kept(diagnosis),
                                .lit = doctor_lit(diagnosis->found, diagnosis->count),
                                .rate_scale = diagnosis->rate_scale,
                                .batch_stays = mends_otherwise(diagnosis),
                                .falls_short = falls_short(diagnosis)};
}

/* Whether a trial speaks against what mends a cause beside the verdict's: it does harm, or does not help the cause that
 * others overruled, or images are left out and that is decided to be no gain. */
static bool is_in_vain(const struct diagnosis *diagnosis, enum cause cause)
{
    const struct experiment *experiment = &diagnosis->experiment;
    const struct arm *own = diagnosis->probed ? experiment_arm(experiment, cause) : NULL;
    if (!own || own->helps || arm_is_one_cure(own))
        return false;
    const bool decided = own->left_out_count > 0 && !experiment_undecided(experiment, own);
    return experiment_worsened(experiment, cause) ||
           (cause != diagnosis->cause && (decided || cause == diagnosis->first_guess));
}

/* What the run's own trials showed to do harm, and labels that say nothing, which only the right ones mend. Where
 * augmentation does harm, the repair is another. */
static bool is_beyond_repair(const struct diagnosis *diagnosis)
{
    return !diagnosis->proof && ((diagnosis->probed && diagnosis->cause != CAUSE_OVERFITTING &&
                                  experiment_worsened(&diagnosis->experiment, diagnosis->cause)) ||
                                 (diagnosis->count > 0 && symptom_is_of_all_labels(&diagnosis->found[0])));
}

enum layer_change diagnosis_layers(const struct diagnosis *diagnosis, const struct config *config)
{
    const struct remedy_case asked = case_of(diagnosis, config);
    const struct arm *arm = diagnosis_mending(diagnosis);
    if (is_beyond_repair(diagnosis))
        return LAYERS_KEPT;
    return arm ? arm->layers : usual_remedy(diagnosis, &asked)->layers;
}

/* The settings that mend its cause, whatever else was found. */
static int mend_cause(const struct diagnosis *diagnosis, const struct config *config,
                      char repair[static REPAIR_MAX][REPAIR_TEXT])
{
    const struct remedy_case asked = case_of(diagnosis, config);
    const struct arm *arm = leaves_out(diagnosis) ? NULL : diagnosis_mending(diagnosis);
    int count = 0;
    if (is_beyond_repair(diagnosis))
        return 0;
    if (leaves_out(diagnosis))
        snprintf(repair[count++], REPAIR_TEXT, "data.leave_out=%s", diagnosis->left_out);
    for (int i = 0; arm && i < arm->override_count; i++)
        if (!is_set_already(config, arm->text[i]))
            text_copy(repair[count++], REPAIR_TEXT, arm->text[i]);
    /* Trials of the rate have the whole of it from their first update on. */
    if (diagnosis->warming && (diagnosis->cause == CAUSE_RATE_HIGH || diagnosis->cause == CAUSE_RATE_LOW))
        text_copy(repair[count++], REPAIR_TEXT, "schedule.warmup_epochs=0");
    const struct remedy *remedy = arm ? remedy_of(diagnosis, arm, &asked) : usual_remedy(diagnosis, &asked);
    char text[REMEDY_MOST][EDIT_TEXT];
    const int size = arm ? say_lasting(remedy, &asked, text) : remedy_say(remedy, &asked, text);
    for (int i = 0; i < size && count < REPAIR_MAX; i++)
        if (!is_set_already(config, text[i]))
            text_copy(repair[count++], REPAIR_TEXT, text[i]);
    return count;
}

/* Whether what was found beside the cause is no consequence of it, by evidence of its own: counted in the images or in
 * the config, or wrong labels that are listed one by one. An order that is counted is a setting, whatever it explains;
 * of what holds a run back there are never updates enough. */
static bool stands_alone(const struct diagnosis *diagnosis, const struct symptom *symptom)
{
    struct symptom image;
    const bool counted = doctor_image(&image, symptom->rule);
    if (symptom->cause == diagnosis->cause || symptom->cause == CAUSE_UNKNOWN || symptom->cause == CAUSE_FEW_UPDATES ||
        is_in_vain(diagnosis, symptom->cause))
        return false;
    if (counted && symptom->cause == CAUSE_ORDER)
        return true;
    return symptom_speaks(symptom) && (counted || symptom->effects & (EFFECT_START | EFFECT_SETTING) ||
                                       (symptom->cause == CAUSE_LABELS && diagnosis->left_out[0]));
}

static int find_key(char repair[static REPAIR_MAX][REPAIR_TEXT], int count, const char *setting)
{
    const size_t length = key_length(setting) + 1;
    for (int i = 0; i < count; i++)
        if (strncmp(repair[i], setting, length) == 0)
            return i;
    return -1;
}

static bool contradicts(char repair[static REPAIR_MAX][REPAIR_TEXT], int count, const char *setting)
{
    const int place = find_key(repair, count, setting);
    return place >= 0 && !is_length(setting) && strcmp(repair[place], setting) != 0;
}

/* Adds what mends another cause, all of it or, where any of it contradicts what is there, nothing. */
static int join(char repair[static REPAIR_MAX][REPAIR_TEXT], enum cause of[static REPAIR_MAX], int count,
                char more[static REPAIR_MAX][REPAIR_TEXT], int more_count, enum cause cause)
{
    if (count + more_count > REPAIR_MAX)
        return count;
    for (int i = 0; i < more_count; i++)
        if (contradicts(repair, count, more[i]))
            return count;
    for (int i = 0; i < more_count; i++) {
        const int place = find_key(repair, count, more[i]);
        if (place < 0) {
            of[count] = cause;
            text_copy(repair[count++], REPAIR_TEXT, more[i]);
        } else if (atof(strchr(more[i], '=') + 1) > atof(strchr(repair[place], '=') + 1)) {
            of[place] = cause;
            text_copy(repair[place], REPAIR_TEXT, more[i]);
        }
    }
    return count;
}

bool diagnosis_rate_was_cut(const struct diagnosis *diagnosis)
{
    return diagnosis->rate_scale > 0.0 && diagnosis->rate_scale != 1.0 && !diagnosis->too_early;
}

/* What autopilot made of the rate is what the run trained with; the config has it as it was. */
static int keep_reached(const struct diagnosis *diagnosis, const struct config *config,
                        char repair[static REPAIR_MAX][REPAIR_TEXT], enum cause of[static REPAIR_MAX], int count)
{
    if (!diagnosis_rate_was_cut(diagnosis) || count == REPAIR_MAX || find_key(repair, count, "optim.lr=") >= 0)
        return count;
    of[count] = diagnosis->cause;
    snprintf(repair[count++], REPAIR_TEXT, "optim.lr=%.9g", diagnosis->rate_scale * config->optim.lr);
    return count;
}

int diagnosis_repair(const struct diagnosis *diagnosis, const struct config *config,
                     char repair[static REPAIR_MAX][REPAIR_TEXT], enum cause of[static REPAIR_MAX])
{
    int count = mend_cause(diagnosis, config, repair);
    for (int i = 0; i < count; i++)
        of[i] = diagnosis->cause;
    const bool mended = count > 0 || diagnosis_layers(diagnosis, config);
    for (int i = 0; i < diagnosis->count && mended; i++) {
        if (!stands_alone(diagnosis, &diagnosis->found[i]))
            continue;
        char more[REPAIR_MAX][REPAIR_TEXT];
        struct diagnosis other = *diagnosis;
        other.cause = diagnosis->found[i].cause;
        other.proof = NULL;
        count = join(repair, of, count, more, mend_cause(&other, config, more), other.cause);
    }
    return keep_reached(diagnosis, config, repair, of, count);
}

static bool speaks(const struct diagnosis *diagnosis, enum cause cause)
{
    bool found = diagnosis->cause == cause;
    for (int i = 0; i < diagnosis->count; i++)
        found |= diagnosis->found[i].cause == cause && symptom_speaks(&diagnosis->found[i]);
    return found && !is_in_vain(diagnosis, cause);
}

void diagnosis_count_left_out(struct diagnosis *diagnosis, const struct suspects *suspects)
{
    struct arena arena = {0};
    int64_t images = 0;
    for (int64_t i = 0; i < suspects->count; i++)
        images = suspects->list[i].sample < images ? images : suspects->list[i].sample + 1;
    bool *seen = arena_push(&arena, (size_t)images * sizeof *seen);
    diagnosis->left_out_count = 0;
    diagnosis->left_out_mixed = false;
    for (int64_t i = 0; i < suspects->count; i++) {
        const struct suspect *suspect = &suspects->list[i];
        diagnosis->left_out_count += !seen[suspect->sample];
        diagnosis->left_out_mixed |= suspect->kind != suspects->list[0].kind;
        seen[suspect->sample] = true;
    }
    arena_free(&arena);
}

static bool is_older(const char *run, const char *name, const struct stat *than)
{
    char path[PATH_BYTES];
    struct stat info;
    if (path_join(path, run, name) < 0 || stat(path, &info) < 0)
        return false;
    return info.st_mtim.tv_sec != than->st_mtim.tv_sec ? info.st_mtim.tv_sec < than->st_mtim.tv_sec
                                                       : info.st_mtim.tv_nsec < than->st_mtim.tv_nsec;
}

/* The list that --apply wrote since the run ended, as it is now: a person may have taken images off it. */
static bool is_written(struct suspects *suspects, const char *run, const char *path,
                       const bool kinds[static SUSPECT_KINDS])
{
    struct stat info;
    bool right = stat(path, &info) == 0 && is_older(run, "steps.csv", &info) && suspects_read(suspects, path) == OK;
    for (int64_t i = 0; right && i < suspects->count; i++)
        right = kinds[suspects->list[i].kind];
    if (!right)
        suspects_free(suspects);
    return right;
}

/* Without the images, where that can be. */
static bool is_recorded(struct suspects *suspects, const struct config *config, const char *run, const char *path,
                        const bool kinds[static SUSPECT_KINDS])
{
    if (is_written(suspects, run, path, kinds))
        return true;
    const bool labels_alone = !kinds[SUSPECT_OUTLIER] && !kinds[SUSPECT_DUPLICATE];
    if (labels_alone && suspects_find_recorded(suspects, config, run) == OK)
        return true;
    suspects_free(suspects);
    return false;
}

int diagnosis_leave_out(struct diagnosis *diagnosis, const char *run, bool write)
{
    const bool kinds[SUSPECT_KINDS] = {[SUSPECT_LABEL] = speaks(diagnosis, CAUSE_LABELS),
                                       [SUSPECT_OUTLIER] = speaks(diagnosis, CAUSE_OUTLIERS),
                                       [SUSPECT_DUPLICATE] = speaks(diagnosis, CAUSE_LEAKAGE)};
    if (diagnosis->cause == CAUSE_HEALTHY ||
        !(kinds[SUSPECT_LABEL] || kinds[SUSPECT_OUTLIER] || kinds[SUSPECT_DUPLICATE]))
        return OK;
    struct config config = {0};
    struct session session = {0};
    struct suspects suspects = {0};
    char path[PATH_BYTES];
    int status = path_join(path, run, "left-out.csv");
    if (status == OK)
        status = train_load_config(&config, run, NULL, 0);
    if (status == OK && (write || !is_recorded(&suspects, &config, run, path, kinds))) {
        status = session_open_data(&session, &config, write ? stderr : NULL);
        if (status == OK)
            suspects_find_wanted(&suspects, &session, run, kinds);
    }
    if (status == OK && suspects.count > 0) {
        if (write)
            status = suspects_write(&suspects, (struct suspect_images){&session.train_source.data, NULL}, path);
        text_copy(diagnosis->left_out, sizeof diagnosis->left_out, path);
        diagnosis_count_left_out(diagnosis, &suspects);
    } else if (status < 0 && !write) {
        log_warn("which images are to be left out is not known: %s", fail_text());
        status = OK;
    }
    suspects_free(&suspects);
    session_close(&session);
    config_free(&config);
    return status;
}

/* What is changed for a cause, "a, b"; "": nothing. */
static const char *changes_for(char repair[static REPAIR_MAX][REPAIR_TEXT], const enum cause of[static REPAIR_MAX],
                               int count, enum cause cause, struct arena *arena)
{
    const char *list = "";
    for (int i = 0; i < count; i++)
        if (of[i] == cause)
            list = arena_format(arena, "%s%s%s", list, *list ? ", " : "", repair[i]);
    return list;
}

/* Each finding with what is changed for it, and what it takes: old, the run's own config. */
static int write_repaired(const struct diagnosis *diagnosis, const char *run, const struct config *old,
                          const struct config *config, const char *const changes[static CAUSE_COUNT], FILE *stream)
{
    char confidence[CONFIDENCE_TEXT], action[ACTION_TEXT];
    diagnosis_say_confidence(diagnosis, confidence);
    fprintf(stream, "# %s, repaired: %s.\n# confidence: %s\n", run, diagnosis_title(diagnosis), confidence);
    for (int i = 0; i < diagnosis->count; i++)
        fprintf(stream, "# %s: step %lld, %s: %s\n", diagnosis_role(diagnosis, i), (long long)diagnosis->found[i].step,
                cause_table[diagnosis->found[i].cause].name, diagnosis->found[i].evidence);
    diagnosis_say_action(diagnosis, old, action);
    fprintf(stream, "# action: %s\n", action);
    fprintf(stream, "# changed: %s\n", changes[diagnosis->cause]);
    for (int i = 0; i < diagnosis->count; i++) {
        const struct symptom *symptom = &diagnosis->found[i];
        if (symptom->cause == diagnosis->cause)
            continue;
        if (*changes[symptom->cause])
            fprintf(stream, "# changed for %s: %s\n", cause_table[symptom->cause].name, changes[symptom->cause]);
        else if (symptom_speaks(symptom))
            fprintf(stream, "# nothing more is changed for %s\n", cause_table[symptom->cause].name);
    }
    fputs("\n", stream);
    return config_write(config, stream);
}

int diagnosis_apply(const struct diagnosis *diagnosis, const char *run, const char *file)
{
    struct config old = {0}, config = {0};
    struct new_file out;
    struct arena arena = {0};
    char repair[REPAIR_MAX][REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    const char *overrides[REPAIR_MAX + 1], *changes[CAUSE_COUNT];
    TRY(train_load_config(&old, run, NULL, 0));
    int count = diagnosis_repair(diagnosis, &old, repair, of);
    const enum layer_change layers = diagnosis_layers(diagnosis, &old);
    int status = count > 0 || layers ? OK
                                     : FAIL(ERR_CONFIG, "%s: %s, which no setting mends that it has not already: %s",
                                            run, diagnosis_title(diagnosis), cause_action(diagnosis->cause, &old));
    for (int i = 0; i < count; i++)
        overrides[i] = repair[i];
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        changes[cause] = changes_for(repair, of, count, (enum cause)cause, &arena);
    if (layers)
        changes[diagnosis->cause] = arena_format(&arena, "%s%s%s", changes[diagnosis->cause],
                                                 *changes[diagnosis->cause] ? ", " : "", layer_changes[layers]);
    overrides[count] = arena_format(&arena, "run.name=%.100s-repaired", old.name);
    if (status == OK)
        status = train_load_config(&config, run, overrides, count + 1);
    if (status == OK)
        layers_change(&config, layers);
    if (status == OK)
        status = new_file_open(&out, file);
    if (status == OK) {
        status = write_repaired(diagnosis, run, &old, &config, changes, out.stream);
        status = status < 0 ? (new_file_abandon(&out), status) : new_file_commit(&out);
    }
    arena_free(&arena);
    config_free(&old);
    config_free(&config);
    return status;
}

/* arms: which of the trials in causes.c there are for a run. Only what its config sets otherwise than usual is tried,
 * besides the rate, the batch and the optimizer. Must not run them. */
#include "arms.h"

#include "file.h"
#include "fits.h"
#include "suspects.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arm *add(struct experiment *experiment, enum arm_family family, enum cause cause, const char *name)
{
    struct arm *arm = &experiment->arms[experiment->arm_count++];
    *arm = (struct arm){.family = family, .cause = cause, .pace = 1};
    text_copy(arm->name, sizeof arm->name, name);
    return arm;
}

static void change(struct arm *arm, const struct remedy *remedy, const struct remedy_case *asked)
{
    arm->override_count = remedy_say(remedy, asked, arm->text);
    arm->layers = remedy->layers;
}

/* Place of a cause among what the rules found; behind all: they did not. */
static int place_of(const struct experiment_request *request, enum cause cause)
{
    int i = 0;
    while (i < request->suspected_count && request->suspected[i].cause != cause &&
           !(cause == CAUSE_RATE_HIGH && request->suspected[i].cause == CAUSE_NO_SIGNAL))
        i++;
    return i;
}

bool arms_suspected(const struct experiment_request *request, enum cause cause)
{
    return place_of(request, cause) < request->suspected_count;
}

/* The first that is wrong with a config, of what was said. */
static void take_reason(struct arm *arm, const char *text)
{
    const char *reason = strstr(text, "error: "), *end;
    reason = reason ? reason + strlen("error: ") : text;
    end = reason + strcspn(reason, "\n");
    snprintf(arm->refused, sizeof arm->refused, "not possible: %.*s", (int)(end - reason), reason);
}

/* What a config refuses beside the rest of it cannot be tried, and is no reason to try nothing. */
static int keep_if_possible(struct experiment *experiment, const char *run)
{
    struct arm *arm = &experiment->arms[experiment->arm_count - 1];
    struct config config = {0};
    const char *overrides[ARM_OVERRIDES];
    char path[PATH_BYTES], *text = NULL;
    size_t bytes = 0;
    for (int i = 0; i < arm->override_count; i++)
        overrides[i] = arm->text[i];
    TRY(path_join(path, run, "config.resolved.ini"));
    FILE *said = open_memstream(&text, &bytes);
    if (!said)
        return FAIL(ERR_MEMORY, "no memory for a trial's config");
    int status = config_load(&config, path, overrides, arm->override_count, said);
    fclose(said);
    config_free(&config);
    if (status == ERR_CONFIG) {
        take_reason(arm, text);
        status = OK;
    }
    free(text);
    return status;
}

int arms_add_rate(struct experiment *experiment, const struct experiment_request *request, enum cause cause, int rung)
{
    char name[48];
    const struct remedy_case asked = {.config = request->branch->config};
    struct remedy remedy = cause_table[cause].trials[0].remedy;
    remedy.edits[0].factor = pow(remedy.edits[0].factor, rung);
    snprintf(name, sizeof name, "rate %s %.0f", cause == CAUSE_RATE_HIGH ? "/" : "x", pow(4.0, rung));
    struct arm *arm = add(experiment, ARM_ANEW, cause, name);
    arm->suspected = arms_suspected(request, cause);
    change(arm, &remedy, &asked);
    return keep_if_possible(experiment, request->run);
}

int arms_parts(const struct arm *whole, const struct config *config, int order[static ARM_OVERRIDES])
{
    int count = 0;
    for (int unusual = 1; unusual >= 0; unusual--)
        for (int i = 0; i < whole->override_count; i++)
            if (setting_is_unusual(whole->text[i], config) == (bool)unusual)
                order[count++] = i;
    return count;
}

int arms_add_part(struct experiment *experiment, const struct experiment_request *request, int whole, int change)
{
    const struct arm *of = &experiment->arms[whole];
    const char *setting = of->text[change];
    char name[48];
    snprintf(name, sizeof name, "no %.*s", (int)strcspn(setting, "="), setting);
    struct arm *arm = add(experiment, of->family, of->cause, name);
    arm->suspected = of->suspected;
    arm->override_count = 1;
    text_copy(arm->text[0], sizeof arm->text[0], setting);
    return keep_if_possible(experiment, request->run);
}

/* ---- images left out ---- */

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
    struct arm *arm = add(experiment, ARM_UNSEEN, cause, name);
    arm->left_out = out;
    arm->left_out_count = marked;
}

/* Labels are judged from what the run saw of each image; odd images, which take a look at all pixels, only where the
 * rules found some. */
static int list_left_out(struct experiment *experiment, const struct experiment_request *request, enum cause cause,
                         const struct cause_trial *trial)
{
    struct suspects suspects = {0};
    const bool labels = trial->left_out == LEAVE_LABELS;
    if (!labels && !arms_suspected(request, cause))
        return OK;
    int status = labels ? suspects_find_labels(&suspects, request->session, request->run)
                        : suspects_find_images(&suspects, request->session);
    if (status == OK)
        add_left_out(experiment, request, &suspects, labels ? SUSPECT_LABEL : SUSPECT_OUTLIER, cause, trial->name);
    suspects_free(&suspects);
    return labels ? OK : status; /* a run that does not say which labels are doubtful has no such trial */
}

/* ---- all of them ---- */

/* One trial that speaks for several causes is made once, and speaks for the one that the rules rank first. */
static bool is_listed(struct experiment *experiment, const struct experiment_request *request, enum cause cause,
                      const struct cause_trial *trial)
{
    for (int i = 0; i < experiment->arm_count; i++) {
        struct arm *arm = &experiment->arms[i];
        if (strcmp(arm->name, trial->name) != 0)
            continue;
        if (place_of(request, cause) < place_of(request, arm->cause))
            arm->cause = cause;
        return true;
    }
    return false;
}

static int list_trial(struct experiment *experiment, const struct experiment_request *request, enum cause cause,
                      const struct cause_trial *trial)
{
    const struct remedy_case asked = {.config = request->branch->config,
                                      .suspected = arms_suspected(request, cause),
                                      .levelled = request->levelled,
                                      .stands = request->stands,
                                      .missing = request->missing,
                                      .lit = doctor_lit(request->suspected, request->suspected_count),
                                      .side = request->session->card.image.h,
                                      .images = request->session->train.subset.count};
    if (trial->left_out)
        return list_left_out(experiment, request, cause, trial);
    if (trial->remedy.fits && !trial->remedy.fits(&asked))
        return OK;
    if (is_listed(experiment, request, cause, trial))
        return OK;
    struct arm *arm = add(experiment, trial->family, cause, trial->name);
    arm->pace = trial->pace > 0 ? trial->pace : 1;
    change(arm, &trial->remedy, &asked);
    return keep_if_possible(experiment, request->run);
}

/* Those of a family: what is tried on every run, then what this one sets unusually. */
static int list_family(struct experiment *experiment, const struct experiment_request *request, enum arm_family family)
{
    for (int usual = 1; usual >= 0; usual--)
        for (int cause = 0; cause < CAUSE_COUNT; cause++)
            for (int i = 0; i < TRIALS_MOST; i++) {
                const struct cause_trial *trial = &cause_table[cause].trials[i];
                if (trial->name && trial->family == family && cause_table[cause].usual == usual)
                    TRY(list_trial(experiment, request, (enum cause)cause, trial));
            }
    return OK;
}

/* What is tried only where the records say that it may help: a lower rate of a run that stands at one, images that are
 * doubted. */
static bool is_likely(const struct arm *arm)
{
    return arm->left_out || arm_is_from_here(arm);
}

/* What a config sets unlike most is the likeliest culprit, and costs one trial each; then what the rules suspect, as
 * they rank it, and what the records make likely; the others stay in order. */
static bool is_before(const struct experiment_request *request, const struct arm *a, const struct arm *b)
{
    const struct config *config = request->branch->config;
    const bool unusual = arm_is_of_the_unusual(a, config);
    if (unusual != arm_is_of_the_unusual(b, config))
        return unusual;
    const int place = place_of(request, a->cause), other = place_of(request, b->cause);
    return place != other ? place < other : is_likely(a) && !is_likely(b);
}

static void sort(struct experiment *experiment, const struct experiment_request *request, int first)
{
    struct arm *arms = experiment->arms;
    for (int i = first + 1; i < experiment->arm_count; i++)
        for (int k = i; k > first && is_before(request, &arms[k], &arms[k - 1]); k--) {
            struct arm other = arms[k];
            arms[k] = arms[k - 1];
            arms[k - 1] = other;
        }
}

/* A family beside the first, with the unchanged trial that it is compared with, where it has any. */
static int list_with_unchanged(struct experiment *experiment, const struct experiment_request *request,
                               enum arm_family family, const char *unchanged)
{
    const int listed = experiment->arm_count;
    TRY(list_family(experiment, request, family));
    if (experiment->arm_count > listed)
        add(experiment, family, CAUSE_HEALTHY, unchanged);
    return OK;
}

int arms_list(struct experiment *experiment, const struct experiment_request *request)
{
    /* A run that failed before its first checkpoint has no state to go on from. */
    const bool onward = request->session->val.source != NULL && request->branch->memory;
    add(experiment, ARM_ANEW, CAUSE_HEALTHY, "unchanged");
    if (onward)
        add(experiment, ARM_ONWARD, CAUSE_HEALTHY, "unchanged, from here on");
    const int first = experiment->arm_count;
    TRY(list_family(experiment, request, ARM_ANEW));
    if (onward) {
        TRY(list_family(experiment, request, ARM_ONWARD));
        TRY(list_with_unchanged(experiment, request, ARM_FREED, "unchanged, whole rate"));
        TRY(list_with_unchanged(experiment, request, ARM_UNSEEN, "unchanged, unseen images"));
    }
    sort(experiment, request, first);
    for (int i = 0; i < experiment->arm_count; i++) {
        struct arm *arm = &experiment->arms[i];
        arm->suspected = arms_suspected(request, arm->cause) || arm_is_of_the_unusual(arm, request->branch->config) ||
                         arm_is_from_here(arm);
    }
    return OK;
}

/* doctor: the command that says why a run's loss moves as it does. Knows the command line and the layout of the answer.
 */
#include "cli.h"
#include "diagnosis.h"
#include "doctor_samples.h"
#include "file.h"
#include "json.h"
#include "log.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { INDENT = 11, TRIAL_INDENT = INDENT + 25 };

static void print_symptoms(const struct diagnosis *diagnosis)
{
    for (int i = 0; i < diagnosis->count; i++) {
        const struct symptom *symptom = &diagnosis->found[i];
        cli_say(stdout, INDENT, diagnosis_role(diagnosis, i), "step %lld, %s: %s", (long long)symptom->step,
                cause_table[symptom->cause].name, symptom->evidence);
    }
}

static bool is_compared(const struct experiment *experiment, const struct arm *arm)
{
    return arm->cause != CAUSE_HEALTHY && arm->done && isfinite(arm->gain) && !experiment_is_lost(experiment, arm);
}

static void print_trial(const struct diagnosis *diagnosis, const struct arm *arm)
{
    if (arm->cause == CAUSE_HEALTHY && !arm->done)
        return; /* nothing was compared with it */
    char lead[80];
    snprintf(lead, sizeof lead, "%*s%s", INDENT, "", arm->name);
    const char *why = arm->cause == CAUSE_HEALTHY ? "" : diagnosis_why(diagnosis, arm);
    char came_to[TRIAL_TEXT];
    if (arm->done)
        experiment_say_trial(&diagnosis->experiment, arm, came_to);
    if (arm->cause == CAUSE_HEALTHY && isfinite(arm->result.loss))
        cli_say(stdout, TRIAL_INDENT, lead, "%s, %s%s%s", came_to,
                arm->family == ARM_ANEW || arm->family == ARM_UNSEEN ? "from new weights, " : "",
                arm->family == ARM_ANEW ? "of training images" : "of validation images",
                arm == diagnosis->proof ? "; proves it" : "");
    else if (arm->cause == CAUSE_HEALTHY)
        cli_say(stdout, TRIAL_INDENT, lead, "%s", came_to);
    else if (!arm->done || !isfinite(arm->result.loss))
        cli_say(stdout, TRIAL_INDENT, lead, "%s", why);
    else
        cli_say(stdout, TRIAL_INDENT, lead, "%s; %s", came_to, why);
}

static void print_trials(const struct diagnosis *diagnosis)
{
    const struct experiment *experiment = &diagnosis->experiment;
    if (!experiment_tried(experiment) && experiment->stopped) {
        cli_say(stdout, INDENT, "trials", "none: interrupted before two of them had ended");
        return;
    }
    if (!experiment_tried(experiment) && experiment->update_seconds > 0.0) {
        cli_say(
            stdout, INDENT, "trials",
            "none: two of %d updates take about %.0f s, and the budget is %g s; --budget %.0fs is enough for all %d",
            experiment->updates, ceil(2.0 * (experiment->updates + experiment->settling) * experiment->update_seconds),
            experiment->seconds_allowed, ceil(experiment->updates_wanted * experiment->update_seconds / 0.9),
            experiment->arm_count);
        return;
    }
    if (!experiment_tried(experiment)) {
        cli_say(stdout, INDENT, "trials",
                "none: two of %d updates are needed at least, and the budget has %.0f; --budget %d is enough "
                "for these, --budget %.0f for all %d",
                experiment->updates, experiment->updates_allowed, 2 * experiment->updates,
                ceil(experiment->updates_wanted), experiment->arm_count);
        return;
    }
    cli_say(stdout, INDENT, "trials", "%d updates each, on the same images; %.0f updates and %.1f s in all",
            experiment->updates, experiment->updates_spent, experiment->seconds);
    bool all = experiment->memory_done, compares = false;
    int order[ARMS_MAX];
    experiment_rank(experiment, order);
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[order[i]];
        all = all && !arm_is_missing(arm);
        print_trial(diagnosis, arm);
        if (arm->longer > 0)
            printf("%*s%-25s%s loss %.4g in %d updates, and of the run %.4g at best\n", INDENT, "",
                   "  once more, longer", isfinite(diagnosis->val_least) ? "validation" : "training", arm->longer_loss,
                   arm->longer, diagnosis_reached(diagnosis));
        compares = compares || is_compared(experiment, arm);
    }
    if (compares)
        cli_say(stdout, INDENT, "",
                "+- is one standard error; a difference counts from %.0f of them, of loss or of images right",
                FAULT_SURE);
    if (experiment->memory_done)
        printf("%*s%-25s%.1f %% of %d images\n", INDENT, "", "learnt by heart",
               100.0 * experiment->memory.best_accuracy, experiment->memory_images);
    else
        printf("%*s%-25snot told: %s\n", INDENT, "", "learnt by heart",
               experiment->stopped ? "it was interrupted" : "the budget was spent");
    if (experiment->wider_done)
        printf("%*s%-25s%.1f %% of them\n", INDENT, "", "wider, by heart", 100.0 * experiment->wider.best_accuracy);
    const double pace = experiment->seconds / experiment->updates_spent;
    if (!all && experiment->stopped)
        cli_say(stdout, INDENT, "", "interrupted: what had ended by then counts, and is kept");
    else if (!all && experiment->update_seconds > 0.0)
        cli_say(stdout, INDENT, "",
                "%.0f of %g s are spent; all trials, and learning by heart, take about %.0f s: --budget %.0fs",
                experiment->seconds, experiment->seconds_allowed, ceil(experiment->updates_wanted * pace),
                ceil(experiment->updates_wanted * pace / 0.9));
    else if (!all)
        cli_say(stdout, INDENT, "",
                "%.0f of %.0f updates are spent; all trials, and learning by heart, take about %.0f, "
                "%.0f s: --budget %.0f",
                experiment->updates_spent, experiment->updates_allowed, ceil(experiment->updates_wanted),
                experiment->seconds * experiment->updates_wanted / experiment->updates_spent,
                ceil(experiment->updates_wanted));
}

/* What short trials do not bear out may take longer to show. */
static void print_longer(const struct diagnosis *diagnosis)
{
    double budget;
    const int updates = experiment_longer(&diagnosis->experiment, &budget);
    if (updates == 0 || !experiment_tried(&diagnosis->experiment) || diagnosis->too_early ||
        diagnosis_confidence(diagnosis) != CONFIDENCE_DOUBTFUL)
        return;
    cli_say(stdout, INDENT, "", "%d updates may be too few for it to show: --budget %.0f makes them %d",
            diagnosis->experiment.updates, ceil(budget), updates);
}

static int print_text(const struct diagnosis *diagnosis, const char *run)
{
    const struct cause_info *cause = &cause_table[diagnosis->cause];
    char repair[REPAIR_MAX][REPAIR_TEXT];
    struct config config = {0};
    TRY(train_load_config(&config, run, NULL, 0));
    enum cause of[REPAIR_MAX];
    const enum layer_change layers = diagnosis_layers(diagnosis, &config);
    int count = diagnosis_repair(diagnosis, &config, repair, of);
    char action[ACTION_TEXT];
    diagnosis_say_action(diagnosis, &config, action);
    config_free(&config);
    printf("run        %s, %lld steps\n", run, (long long)diagnosis->steps);
    cli_say(stdout, INDENT, "verdict", "%s%s%s%s", diagnosis_title(diagnosis), *cause->group ? " (" : "", cause->group,
            *cause->group ? ")" : "");
    char confidence[CONFIDENCE_TEXT];
    diagnosis_say_confidence(diagnosis, confidence);
    cli_say(stdout, INDENT, "confidence", "%s", confidence);
    print_symptoms(diagnosis);
    if (diagnosis->probed) {
        print_trials(diagnosis);
        print_longer(diagnosis);
    }
    cli_say(stdout, INDENT, "action", "%s", action);
    for (int i = 0; i < count; i++) {
        const bool averages = strncmp(repair[i], "optim.ema_decay=", 16) == 0 && !strstr(action, "optim.ema_decay");
        printf("%-10s %s%s%s%s\n", i ? "" : "change", repair[i], of[i] == diagnosis->cause ? "" : "  # for ",
               of[i] == diagnosis->cause ? "" : cause_table[of[i]].name,
               averages ? "  # weights averaged over the last tenth, steadier than the last ones" : "");
    }
    if (layers)
        printf("%-10s %s\n", count ? "" : "change", layer_changes[layers]);
    return OK;
}

/* "falling" is over the last "window" steps; null: too few to say. */
static json_t *standing_json(const struct standing *standing)
{
    const bool known = standing->window > 0;
    return json_pack("{s:o, s:s, s:o, s:b, s:I, s:o, s:o}", "right",
                     isfinite(standing->right) ? json_real(standing->right) : json_null(), "of",
                     standing->of_validation ? "validation" : "training", "falling",
                     known ? json_boolean(standing->falls) : json_null(), "rate_is_spent", standing->rate_is_spent,
                     "window", (json_int_t)standing->window, "fall",
                     known && isfinite(standing->fall) ? json_real(standing->fall) : json_null(), "fall_error",
                     known && isfinite(standing->fall_error) ? json_real(standing->fall_error) : json_null());
}

static int print_json(const struct diagnosis *diagnosis, const char *run)
{
    struct config config = {0};
    char action[ACTION_TEXT];
    TRY(train_load_config(&config, run, NULL, 0));
    diagnosis_say_action(diagnosis, &config, action);
    config_free(&config);
    json_t *found = json_array();
    for (int i = 0; i < diagnosis->count; i++) {
        const struct symptom *symptom = &diagnosis->found[i];
        json_array_append_new(found, json_pack("{s:s, s:s, s:I, s:f, s:b, s:b, s:o}", "cause",
                                               cause_table[symptom->cause].name, "rule", symptom->rule, "step",
                                               (json_int_t)symptom->step, "strength", symptom->strength, "doubtful",
                                               symptom->doubtful, "note", symptom->note, "evidence",
                                               json_text(symptom->evidence)));
    }
    struct arena arena = {0};
    const char *why[ARMS_MAX];
    for (int i = 0; i < diagnosis->experiment.arm_count; i++)
        why[i] = diagnosis_why(diagnosis, &diagnosis->experiment.arms[i]);
    json_t *experiment =
        diagnosis->probed ? json_loads(experiment_json(&diagnosis->experiment, why, &arena), 0, NULL) : json_null();
    json_t *proof = diagnosis->proof ? json_string(diagnosis->proof->name) : json_null();
    arena_free(&arena);
    const struct cause_info *cause = &cause_table[diagnosis->cause];
    json_t *all = json_pack(
        "{s:o, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "run", json_text(run), "steps",
        (json_int_t)diagnosis->steps, "cause", diagnosis->too_early ? "too_early" : cause->name, "first_guess",
        cause_table[diagnosis->first_guess].name, "confidence", confidence_names[diagnosis_confidence(diagnosis)],
        "group", cause->group, "verdict", json_text(diagnosis_title(diagnosis)), "action", json_text(action), "found",
        found, "proof", proof, "experiment", experiment, "standing", standing_json(&diagnosis->standing));
    return json_print(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}

struct request {
    const char *run, *apply;
    bool json, samples;
    bool probe;
    struct budget budget;
};

/* Experiments take long; a file that cannot be written is an error before them. */
static int try_to_create(const char *path)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    new_file_abandon(&file);
    return OK;
}

/* A config that cannot be read is diagnosis_apply's to tell of. */
static bool is_mended_by_settings(const struct diagnosis *diagnosis, const char *run)
{
    struct config config = {0};
    char repair[REPAIR_MAX][REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    const bool mends = train_load_config(&config, run, NULL, 0) != OK ||
                       diagnosis_repair(diagnosis, &config, repair, of) > 0 || diagnosis_layers(diagnosis, &config);
    config_free(&config);
    return mends;
}

static int examine(const struct request *request, struct diagnosis *diagnosis)
{
    if (request->apply)
        TRY(try_to_create(request->apply));
    TRY(diagnose_run(diagnosis, request->run));
    TRY(request->probe ? diagnose_probe(diagnosis, request->run, &request->budget)
                       : diagnose_recall(diagnosis, request->run));
    TRY(diagnosis_leave_out(diagnosis, request->run, request->apply));
    TRY(request->json ? print_json(diagnosis, request->run) : print_text(diagnosis, request->run));
    if (request->apply && diagnosis->cause == CAUSE_HEALTHY && !diagnosis_rate_was_cut(diagnosis))
        log_warn("there is nothing to mend, so %s is not written", request->apply);
    else if (request->apply && !is_mended_by_settings(diagnosis, request->run))
        log_warn("no setting mends this, so %s is not written: do what the action says", request->apply);
    else if (request->apply) {
        TRY(diagnosis_apply(diagnosis, request->run, request->apply));
        log_info("written    %s: the run's config with what mends it; next: evenkeel train %s", request->apply,
                 request->apply);
    }
    return diagnosis->too_early ? EX_TEMPFAIL : diagnosis->cause != CAUSE_HEALTHY;
}

int command_doctor(int argc, char **argv)
{
    const char *budget = NULL;
    struct request request = {0};
    const struct cli_option options[] = {
        {"probe", NULL, &request.probe, NULL, "experiment: train anew for a little with one thing changed at a time"},
        {"budget", "SIZE", NULL, &budget,
         "as --probe, in no more than a share of the run's updates (5%), updates (400) or seconds (30s)"},
        {"apply", "FILE", NULL, &request.apply, "write the run's config with the repair made"},
        {"samples", NULL, &request.samples, NULL, "list single images that are likely to be wrong instead"},
        {"json", NULL, &request.json, NULL, "print one JSON object"},
    };
    const struct cli_usage usage = {
        .synopsis = "doctor RUN [--probe] [--budget SIZE] [--apply FILE] [--samples] [--json]",
        .about =
            "Says why a run's loss fluctuates or does not decrease: the cause, the figures that show it, and\n"
            "what to change. Also of a run that is still going on. Exit status 0: healthy; 1: something was found;\n"
            "75: too few steps to say.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc != 2)
        return FAIL(ERR_USAGE, "doctor needs one run directory; `evenkeel train` prints it");
    request.run = argv[1];
    request.probe = request.probe || budget;
    if (budget)
        TRY(budget_read(budget, &request.budget));
    if (request.samples && (request.apply || request.probe))
        return FAIL(ERR_USAGE, "--samples is a question of its own: ask it without --probe and --apply");
    struct diagnosis diagnosis = {0};
    int status = request.samples ? doctor_samples(request.run, request.json) : examine(&request, &diagnosis);
    diagnosis_free(&diagnosis);
    return status;
}

/* findings: what the doctor's rules find while a run is going on, said once and taken back where
 * it no longer holds, and the verdict at the end. Knows no rules.
 */
#include "check.h"
#include "log.h"
#include "text.h"
#include "train.h"

#include <stdio.h>
#include <string.h>

/* What is the cause now is said; the others are its consequences until proven otherwise, and only logged. */
static int report(struct trainer *trainer, int first)
{
    struct watch *watch = &trainer->watch;
    for (int i = first; i < watch->count; i++) {
        const struct symptom *symptom = &watch->found[i];
        const struct cause_info *cause = &cause_table[symptom->cause];
        const bool is_cause = watch->as_cause[symptom->cause];
        struct arena arena = {0};
        if (is_cause)
            log_warn("%s: %s; %s", cause->title, symptom->evidence, symptom_action(symptom, &trainer->config));
        int status = run_log_event(&trainer->run, "finding",
                                   "\"cause\":\"%s\",\"rule\":\"%s\",\"step\":%lld,\"consequence\":%s,\"evidence\":%s",
                                   cause->name, symptom->rule, (long long)symptom->step, is_cause ? "false" : "true",
                                   text_quote(&arena, symptom->evidence));
        arena_free(&arena);
        TRY(status);
    }
    return OK;
}

/* What was warned of is taken back where it was said. What was counted in the images stays true, but is not to blame.
 */
static int report_withdrawn(struct trainer *trainer)
{
    const struct watch *watch = &trainer->watch;
    for (int i = 0; i < watch->withdrawn_count; i++) {
        const struct symptom *symptom = &watch->withdrawn[i];
        const struct cause_info *cause = &cause_table[symptom->cause];
        struct symptom image;
        if (watch->as_cause[symptom->cause] && doctor_image(&image, symptom->rule))
            log_info("true, but no longer taken for the cause: %s: %s", cause->title, symptom->evidence);
        else if (watch->as_cause[symptom->cause])
            log_info("no longer so: %s, as it looked at step %lld", cause->title, (long long)symptom->step);
        TRY(run_log_event(&trainer->run, "withdrawn", "\"cause\":\"%s\",\"rule\":\"%s\",\"step\":%lld", cause->name,
                          symptom->rule, (long long)symptom->step));
    }
    return OK;
}

/* Where light varies: what each image looked at is lit like, so that it can be told in the end what that costs. */
static int keep_light(const struct trainer *trainer, const struct findings *findings)
{
    char path[PATH_BYTES];
    if (!findings->light)
        return OK;
    TRY(path_join(path, trainer->run.path, LIGHT_FILE));
    return findings_write_light(findings, path);
}

/* Light is often seen by several rules at once: one warning, with what to do said once. */
static void warn_of_light(const struct findings *findings)
{
    struct arena arena = {0};
    const char *texts = "", *action = NULL;
    for (int i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        if (!finding->of_light || finding->severity < SEVERITY_WARN)
            continue;
        texts = arena_format(&arena, "%s%s%s", texts, action ? "; " : "", finding->text);
        action = finding->action;
    }
    if (action)
        log_warn("%s; %s", texts, action);
    arena_free(&arena);
}

/* The short form of `evenkeel check`: so few images are looked at that it takes a moment. */
int findings_images(struct trainer *trainer)
{
    enum { LOOK_AT = 1000 };
    struct check_input input;
    struct findings findings = {0};
    session_check_input(&trainer->session, &input);
    input.limit = LOOK_AT;
    int status = check_images(&findings, &input);
    if (status >= 0)
        status = keep_light(trainer, &findings);
    warn_of_light(&findings);
    for (int i = 0; i < findings.count && status >= 0; i++) {
        const struct finding *finding = &findings.list[i];
        /* What explains what happens later, and is no fault by itself. */
        const bool note = finding->severity < SEVERITY_WARN;
        if (note && strcmp(finding->name, "normalisation") != 0 && strcmp(finding->name, "unrelated") != 0)
            continue;
        struct arena arena = {0};
        if (!note && !finding->of_light)
            log_warn("%s; %s", finding->text, finding->action);
        const char *numbers = "";
        for (int k = 0; k < finding->evidence_count; k++)
            numbers = arena_format(&arena, "%s%s\"%s\":%.9g", numbers, k ? "," : "", finding->evidence[k].name,
                                   finding->evidence[k].value);
        status = run_log_event(&trainer->run, "images",
                               "\"rule\":\"%s\",\"severity\":\"%s\",\"text\":%s,\"action\":%s,\"numbers\":{%s}",
                               finding->name, severity_names[finding->severity], text_quote(&arena, finding->text),
                               text_quote(&arena, finding->action), numbers);
        arena_free(&arena);
    }
    findings_free(&findings);
    return status;
}

int findings_begin(struct trainer *trainer)
{
    return watch_begin(&trainer->watch, trainer->run.path, &trainer->config);
}

int findings_look(struct trainer *trainer)
{
    int found;
    TRY(found = watch_look(&trainer->watch, trainer->run.path, &trainer->config, trainer->records_read));
    TRY(report_withdrawn(trainer));
    return report(trainer, trainer->watch.count - found);
}

int findings_end(struct trainer *trainer, char text[static FINDINGS_TEXT])
{
    TRY(findings_look(trainer));
    const struct watch *watch = &trainer->watch;
    const struct train_state *state = &trainer->state;
    const enum cause cause = watch->verdict.cause;
    if (cause == CAUSE_UNKNOWN)
        snprintf(text, FINDINGS_TEXT, "%s", cause_table[cause].title);
    else if (cause != CAUSE_HEALTHY)
        snprintf(text, FINDINGS_TEXT, "%s, since step %lld", cause_table[cause].title, (long long)watch->verdict.step);
    else if (watch->too_early)
        snprintf(
            text, FINDINGS_TEXT,
            "too few steps were recorded to say, %d are the least: go on by train --resume with train.min_steps=%d",
            VERDICT_STEPS, VERDICT_STEPS * trainer->config.stats.steps_every);
    else
        snprintf(text, FINDINGS_TEXT, "%s", watch->healthy);
    const size_t length = strlen(text);
    if (state->rollbacks > 0)
        snprintf(text + length, FINDINGS_TEXT - length, "; autopilot went back %d time%s, to %g of the learning rate",
                 state->rollbacks, state->rollbacks == 1 ? "" : "s", state->rate_scale);
    const size_t said = strlen(text);
    if (state->batch_factor > 1)
        snprintf(text + said, FINDINGS_TEXT - said, "; autopilot enlarged the batch to %d images",
                 trainer->config.train.batch_size * trainer->config.train.accumulate);
    return OK;
}

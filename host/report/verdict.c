/* verdict: the top of a run's page: how it ended, what the doctor's rules say, the figures that matter, the three
 * sentences. Must not judge: that is host/doctor's and stability.h's. */
#include "sections.h"
#include "text.h"

#include <math.h>
#include <string.h>

/* Experiments may have overruled what the rules said first. */
static void put_first(FILE *page, const struct diagnosis *diagnosis)
{
    const struct symptom *symptom = &diagnosis->found[0];
    fprintf(page, "<dt>%s</dt><dd class=\"say\">", diagnosis_role(diagnosis, 0));
    if (symptom->cause != diagnosis->cause)
        fprintf(page, "%s: ", cause_table[symptom->cause].title);
    page_said(page, symptom->evidence);
    fprintf(page, "</dd><dt>shows from</dt><dd>step %lld</dd>\n", (long long)symptom->step);
}

static void put_repair(FILE *page, const struct run_facts *facts)
{
    char repair[REPAIR_MAX][REPAIR_TEXT];
    enum cause of[REPAIR_MAX];
    const int count = diagnosis_repair(&facts->diagnosis, &facts->config, repair, of);
    for (int i = 0; i < count; i++) {
        fputs(i ? "<br/><code>" : "<dt>change</dt><dd><code>", page);
        page_text(page, repair[i]);
        fprintf(page, "</code>%s%s", of[i] == facts->diagnosis.cause ? "" : " &#160;for ",
                of[i] == facts->diagnosis.cause ? "" : cause_table[of[i]].name);
    }
    const enum layer_change layers = diagnosis_layers(&facts->diagnosis, &facts->config);
    if (layers)
        fprintf(page, "%s%s", count ? "<br/>" : "<dt>change</dt><dd>", layer_changes[layers]);
    fputs(count || layers ? "</dd>\n" : "", page);
}

static void put_cause(FILE *page, const struct run_facts *facts)
{
    const struct diagnosis *diagnosis = &facts->diagnosis;
    const struct cause_info *cause = &cause_table[diagnosis->cause];
    fprintf(page, "<section class=\"card verdict\"><div><p class=\"kicker\">verdict &#183; %s</p><h2>%s</h2><dl>",
            cause->group, diagnosis_title(diagnosis));
    if (diagnosis->count > 0)
        put_first(page, diagnosis);
    char action[ACTION_TEXT], confidence[CONFIDENCE_TEXT];
    diagnosis_say_confidence(diagnosis, confidence);
    fputs("<dt>confidence</dt><dd class=\"say\">", page);
    page_said(page, confidence);
    fputs("</dd>\n", page);
    diagnosis_say_action(diagnosis, &facts->config, action);
    fputs("<dt>what to do</dt><dd class=\"say\">", page);
    page_said(page, action);
    fputs("</dd>\n", page);
    put_repair(page, facts);
    fputs("</dl></div>\n", page);
    if (diagnosis->count > 0) /* else a trial proved what no rule saw */
        page_finding_figure(page, facts, 0);
    fputs("</section>\n", page);
}

/* What shows later: consequences until the first is mended; and what explains nothing that shows. */
static void put_others(FILE *page, const struct run_facts *facts)
{
    const struct diagnosis *diagnosis = &facts->diagnosis;
    const int first = diagnosis->cause != CAUSE_HEALTHY;
    if (diagnosis->count <= first)
        return;
    fputs("<div class=\"also\">", page);
    for (int i = first; i < diagnosis->count; i++) {
        const struct symptom *symptom = &diagnosis->found[i];
        struct symptom image;
        fprintf(page, "<div class=\"card\"><p class=\"kicker\">%s step %lld</p><h3 class=\"say\">%s</h3><p>",
                symptom->note ? "note, from"
                : symptom->doubtful && doctor_image(&image, symptom->rule)
                    ? "in the images, not taken for the cause, from"
                : symptom->doubtful ? "doubtful, from"
                                    : "later, from",
                (long long)symptom->step, symptom->note ? doctor_noted(symptom, 1) : cause_table[symptom->cause].title);
        page_said(page, symptom->evidence);
        fputs("</p>", page);
        page_finding_figure(page, facts, i);
        fputs("</div>\n", page);
    }
    fputs("</div>\n", page);
}

/* Green is for that alone: that no fault was found does not say that there is none. */
static bool nothing_is_wrong(const struct diagnosis *diagnosis)
{
    return strcmp(diagnosis_title(diagnosis), cause_table[CAUSE_HEALTHY].title) == 0;
}

void page_verdict(FILE *page, const struct run_facts *facts)
{
    if (facts->problem) {
        fputs("<section class=\"card verdict none\"><div><p class=\"kicker\">verdict</p><h2>None: the records do not "
              "allow "
              "one</h2><p>",
              page);
        page_text(page, facts->problem);
        fputs("</p></div></section>\n", page);
    } else if (facts->diagnosis.too_early) {
        fprintf(page,
                "<section class=\"card verdict none\"><div><p class=\"kicker\">verdict</p><h2>None yet: %s</h2></div>"
                "</section>\n",
                diagnosis_title(&facts->diagnosis));
        put_others(page, facts);
    } else if (facts->diagnosis.cause == CAUSE_HEALTHY) {
        fprintf(page,
                "<section class=\"card verdict %s\"><div><p class=\"kicker\">verdict</p><h2>%s</h2><p>%d rules were "
                "asked about %lld steps and none found a fault. ",
                nothing_is_wrong(&facts->diagnosis) ? "healthy" : "none", diagnosis_title(&facts->diagnosis),
                doctor_rule_count, (long long)facts->diagnosis.steps);
        if (facts->diagnosis.probed) {
            char confidence[CONFIDENCE_TEXT];
            diagnosis_say_confidence(&facts->diagnosis, confidence);
            fputs("Experiments: ", page);
            page_said(page, confidence);
            fputs(".", page);
        } else
            fputs("A rate that is a few times too high or too low leaves no trace that a rule sees: <code>evenkeel "
                  "doctor RUN --probe</code> finds it by experiment.",
                  page);
        fputs("</p></div></section>\n", page);
        put_others(page, facts);
    } else {
        put_cause(page, facts);
        put_others(page, facts);
    }
}

/* ---- figures in large letters ---- */

static void put_tile(FILE *page, const char *value, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put_tile(FILE *page, const char *value, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs("<div><b>", page);
    page_text(page, value);
    fputs("</b><span>", page);
    page_text(page, text);
    fputs("</span></div>\n", page);
}

/* Row of the best epoch; -1: none. */
static int64_t best_row(const struct run_facts *facts)
{
    const double *best = table_column(&facts->results, "best");
    int64_t row = -1;
    for (int64_t e = 0; best && e < facts->results.row_count; e++)
        if (best[e] == 1.0)
            row = e;
    return row;
}

static double at_row(const struct run_facts *facts, const char *name, int64_t row)
{
    const double *column = table_column(&facts->results, name);
    return column && row >= 0 && row < facts->results.row_count ? column[row] : NAN;
}

static void tile_results(FILE *page, const struct run_facts *facts)
{
    const int64_t best = best_row(facts), last = facts->results.row_count - 1;
    char value[64];
    const double accuracy = at_row(facts, "metrics/accuracy_top1", best), loss = at_row(facts, "val/loss", best);
    if (isfinite(accuracy)) {
        snprintf(value, sizeof value, "%.2f %%", 100.0 * accuracy);
        put_tile(page, value, "validation accuracy, epoch %lld, whose weights are kept", (long long)best + 1);
    }
    if (isfinite(loss)) {
        snprintf(value, sizeof value, "%.4g", loss);
        put_tile(page, value, "validation loss, same epoch");
    }
    const double speed = at_row(facts, "images_per_second", last), seconds = at_row(facts, "time", last);
    const struct fluctuation *fluctuation = &facts->stability.last;
    const struct estimate *end = &facts->stability.end;
    if (isfinite(end->value)) {
        snprintf(value, sizeof value, "%.4g", end->value);
        char error[32] = "";
        if (isfinite(end->low) && !facts->stability.in_order) /* else no error of it is known */
            snprintf(error, sizeof error, " (\u00B1 %.1g)", 0.5 * (end->high - end->low));
        put_tile(page, value, "training loss, mean of the last %lld steps%s", (long long)facts->stability.end_steps,
                 error);
    }
    if (isfinite(fluctuation->sampling.value)) {
        snprintf(value, sizeof value, "%.0f %%", 100.0 * fluctuation->sampling.value);
        put_tile(page, value, "of the loss's scatter is chance in drawing %.0f images", fluctuation->samples);
    }
    if (isfinite(speed)) {
        char count[24];
        text_count(count, speed);
        put_tile(page, count, "images per second");
    }
    if (isfinite(seconds)) {
        char duration[24];
        text_duration(duration, seconds);
        put_tile(page, duration, "for %lld epochs, %lld steps", (long long)at_row(facts, "epoch", last),
                 (long long)facts->steps.row_count);
    }
}

void page_tiles(FILE *page, const struct run_facts *facts)
{
    fputs("<div class=\"tiles\">\n", page);
    tile_results(page, facts);
    fputs("</div>\n", page);
}

void page_sentences(FILE *page, const struct run_facts *facts)
{
    char texts[STABILITY_TEXTS][STABILITY_TEXT];
    const int count = stability_say(&facts->stability, texts);
    if (count == 0)
        return;
    fputs("<section class=\"card\"><h3>What the loss does</h3><ul class=\"said\">\n", page);
    for (int i = 0; i < count; i++) {
        fputs("<li>", page);
        page_text(page, texts[i]);
        fputs("</li>\n", page);
    }
    fputs("</ul></section>\n", page);
}

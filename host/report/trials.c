/* trials: the doctor's experiments on a run's page: what each trial changed, how its loss compares, and why it was
 * taken or rejected. */
#include "sections.h"
#include "text.h"

#include <math.h>

/* Where bars end: one trial that goes up like a rocket is not to leave nothing of the others. */
static double largest_loss(const struct experiment *experiment, enum arm_family family)
{
    enum { TIMES_UNCHANGED = 2 };
    const double unchanged = experiment_unchanged(experiment, family)->result.loss;
    double largest = 0.0;
    for (int i = 0; i < experiment->arm_count; i++) {
        const struct arm *arm = &experiment->arms[i];
        if (arm->family == family && arm->done && isfinite(arm->result.loss))
            largest = fmax(largest, arm->result.loss + 2.0 * (isfinite(arm->error) ? arm->error : 0.0));
    }
    return experiment_is_lost(experiment, experiment_unchanged(experiment, family))
               ? fmin(largest, TIMES_UNCHANGED * experiment->guess)
               : fmin(largest, TIMES_UNCHANGED * unchanged);
}

static double width_of(double value, double largest)
{
    return 100.0 * fmin(fmax(value / largest, 0.0), 1.0);
}

/* The loss as a bar; across its end twice the standard error of its difference from the unchanged one's. */
static void put_bar(FILE *page, const struct arm *arm, double largest, enum chart_colour colour)
{
    fputs("<td class=\"bar\">", page);
    if (isfinite(arm->result.loss)) {
        fprintf(page, "<div class=\"%s\"><i style=\"width:%.1f%%\"></i>", page_colour(colour),
                width_of(arm->result.loss, largest));
        if (isfinite(arm->error) && arm->error > 0.0) {
            const double from = width_of(arm->result.loss - 2.0 * arm->error, largest);
            fprintf(page, "<u style=\"left:%.1f%%;width:%.1f%%\"></u>", from,
                    width_of(arm->result.loss + 2.0 * arm->error, largest) - from);
        }
        fputs("</div>", page);
    }
    fputs("</td>", page);
}

static void put_arm(FILE *page, const struct diagnosis *diagnosis, const struct arm *arm, double largest)
{
    const struct experiment *experiment = &diagnosis->experiment;
    const bool proof = arm == diagnosis->proof, unchanged = arm->cause == CAUSE_HEALTHY;
    fputs("<tr><th>", page);
    page_text(page, arm->name);
    fputs("</th>", page);
    if (!arm->done)
        fputs("<td class=\"n\"></td><td></td><td class=\"n\"></td>", page);
    else {
        if (isfinite(arm->result.loss))
            fprintf(page, arm->result.loss < 1e4 ? "<td class=\"n\">%.4g</td>" : "<td class=\"n\">%.3g</td>",
                    arm->result.loss);
        else
            fputs("<td class=\"n\">diverged</td>", page);
        put_bar(page, arm, largest, proof ? CHART_GREEN : unchanged ? CHART_INK : CHART_BLUE);
        /* Beside one that has lost its way nothing is told by how much less an arm has. */
        if (unchanged || experiment_is_lost(experiment, arm))
            fputs("<td class=\"n\"></td>", page);
        else
            fprintf(page, "<td class=\"n\">%+.1f %%</td>", -100.0 * experiment_share(experiment, arm));
    }
    char right[TRIAL_RIGHT_TEXT] = "";
    if (arm->done && !unchanged)
        experiment_say_right(experiment, arm, right);
    fputs(proof ? "<td class=\"soft\"><b>" : "<td class=\"soft\">", page);
    page_text(page, diagnosis_why(diagnosis, arm));
    fputs(proof ? "</b>" : "", page);
    if (right[0]) {
        fputs(": ", page);
        page_text(page, right);
    }
    fputs("</td></tr>\n", page);
}

static bool has_any(const struct experiment *experiment, enum arm_family family)
{
    const struct arm *unchanged = experiment_unchanged(experiment, family);
    return unchanged && unchanged->done;
}

static void put_family(FILE *page, const struct diagnosis *diagnosis, enum arm_family family)
{
    static const char *const titles[ARM_FAMILIES] = {
        [ARM_ANEW] = "From new weights, as the run began: loss of training images",
        [ARM_ONWARD] = "From where the run stood: loss of validation images",
        [ARM_UNSEEN] = "From new weights: loss of validation images",
        [ARM_FREED] = "From where the run stood, at its highest rate: loss of validation images"};
    const struct experiment *experiment = &diagnosis->experiment;
    int order[ARMS_MAX];
    if (!has_any(experiment, family))
        return;
    const double largest = largest_loss(experiment, family);
    experiment_rank(experiment, order);
    fprintf(page,
            "<section class=\"card\"><h3>%s</h3><div class=\"scroll\"><table class=\"classes trials\">\n"
            "<tr><th>trial</th><th class=\"n\">loss</th><th></th><th class=\"n\">change</th><th></th></tr>\n",
            titles[family]);
    for (int i = 0; i < experiment->arm_count; i++)
        if (experiment->arms[order[i]].family == family)
            put_arm(page, diagnosis, &experiment->arms[order[i]], largest);
    fputs("</table></div></section>\n", page);
}

void page_trials(FILE *page, const struct run_facts *facts)
{
    const struct diagnosis *diagnosis = &facts->diagnosis;
    const struct experiment *experiment = &diagnosis->experiment;
    if (!diagnosis->probed || (!has_any(experiment, ARM_ANEW) && !experiment->memory_done))
        return;
    const bool timed = experiment->seconds_allowed > 0.0;
    fprintf(
        page,
        "<h2>What changing one thing does</h2>\n<p class=\"lead\">Trials of %d updates each, on the same images in the "
        "same order with one thing changed: %.*f %s in all, where the budget was %g. Across the end of a "
        "bar: twice the standard error of its difference from the unchanged trial. Bars end at twice the unchanged "
        "loss, or guessing's where that one has lost its way.",
        experiment->updates, timed ? 1 : 0, timed ? experiment->seconds : experiment->updates_spent,
        timed ? "seconds" : "updates", timed ? experiment->seconds_allowed : floor(experiment->updates_allowed));
    if (experiment->memory_done)
        fprintf(page, " A new network, shown %d images over and over, learnt %.1f %% of them by heart in %d updates%s.",
                experiment->memory_images, 100.0 * experiment->memory.best_accuracy, experiment->memory.updates,
                experiment_learns_by_heart(experiment) ? ""
                                                       : ": less than 95 % means that it is too small or badly built");
    if (experiment->wider_done)
        fprintf(page, " As wide as the repair makes it, it learnt %.1f %% of them.",
                100.0 * experiment->wider.best_accuracy);
    for (int i = 0; i < experiment->arm_count; i++)
        if (experiment->arms[i].longer > 0) {
            fprintf(page, " Made once more in %d updates, ", experiment->arms[i].longer);
            page_text(page, experiment->arms[i].name);
            fprintf(page, " came to a %s loss of %.3g, and the run to %.3g at best.",
                    isfinite(diagnosis->val_least) ? "validation" : "training", experiment->arms[i].longer_loss,
                    diagnosis_reached(diagnosis));
        }
    fputs("</p>\n<div class=\"stack\">\n", page);
    for (int family = 0; family < ARM_FAMILIES; family++)
        put_family(page, diagnosis, (enum arm_family)family);
    fputs("</div>\n", page);
}

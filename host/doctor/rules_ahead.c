/* rules_ahead: validation that is predicted better than the images trained on, as it is where these are worse: their
 * labels, or the images themselves; and labels that the run itself contradicts. */
#include "rules.h"

#include <math.h>

/* Training's accuracy and loss at the moment of validation, from as many steps after it as before: a network that
 * learns fast is further on by then than it was on average in the steps before. At the end of the run it has gone on as
 * in the last steps, for half as many. */
static void centre(const struct evidence *evidence, int64_t epoch, struct moment *now)
{
    const int64_t end = now->step + 1, recent = moment_recent(evidence, epoch);
    const double before = now->train_accuracy;
    double images;
    if (end + recent <= evidence->steps) {
        now->train_accuracy = steps_accuracy(evidence, end - recent, end + recent, &now->images);
        now->train_loss = column_mean(evidence->loss, end - recent, end + recent);
        return;
    }
    const double earlier = steps_accuracy(evidence, end - 2 * recent, end - recent, &images);
    if (images > 0.0)
        now->train_accuracy += 0.5 * fmax(before - earlier, 0.0);
}

/* Whether training and validation are asked the same of the same network. Of images in their order the last batches are
 * of the last classes; averaged weights, which validation alone sees, are better than those that are trained. With
 * train.balance training's answers have the classes' shares added, validation's not. */
static bool is_alike(const struct config *config)
{
    return !handicapped(config) && config->optim.ema_decay == 0.0 && config->data.shuffle && !config->train.balance;
}

/* Training's images asked as validation is, in the end: then augmentation, dropout and smoothing have no part in it.
 * They were taught to the network; where validation, never seen, is predicted better all the same, by a single look,
 * they are worse. Of the two looks the loss sees more: how far a wrong label is from what is predicted, by a network
 * that knows better than to guess: one that blew up is far from all of them. Single losses vary in training about as
 * they do in validation. */
static bool ahead_of_fit(const struct evidence *evidence, struct symptom *symptom)
{
    const double points = 0.03, nats = 0.05, sure = 3.5;
    const struct fit_evidence *fit = &evidence->fit;
    struct moment now;
    if (!fit_asked(evidence, &now))
        return false;
    now.train_accuracy = fit->accuracy;
    now.images = (double)fit->images;
    const double ahead = now.val_accuracy - fit->accuracy, z = ahead / moment_error(evidence, &now);
    if (ahead > points && z > sure)
        return show(symptom, now.step, z / sure,
                    "validation is predicted better (%.1f %%) than training's own images when they are asked as it is "
                    "(%.1f %% of %lld, %.1f standard errors), as happens when part of the training labels is wrong",
                    100.0 * now.val_accuracy, 100.0 * fit->accuracy, (long long)fit->images, z);
    const double error = val_loss_error(evidence, evidence->epochs - 1);
    const double lower = fit->loss - now.val_loss,
                 surer = lower / (error * sqrt(1.0 + (double)evidence->val_images / now.images));
    return doctor_misses(evidence) && ahead > 0.0 && lower > nats && surer > sure &&
           now.val_loss < val_loss_of_guessing(evidence) &&
           show(symptom, now.step, surer / sure,
                "validation's loss is lower (%.3g) than that of training's own images when they are asked as it is "
                "(%.3g, of %lld, %.1f standard errors), and %.1f %% are right instead of %.1f %%, as happens when part "
                "of the training labels is wrong",
                now.val_loss, fit->loss, (long long)fit->images, surer, 100.0 * now.val_accuracy,
                100.0 * fit->accuracy);
}

/* Over all epochs, where the last ones alone no longer tell: labels that are learned by heart by then were contradicted
 * before, and averaged or smoothed training hides from the curves what single images show. */
static bool contradicted_more(const struct evidence *evidence, struct symptom *symptom)
{
    const double points = 0.03;
    const struct label_evidence *labels = &evidence->labels;
    return labels->ahead > 0.0 &&
           show(symptom, evidence->steps - 1, labels->ahead / points,
                "%.1f %% of the training images were taken for another class than their label in most of the epochs, "
                "and of the validation images, which were not taught, only %.1f %% on average, as happens when part of "
                "the "
                "training labels is wrong",
                100.0 * labels->contradicted, 100.0 * (labels->contradicted - labels->ahead));
}

/* Clean validation images are predicted better than training images that the network has been taught: the labels it was
 * taught contradict what they look like. Of wrong labels that follow a rule validation is in doubt as well, and its
 * loss not the lower; so many points of accuracy no network gains of itself on images that it has not seen. Weights
 * jump from step to step, and validation is of one moment: twice running, or far beyond chance. */
bool rule_better_on_validation(const struct evidence *evidence, struct symptom *symptom)
{
    const double points = 0.03, many = 0.1, sure = 3.5, surer = 5.0, at_once = 2.0 * sure;
    int running = 0;
    for (int64_t epoch = 1; is_alike(evidence->config) && epoch < evidence->epochs; epoch++) {
        struct moment now;
        if (!moment_at(evidence, epoch, &now))
            continue;
        centre(evidence, epoch, &now);
        const double ahead = now.val_accuracy - now.train_accuracy, z = ahead / moment_error(evidence, &now);
        const bool shows =
            (z > sure && ahead > points && now.train_loss > now.val_loss + 0.05) || (z > surer && ahead > many);
        running = shows ? running + 1 : 0;
        if (running == 2 || (shows && z > at_once))
            return show(symptom, now.step, z / sure,
                        "validation is predicted better (%.1f %%) than the images trained on (%.1f %%, %.1f standard "
                        "errors), as happens when part of the training labels is wrong",
                        100.0 * now.val_accuracy, 100.0 * now.train_accuracy, z);
    }
    return ahead_of_fit(evidence, symptom) || contradicted_more(evidence, symptom);
}

/* Fewer wrong labels than one in ten cost little. */
static const double many_wrong = 0.1;

/* What doubts_judge makes of the run's own looks at its images, as --samples has it: labels are wrong, told by margins
 * of two kinds, hard images and others that it is as far from as from any class. */
static bool are_of_two_kinds(const struct evidence *evidence)
{
    const struct label_evidence *labels = &evidence->labels;
    return evidence->config->data.shuffle && labels->wrong > 0.0 && labels->separation >= LABELS_TWO_KINDS;
}

static bool say_two_kinds(const struct evidence *evidence, struct symptom *symptom, const char *and)
{
    const struct label_evidence *labels = &evidence->labels;
    const bool sure = labels->separation - LABELS_TWO_KINDS > FAULT_SURE * labels->sep_error;
    return show(symptom, evidence->steps - 1, fmax(labels->wrong / many_wrong, 1.0),
                "%.0f %% of the images are taken for another class than their label, %stheir margins are of two "
                "kinds, %.2g +- %.1g deviations apart (2 are needed to tell): hard images, and about %.2g %% of all "
                "with a wrong label%s",
                100.0 * labels->contradicted, sure ? "and " : "more than of validation's, and ", labels->separation,
                labels->sep_error, 100.0 * labels->wrong, and);
}

/* Told without validation, so that augmentation, dropout and smoothing may be, and validation may have the same wrong
 * labels. */
bool rule_two_kinds(const struct evidence *evidence, struct symptom *symptom)
{
    return are_of_two_kinds(evidence) && evidence->labels.wrong >= many_wrong && say_two_kinds(evidence, symptom, "");
}

/* Where they are many that is what is kept: it comes before. */
bool rule_few_wrong(const struct evidence *evidence, struct symptom *symptom)
{
    symptom->note = true;
    return are_of_two_kinds(evidence) &&
           say_two_kinds(evidence, symptom, ", or images unlike their class: --samples lists them; so few cost little");
}

double rules_gained_lately(const struct evidence *evidence)
{
    const int64_t before = evidence->epochs - (evidence->epochs + 3) / 4;
    double earlier = 0.0;
    for (int64_t epoch = 0; epoch < before; epoch++)
        earlier = fmax(earlier, evidence->val_accuracy[epoch]);
    return doctor_best_right(evidence) - earlier;
}

/* Sure mistakes that go where all mistakes go, but not by a rule that says half of where, are of classes that look
 * alike and a network that is too sure of them. */
static bool are_of_like_classes(const struct evidence *evidence, const struct called_evidence *called)
{
    return called->as_usual > 0.0 && called->as_usual < 0.5 * log((double)evidence->classes - 1.0);
}

/* Two signs of wrong labels that do not hang together, how many are wrong at each confidence and where the sure ones
 * go: likelihoods multiply. Twice the logarithm of their ratio is the square of so many standard errors. Mistakes that
 * do not go where others go, but by the classes' shares, speak for labels dealt out; others say nothing here. */
static double sure_of_wrong(const struct called_evidence *called)
{
    return sqrt(called->floor_z * called->floor_z - 2.0 * called->sure_mistakes * fmin(called->as_usual, 0.0));
}

/* Validation's images were not taught: where their labels are right, the surest answers are. So many wrong ones among
 * them, whatever the network's confidence, are labels that are wrong in both parts, which no comparison of the two
 * tells. A twentieth of all, as less leaves nothing missing, and more than what is still being learned. Who has not
 * even half of the others right is no witness; and of labels or images that are wrong in validation alone training
 * would be ahead from the beginning. */
bool rule_wrong_when_sure(const struct evidence *evidence, struct symptom *symptom)
{
    const double least = 0.05, half = 0.5;
    const struct called_evidence *best = &evidence->called[CALLED_BEST];
    const double images = (double)best->images;
    return (evidence->over || 2 * evidence->steps >= evidence->planned_steps) && evidence->config->data.shuffle &&
           images > 0.0 && (double)best->right > half * (1.0 - best->floor) * images &&
           best->floor > fmax(least, rules_gained_lately(evidence)) && sure_of_wrong(best) > FAULT_SURE &&
           !are_of_like_classes(evidence, best) && !rules_behind_at_once(evidence) &&
           show(symptom, evidence->steps - 1, best->floor / least,
                "about %.0f %% of validation's answers are wrong however sure the network is (%.1f standard errors "
                "from none; of the surest quarter %.0f %%): errors on images that are merely hard end where it grows "
                "sure, wrong labels do not",
                100.0 * best->floor, sure_of_wrong(best), 100.0 * best->surest_wrong);
}

/* Of one epoch: by how much validation's loss is the lower, beyond chance and by what makes a fault. */
static bool is_ahead(const struct evidence *evidence, int64_t epoch, struct ahead *ahead)
{
    struct moment now;
    if (!moment_at(evidence, epoch, &now))
        return false;
    const double noise = loss_noise(evidence, now.step + 1 - moment_recent(evidence, epoch), now.step + 1);
    centre(evidence, epoch, &now);
    *ahead =
        (struct ahead){.share = 1.0 - now.val_loss / now.train_loss,
                       .error = hypot(val_loss_error(evidence, epoch), isfinite(noise) ? noise : 0.0) / now.train_loss};
    return ahead->share > FAULT_WORTH && ahead->share > FAULT_SURE * ahead->error;
}

bool rules_ahead(const struct evidence *evidence, struct ahead *ahead)
{
    struct symptom labels = {0};
    *ahead = (struct ahead){NAN, NAN};
    if (!is_alike(evidence->config) || evidence->epochs < 2 || rule_two_kinds(evidence, &labels))
        return false;
    const bool before = is_ahead(evidence, evidence->epochs - 2, ahead);
    return is_ahead(evidence, evidence->epochs - 1, ahead) && before;
}

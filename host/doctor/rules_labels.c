/* rules_labels: labels that have nothing to do with the images, where training shows it. */
#include "filed.h"
#include "rules.h"
#include "slipped.h"

#include <math.h>
#include <string.h>

/* A loss that stands at guessing though gradients come back and units live, and images that no simple figure tells: of
 * labels dealt out blindly both must be so, and what the steps are like then is no matter. It was there before the
 * first step. */
bool rule_unrelated(const struct evidence *evidence, struct symptom *symptom)
{
    struct symptom stands;
    return evidence->unrelated[0] && rule_stuck(evidence, &stands) && !gradient_fades(evidence) &&
           evidence->layers.dead_share < DEAD &&
           show(symptom, 0, 2.0, "the loss stands at guessing by the class shares, and %s", evidence->unrelated);
}

/* Whether training does not tell them apart either: were all of the pair right there it could have all right, and of
 * those that are guessed half are wrong. Half way between is a quarter. */
static bool training_knows_no_better(const struct evidence *evidence, const struct called_evidence *called)
{
    const double sure = 3.5, right = evidence->train_accuracy[called->epoch];
    const double most = 1.0 - 0.25 * (double)called->pair.images / (double)called->images;
    return right + sure * sqrt(right * (1.0 - right) / (double)evidence->train_images) < most;
}

/* Two classes that are told from all others and not from each other, either being called the other: right as often as
 * by chance, and by two standard errors not as often as 65 %, which leaves 45 images of both at least. Either
 * augmentation makes one of the other, or both are of one kind. Where the others are not told from each other either,
 * these two are only the hardest. */
bool rule_twins(const struct evidence *evidence, struct symptom *symptom)
{
    const double told = 0.8, most = 0.65, both_ways = 0.125; /* a quarter of either class */
    for (int weights = 0; evidence->over && evidence->classes > 2 && weights < CALLED_WEIGHTS; weights++) {
        const struct called_evidence *called = &evidence->called[weights];
        const struct called_pair *pair = &called->pair;
        const double either = (double)pair->either, chance = sqrt(either); /* two standard errors */
        if (pair->images == 0 || called->epoch >= evidence->epochs || either < told * (double)pair->images ||
            (double)pair->less < both_ways * either || fabs((double)pair->right - 0.5 * either) > chance ||
            fmax((double)pair->right, 0.5 * either) + chance > most * either ||
            (double)(called->right - pair->right) < told * (double)(called->images - pair->images) ||
            !training_knows_no_better(evidence, called))
            continue;
        const struct config *config = evidence->config;
        const char *turn = config->augment.hflip > 0.0    ? "augment.hflip"
                           : config->augment.vflip > 0.0  ? "augment.vflip"
                           : config->augment.rotate > 0.0 ? "augment.rotate"
                                                          : NULL;
        symptom->note = turn != NULL;
        symptom->cause = turn ? CAUSE_REGULARISATION : CAUSE_LABELS;
        return show(symptom, evidence->steps - 1, 2.0,
                    "of %lld validation images of '%s' and '%s' that are called one of the two %lld are right, as by "
                    "chance, and training tells them no better: %s%s",
                    (long long)pair->either, pair->a, pair->b, (long long)pair->right,
                    turn ? turn : "their labels are mixed up, or they are of one kind under two names",
                    turn ? " may make one of the other (set it to 0 if it does), or they are of one kind" : "");
    }
    return false;
}

/* A network that has most of validation right takes one class for another, and hardly ever that for the first, in more
 * pairs than chance and a class that is answered too often explain: images of one class were filed under the other, in
 * training at least. One network in 300,000 does by chance. */
bool rule_one_way(const struct evidence *evidence, struct symptom *symptom)
{
    const double sure = 4.5, half = 0.5;
    const struct called_evidence *best = &evidence->called[CALLED_BEST];
    const struct called_class *most = &best->most_so;
    return evidence->over && doctor_misses(evidence) && (double)best->right > half * (double)best->images &&
           best->one_way > sure &&
           show(symptom, evidence->steps - 1, best->one_way / sure,
                "mistakes go one way, as of %lld validation images of '%s' %lld are called '%s', and %lld the other "
                "way: "
                "over all pairs of classes %.1f standard errors beyond chance, and no class that is answered too "
                "often explains it; images of one class are filed under the other",
                (long long)most->images, most->name, (long long)most->wrong, most->as, (long long)best->back,
                best->one_way);
}

/* A class has too many training images by validation's shares, another too few, and what was taught these labels takes
 * images of the first for the second. */
/* Of shares alone, and of what the network calls those that are left. */
bool rule_swallowed(const struct evidence *evidence, struct symptom *symptom)
{
    const struct filed *filed = &evidence->filed;
    return filed->swallowed && evidence->over && doctor_misses(evidence) && evidence->config->data.shuffle &&
           !evidence->config->train.balance &&
           show(symptom, evidence->steps - 1, fmin(filed->shares, filed->mistakes) / FILED_SURE,
                "'%s' has %lld training images to %lld of '%s', and in validation %lld to %lld (%.1f standard errors "
                "apart), while the two together are as frequent as there, and so is each other class; %lld of the %lld "
                "are taken for '%s': about %.0f images of '%s' are filed under it",
                filed->under_name, (long long)filed->train[0], (long long)filed->train[1], filed->from_name,
                (long long)filed->val[0], (long long)filed->val[1], filed->shares, (long long)filed->back,
                (long long)filed->train[1], filed->under_name, filed->too_many, filed->from_name);
}

bool rule_filed_under(const struct evidence *evidence, struct symptom *symptom)
{
    const struct filed *filed = &evidence->filed;
    return evidence->over && doctor_misses(evidence) && evidence->config->data.shuffle &&
           !evidence->config->train.balance && !filed->swallowed && filed_is_sure(filed) &&
           show(symptom, evidence->steps - 1, fmin(filed->shares, filed->mistakes) / FILED_SURE,
                "'%s' has %lld training images to %lld of '%s', and in validation %lld to %lld (%.1f standard errors "
                "apart); %lld of the one are taken for the other and %lld the other way: about %.0f images of '%s' are "
                "filed under '%s'",
                filed->under_name, (long long)filed->train[0], (long long)filed->train[1], filed->from_name,
                (long long)filed->val[0], (long long)filed->val[1], filed->shares, (long long)filed->there,
                (long long)filed->back, filed->too_many, filed->from_name, filed->under_name);
}

/* Two classes that training tells from all others, and from each other as often as by chance, while in validation they
 * are told apart: what can be told apart is so by its images, and training's labels are not. By what validation's gain
 * over the last quarter of the epochs would be in these two, a pair that is just being learned is no such. */
bool rule_mixed_up(const struct evidence *evidence, struct symptom *symptom)
{
    const double told = 0.8, most = 0.65, classes = (double)evidence->classes;
    const struct mixed *mixed = &evidence->mixed;
    const struct mixed_part *train = &mixed->train, *val = &mixed->val;
    const double either = (double)train->either, right = (double)train->right, chance = sqrt(either);
    if (!evidence->over || !doctor_misses(evidence) || !evidence->config->data.shuffle || classes < 3.0 ||
        val->either == 0 || either < told * (double)train->images ||
        (double)train->others_right < told * (double)train->others || fabs(right - 0.5 * either) > chance ||
        fmax(right, 0.5 * either) + chance > most * either)
        return false;
    const double share = (double)val->right / (double)val->either, ahead = share - right / either;
    const double error = sqrt(0.25 / either + share * (1.0 - share) / (double)val->either);
    const double lately = rules_gained_lately(evidence) * (double)(val->images + val->others) / (double)val->either;
    return ahead > FAULT_SURE * error && ahead > lately &&
           show(
               symptom, evidence->steps - 1, ahead / (FAULT_SURE * error),
               "of %lld training images of '%s' and '%s' that are taken for one of the two %lld are right, as by "
               "chance, and of validation's %.1f %% of %lld: they can be told apart, and what training calls them does "
               "not; the labels of the two are mixed up",
               (long long)train->either, mixed->a_name, mixed->b_name, (long long)train->right, 100.0 * share,
               (long long)val->either);
}

/* A stretch of the training list whose labels are those of other lines. What the images are taken for says so by
 * itself, whatever validation is. */
bool rule_slipped(const struct evidence *evidence, struct symptom *symptom)
{
    const struct slipped *slipped = &evidence->slipped;
    char text[SLIPPED_TEXT];
    if (!evidence->over || !doctor_misses(evidence) || !slipped_is_sure(slipped))
        return false;
    slipped_say(slipped, text);
    return show(symptom, evidence->steps - 1, slipped->errors, "%s: a line was %s there", text,
                slipped->shift > 0 ? "lost" : "put in");
}

bool symptom_is_of_all_labels(const struct symptom *symptom)
{
    static const char *const rules[] = {"unrelated", "labels_unrelated", "by_heart_alone"};
    for (int i = 0; i < COUNT_OF(rules); i++)
        if (strcmp(symptom->rule, rules[i]) == 0)
            return true;
    return false;
}

const char *symptom_action(const struct symptom *symptom, const struct config *config)
{
    if (symptom_is_of_all_labels(symptom))
        return "check that list and files are in step, by looking at some images with their labels (`evenkeel check "
               "CONFIG --sheet batch.png`): a row too many or too few gives each image its neighbour's label";
    if (strcmp(symptom->rule, "twins") == 0)
        return "look at some images of both: make one class of them if they are of one kind, else correct their labels";
    if (strcmp(symptom->rule, "slipped") == 0)
        return "move these labels by as many lines as they slipped; until then leave the images out of training";
    if (strcmp(symptom->rule, "swallowed") == 0)
        return "look through the images of the class that has too many, and correct their labels: the network was "
               "taught them, and tells none of them one by one";
    if (strcmp(symptom->rule, "near-leak") == 0)
        return "split by scene, not by image: all frames of one scene in the same part";
    if (strcmp(symptom->rule, "never_fell") == 0)
        return "plan the schedule for the run: as many train.epochs as it is to have (train.max_steps ends no "
               "schedule)";
    return cause_action(symptom->cause, config);
}

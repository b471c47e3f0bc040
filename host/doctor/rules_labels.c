/* rules_labels: labels that have nothing to do with the images, where training shows it. */
#include "rules.h"

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
    if (strcmp(symptom->rule, "near-leak") == 0)
        return "split by scene, not by image: all frames of one scene in the same part";
    return cause_action(symptom->cause, config);
}

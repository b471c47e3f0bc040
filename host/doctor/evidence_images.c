/* evidence_images: what is found in the images before training, one row a rule of include/check.h: of which cause it
 * speaks, what that can bring about. Must not judge. */
#include "doctor.h"

#include <math.h>
#include <string.h>

/* Where light, odd images or wrong labels cost something, that is accuracy: the network still learns, so what throws it
 * about or leaves it at guessing is something else. Scale and order spoil any training. Rare classes hardly move the
 * weights, and throw nothing about. Of copies in validation no loss gets worse. */
#define COSTS (EFFECT_NOISE | EFFECT_APART)
/* Most sets of pictures are lit unevenly, and it costs nothing. */
#define DEARLY (EFFECT_MISSING | EFFECT_COSTLY)

/* needs: the run must show that something is missing before it is said what is to blame. What is counted, as classes
 * and copies, and what no training bears, is certain without; so is a normalisation that far off, which is a mistake in
 * the config whatever the network makes of it. */
static const struct {
    const char *rule;
    enum cause cause;
    unsigned explains, needs;
} rows[] = {
    {"imbalance", CAUSE_IMBALANCE, EFFECT_SHORT | EFFECT_STANDS | COSTS, 0},
    {"normalisation", CAUSE_INPUT_SCALE, EFFECT_ALL, 0},
    {"illumination", CAUSE_ILLUMINATION, COSTS, DEARLY},
    {"constant", CAUSE_OUTLIERS, COSTS, EFFECT_MISSING | EFFECT_WEIGHED},
    {"torn", CAUSE_OUTLIERS, COSTS, EFFECT_MISSING | EFFECT_WEIGHED},
    {"outliers", CAUSE_OUTLIERS, COSTS, EFFECT_WEIGHED},
    {"conflicting-labels", CAUSE_LABELS, COSTS, EFFECT_MISSING},
    {"leak", CAUSE_LEAKAGE, 0, 0},
    {"near-leak", CAUSE_LEAKAGE, 0, 0},
    {"mismatch", CAUSE_MISMATCH, EFFECT_APART, EFFECT_AT_ONCE},
    {"order", CAUSE_ORDER, EFFECT_ALL & ~EFFECT_SETTING, 0},
    {"shading", CAUSE_ILLUMINATION, COSTS, DEARLY},
    {"brightness", CAUSE_ILLUMINATION, COSTS, DEARLY},
    {"background", CAUSE_ILLUMINATION, COSTS, DEARLY},
    {"unrelated", CAUSE_LABELS, EFFECT_ALL, 0}, /* nothing can be learned of any use, whatever else shows */
};

_Static_assert(COUNT_OF(rows) == DATA_FINDINGS, "each rule may have found something");

bool doctor_image(struct symptom *symptom, const char *rule)
{
    for (int i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rule, rows[i].rule) == 0) {
            *symptom = (struct symptom){.cause = rows[i].cause,
                                        .rule = rows[i].rule,
                                        .strength = 2.0,
                                        .cost = NAN,
                                        .cost_error = NAN,
                                        .cost_loss = NAN,
                                        .effects = rows[i].explains,
                                        .needs = rows[i].needs};
            return true;
        }
    return false;
}

double symptom_number(const struct symptom *symptom, const char *name)
{
    for (int i = 0; i < symptom->number_count; i++)
        if (strcmp(symptom->numbers[i].name, name) == 0)
            return symptom->numbers[i].value;
    return NAN;
}

double doctor_lit(const struct symptom *found, int count)
{
    for (int i = 0; i < count; i++)
        if (found[i].cause == CAUSE_MISMATCH) {
            const double lit = symptom_number(&found[i], "val_mean") / symptom_number(&found[i], "train_mean");
            return isfinite(lit) && lit > 0.0 ? lit : 0.0;
        }
    return 0.0;
}

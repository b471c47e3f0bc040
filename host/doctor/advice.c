/* advice: a verdict as it is said to people: its name, what each finding is to it, and what to do. Must not judge. */
#include "diagnosis.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

bool diagnosis_proof_mends(const struct diagnosis *diagnosis)
{
    return diagnosis->proof && diagnosis->proof->override_count > 0 && diagnosis->cause != CAUSE_SCHEDULE;
}

/* A run that has its momentum may be proven to want another optimizer. */
const char *diagnosis_title(const struct diagnosis *diagnosis)
{
    const struct arm *proof = diagnosis->proof;
    return proof && arm_swaps_optimizer(proof) ? "SGD makes less headway here than another optimizer"
                                               : cause_table[diagnosis->cause].title;
}

void diagnosis_say_action(const struct diagnosis *diagnosis, char text[static ACTION_TEXT])
{
    if (!diagnosis_proof_mends(diagnosis)) {
        text_copy(text, ACTION_TEXT, cause_table[diagnosis->cause].action);
        return;
    }
    const struct arm *proof = diagnosis->proof;
    size_t used = 0;
    for (int i = 0; i < proof->override_count && used < ACTION_TEXT; i++)
        used += (size_t)snprintf(text + used, ACTION_TEXT - used, "%s%s", i ? ", " : "set ", proof->text[i]);
}

const char *diagnosis_role(const struct diagnosis *diagnosis, int i)
{
    return diagnosis->found[i].cause == diagnosis->cause ? "evidence" : i == 0 ? "overruled" : "also";
}

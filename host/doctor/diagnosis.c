/* diagnosis: see include/diagnosis.h. Owns the order of the examination. */
#include "diagnosis.h"

#include "evidence.h"

static void examine(struct diagnosis *diagnosis, const struct evidence *evidence)
{
    diagnosis->steps = evidence->steps;
    diagnosis->count = doctor_examine(evidence, diagnosis->found);
    if (diagnosis->count > 0)
        diagnosis->cause = diagnosis->first_guess = diagnosis->found[0].cause;
}

int diagnose_tables(struct diagnosis *diagnosis, const char *run, const struct config *config, struct table *steps,
                    struct table *results)
{
    struct evidence evidence;
    *diagnosis = (struct diagnosis){0};
    TRY(evidence_of(&evidence, run, config, steps, results));
    examine(diagnosis, &evidence);
    return OK;
}

int diagnose_run(struct diagnosis *diagnosis, const char *run)
{
    struct config config = {0};
    struct evidence_files files = {0};
    *diagnosis = (struct diagnosis){0};
    int status = train_load_config(&config, run, NULL, 0);
    if (status == OK)
        status = evidence_open(&files, run, &config);
    if (status == OK)
        examine(diagnosis, &files.evidence);
    evidence_close(&files);
    config_free(&config);
    return status;
}

/* Experiments can overturn the rules' first guess: a cause whose own trial did not help gives way to one whose trial
 * did. What no trial can show (labels, images, overfitting) stays as the rules have it. That nothing is learnt is what
 * is left where no trial says why. */
static void weigh(struct diagnosis *diagnosis)
{
    const struct experiment *experiment = &diagnosis->experiment;
    enum cause guess = diagnosis->first_guess, said = experiment_verdict(experiment, &diagnosis->proof);
    const struct arm *own = experiment_arm(experiment, guess);
    if (own && own->helps) {
        diagnosis->proof = own;
        return;
    }
    if (said != CAUSE_HEALTHY && (guess == CAUSE_HEALTHY || guess == CAUSE_NO_SIGNAL || own))
        diagnosis->cause = said;
    else
        diagnosis->proof = NULL;
}

static int probe(struct diagnosis *diagnosis, const char *run, const struct config *config, struct session *session,
                 double budget)
{
    struct branch branch = {0};
    TRY(session_open(session, config));
    int status = branch_load(&branch, session, run, "last");
    if (status == OK)
        status = experiment_run(&diagnosis->experiment, session, &branch, run, diagnosis->found, diagnosis->count,
                                budget * (double)diagnosis->steps);
    branch_free(&branch);
    if (status == OK)
        weigh(diagnosis);
    return status;
}

int diagnose_probe(struct diagnosis *diagnosis, const char *run, double budget)
{
    struct config config = {0};
    struct session session = {0};
    int status = train_load_config(&config, run, NULL, 0);
    if (status == OK)
        status = probe(diagnosis, run, &config, &session, budget);
    diagnosis->probed = status == OK;
    session_close(&session);
    config_free(&config);
    return status;
}

void diagnosis_free(struct diagnosis *diagnosis)
{
    experiment_free(&diagnosis->experiment);
}

/* drawn_run: what a run records, drawn by hand: a healthy course into which tests plant faults. */
#ifndef DRAWN_RUN_H
#define DRAWN_RUN_H
#include "doctor.h"

enum { STEPS = 600, EPOCHS = 6 };
extern const double guess; /* ln 10: ten classes equally frequent */

/* The columns that the evidence points to. */
struct drawn_run {
    struct config config;
    struct evidence evidence;
    double epoch[STEPS], loss[STEPS], variance[STEPS], samples[STEPS], correct[STEPS], grad[STEPS], update[STEPS],
        weight[STEPS];
    double rate[STEPS], bad[STEPS], slope[STEPS], end_slope[STEPS], grad_cosine[STEPS];
    double train_loss[EPOCHS], train_accuracy[EPOCHS], val_loss[EPOCHS], val_accuracy[EPOCHS], best[EPOCHS],
        val_loss_error[EPOCHS]; /* NaN: as older runs have it */
};
extern struct drawn_run run;

/* Uniform in -1..1, deviation 1/sqrt(3). */
double jitter(int step);
/* A run as it should be: the loss falls from guessing to a quarter of it, with the noise of batches of 64. */
void healthy(void);
/* Healthy but for this: accuracy and loss of training, of validation, the same in each epoch. */
void part(double train_accuracy, double train_loss, double val_accuracy, double val_loss);
/* As part(), after a first epoch whose validation loss is 0.1 lower: 5 standard errors. */
void worse(double train_accuracy, double train_loss, double val_accuracy);
/* What a rule makes of the run as it stands; NULL: it does not show. The text of it lasts until the next call. */
const struct symptom *shown(const char *rule);
void fill(double *column, int from, int to, double value);
struct estimate exactly(double value); /* known without error */

/* Nothing learned: a loss at so many times guessing, answers of whom guesses. */
void stand(double level);
/* Three steps that are too large, from a step on, of which the first takes the loss above guessing. */
void stride(int step);
/* All updates of the run laid end to end reach so far, with a loss at so many times guessing. */
void creep(double whole, double level);
/* From 1.0 the way down from guessing is 1.3: the half of it 0.651. Noise: 20 steps of variance 0.5, 64 images: 0.0198;
 * 8 of these 0.158. */
void fall_back(double level, int steps);
#define SILENT(rule) assert_null(shown(rule))
#define SHOWS(rule, wanted)                                                                                            \
    do {                                                                                                               \
        const struct symptom *symptom = shown(rule);                                                                   \
        assert_non_null(symptom);                                                                                      \
        assert_string_equal(cause_table[symptom->cause].name, cause_table[wanted].name);                               \
        assert_true(symptom->strength >= 1.0);                                                                         \
    } while (0)
#define SAYS(rule, text)                                                                                               \
    do {                                                                                                               \
        const struct symptom *symptom = shown(rule);                                                                   \
        assert_non_null(symptom);                                                                                      \
        if (!strstr(symptom->evidence, text))                                                                          \
            fail_msg("%s", symptom->evidence);                                                                         \
    } while (0)
#endif

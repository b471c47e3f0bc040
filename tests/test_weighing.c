/* test_weighing: trials that are taken away from a run, and what a run has come to weighed against its trials. */
#include "diagnosis.h"
#include "text.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct train_result run;
static const char *trial_name = "trial";
static const char *rule = "given";      /* of what the rules found first */
static bool suspected;                  /* the trial */
static const char *done = "true";       /* it, and the unchanged one */
static double error = 0.01;             /* of its gain */
static double stands = 1.0;             /* loss of the unchanged trial of its own family */
static unsigned effects = EFFECT_APART; /* of it */
static double in_validation;            /* share of odd images, of which training has a tenth */

/* One trial beside the unchanged ones of new weights (loss whole) and of its own family (loss stands). */
struct given {
    const char *family;
    enum cause cause;
    double gain, right_gain, right_error, whole;
};

/* A second trial, that takes away a part of what the first does, has so much more right; 0: there is none. */
static double part_right;
static bool two_settings; /* the first changes two */

static void write_trials(struct given given)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, run.path, "trials.json"), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"steps\": 60, \"experiment\": {\"batch\": 16, \"updates\": 60, \"spent\": 900.0, \"allowed\": 1000.0, "
          "\"wanted\": 950.0, \"seconds\": 1.5, \"guess\": 2.302585, \"by_heart\": null, \"arms\": [",
          file);
    const char *const families[] = {"anew", given.family};
    const double losses[] = {given.whole, stands};
    for (int i = 0; i < 1 + (strcmp(given.family, "anew") != 0); i++)
        fprintf(file,
                "{\"name\": \"unchanged\", \"family\": \"%s\", \"cause\": \"healthy\", \"changes\": [], \"left_out\": "
                "0, \"pace\": 1, \"done\": %s, \"loss\": %f, \"train_accuracy\": 0.5, \"gain\": null, \"error\": "
                "null}, ",
                families[i], done, losses[i]);
    for (int part = 0; part < 1 + (part_right > 0.0); part++)
        fprintf(file,
                "%s{\"name\": \"%s\", \"family\": \"%s\", \"cause\": \"%s\", \"changes\": [\"augment.hflip=0\"%s], "
                "\"left_out\": 0, \"pace\": 1, \"done\": %s, \"loss\": %f, \"train_accuracy\": 0.5, \"gain\": %f, "
                "\"error\": %f, \"right_gain\": %f, \"right_error\": %f, \"suspected\": %s}",
                part ? ", " : "", trial_name, given.family, cause_table[given.cause].name,
                two_settings || (part_right > 0.0 && !part) ? ", \"augment.rotate=0\"" : "", done, stands - given.gain,
                given.gain, error, part ? part_right : given.right_gain, given.right_error,
                suspected ? "true" : "false");
    fputs("]}}\n", file);
    assert_int_equal(fclose(file), 0);
}

/* What is known of the run, and which verdict the trials make of it. */
struct known {
    enum cause guess;
    bool scheduled, learned_all;
    double comes_to, val_least;
};
static enum cause next = CAUSE_HEALTHY; /* found in the images besides, and doubtful */
static bool is_second;
static bool has_gap; /* validation is behind in the end */
static bool fitted;  /* the training images are right */
static char said[CONFIDENCE_TEXT], why[80], action[ACTION_TEXT], title[128];

static void expect(struct given given, struct known known, enum cause cause, bool proven)
{
    struct diagnosis diagnosis;
    struct config config = {0};
    write_trials(given);
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK);
    diagnosis.cause = diagnosis.first_guess = known.guess;
    diagnosis.found[0] = (struct symptom){.cause = known.guess, .rule = rule, .effects = effects};
    if (known.guess == CAUSE_OUTLIERS) {
        diagnosis.found[0].numbers[0].value = 0.1;
        diagnosis.found[0].numbers[1].value = in_validation;
        text_copy(diagnosis.found[0].numbers[0].name, sizeof diagnosis.found[0].numbers[0].name, "share");
        text_copy(diagnosis.found[0].numbers[1].name, sizeof diagnosis.found[0].numbers[1].name, "val");
        diagnosis.found[0].number_count = 2;
    }
    diagnosis.count = known.guess != CAUSE_HEALTHY;
    if (diagnosis.count && next != CAUSE_HEALTHY)
        diagnosis.found[diagnosis.count++] =
            (struct symptom){.cause = next, .rule = "next", .doubtful = true, .second = is_second};
    diagnosis.too_early = false;
    diagnosis.scheduled = known.scheduled;
    diagnosis.learned_all = known.learned_all;
    diagnosis.fitted = fitted;
    diagnosis.comes_to = known.comes_to;
    diagnosis.val_least = known.val_least;
    diagnosis.has_gap = has_gap;
    diagnosis.gap.note = true;
    if (diagnose_recall(&diagnosis, run.path) < 0)
        fail_msg("%s", fail_text());
    assert_string_equal(cause_table[diagnosis.cause].name, cause_table[cause].name);
    assert_int_equal(diagnosis.proof != NULL, proven);
    diagnosis_say_confidence(&diagnosis, said);
    snprintf(title, sizeof title, "%s", diagnosis_title(&diagnosis));
    assert_int_equal(train_load_config(&config, run.path, NULL, 0), OK);
    diagnosis_say_action(&diagnosis, &config, action);
    config_free(&config);
    const struct experiment *experiment = &diagnosis.experiment;
    const int last = experiment->arm_count - 1;
    snprintf(why, sizeof why, "%s", last < 0 ? "" : diagnosis_why(&diagnosis, &experiment->arms[last]));
    diagnosis_free(&diagnosis);
}

/* What softens answers costs loss and no accuracy: more of validation must be right by 2 points and three standard
 * errors, and the loss be lower than the run's has been by 15 %. */
static void test_what_is_taken_away(void **state)
{
    (void)state;
    const struct known known = {CAUSE_HEALTHY, false, false, 0.9, 0.9};
    struct given given = {"freed", CAUSE_REGULARISATION, 0.3, 0.05, 0.01, 2.0};
    expect(given, known, CAUSE_REGULARISATION, true);
    assert_string_equal(action, "set augment.hflip=0");
    assert_non_null(strstr(said, "proven: trial lowered the loss by 0.3"));
    assert_string_equal(why, "proves it");
    given.right_gain = 0.025; /* three standard errors are more */
    expect(given, known, CAUSE_HEALTHY, false);
    given.right_error = 0.001;
    expect(given, known, CAUSE_REGULARISATION, true);
    given.right_gain = 0.015;
    expect(given, known, CAUSE_HEALTHY, false);
    given.right_gain = 0.3;
    given.gain = -0.02;
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 2.0, 2.0}, CAUSE_HEALTHY, false);
    given.gain = 0.3; /* 0.7 after 0.82 at its best; 0.7 after 0.83 */
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.82}, CAUSE_HEALTHY, false);
    assert_string_equal(why, "better for now, and no further than the run has come");
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.83}, CAUSE_REGULARISATION, true);
    /* What is seen in the data is not overturned; that nothing is learned is. */
    expect(given, (struct known){CAUSE_IMBALANCE, false, false, 0.9, 0.9}, CAUSE_IMBALANCE, false);
    assert_string_equal(why, "better, but no cause of what the records show");
    expect(given, (struct known){CAUSE_NO_SIGNAL, false, false, 0.9, 0.9}, CAUSE_REGULARISATION, true);
}

/* Of several settings that are taken away the one that alone brings back 80 % of what all do, by right answers. */
static void test_the_least_is_taken_away(void **state)
{
    (void)state;
    const struct known known = {CAUSE_HEALTHY, false, false, 0.9, 0.9};
    const struct given given = {"freed", CAUSE_REGULARISATION, 0.3, 0.10, 0.001, 2.0};
    part_right = 0.081;
    expect(given, known, CAUSE_REGULARISATION, true);
    assert_string_equal(action, "set augment.hflip=0");
    expect(given, (struct known){CAUSE_REGULARISATION, false, false, 0.9, 0.9}, CAUSE_REGULARISATION, true);
    assert_string_equal(action, "set augment.hflip=0");
    part_right = 0.079;
    expect(given, known, CAUSE_REGULARISATION, true);
    assert_string_equal(action, "set augment.hflip=0, augment.rotate=0");
    part_right = 0.0;
}

/* Where its trial refutes overfitting validation is still as far behind. */
static void test_a_gap_stays(void **state)
{
    (void)state;
    const struct given given = {"onward", CAUSE_OVERFITTING, -0.3, 0.0, 0.0, 2.0};
    const struct known known = {CAUSE_OVERFITTING, false, false, 0.9, 0.9};
    struct diagnosis diagnosis;
    assert_int_equal(diagnose_run(&diagnosis, run.path), OK); /* training 95 %, validation 30 % */
    assert_true(diagnosis.has_gap && diagnosis.gap.note);
    assert_non_null(strstr(diagnosis.gap.evidence, "points less"));
    diagnosis_free(&diagnosis);
    has_gap = true;
    expect(given, known, CAUSE_HEALTHY, false);
    assert_non_null(strstr(said, "(overfitting) was refuted: with trial"));
    assert_string_equal(title, NOTED_TITLE ": 50.0 % of validation's images are right at best");
    assert_string_equal(action, "look at the note: 50.0 % of validation's images are right at best (loss 0.9, guessing "
                                "2.3), and no trial says how to come further");
    has_gap = false;
    expect(given, known, CAUSE_HEALTHY, false);
    assert_non_null(strstr(title, "no fault found; 50.0 %"));
}

/* Images prepared otherwise may be so in other ways than the one that is tried. */
static void test_one_cure_of_several(void **state)
{
    (void)state;
    struct given given = {"onward", CAUSE_MISMATCH, -0.3, 0.0, 0.0, 2.0};
    const struct known known = {CAUSE_MISMATCH, false, false, 0.9, 0.9};
    expect(given, known, CAUSE_HEALTHY, false);
    trial_name = "brightness varied";
    expect(given, known, CAUSE_MISMATCH, false);
    assert_non_null(strstr(said, "shown by the records; brightness varied does not mend it"));
    given.gain = 0.3; /* 0.7 after 0.83 at the best epoch, whose weights are kept; after 0.82 */
    expect(given, (struct known){CAUSE_MISMATCH, false, false, 0.9, 0.83}, CAUSE_MISMATCH, true);
    assert_string_equal(action, cause_table[CAUSE_MISMATCH].action);
    expect(given, (struct known){CAUSE_MISMATCH, false, false, 0.9, 0.82}, CAUSE_MISMATCH, false);
    assert_string_equal(why, "better for now, and no further than the run has come");
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.82}, CAUSE_HEALTHY, false);
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.83}, CAUSE_MISMATCH, true);
    /* From new weights it has to come further than the run in all of its updates, by however little: 0.7. */
    given.family = "unseen";
    trial_name = "light evened out";
    expect(given, (struct known){CAUSE_MISMATCH, false, false, 0.9, 0.71}, CAUSE_MISMATCH, true);
    assert_string_equal(why, "proves it");
    expect(given, (struct known){CAUSE_MISMATCH, false, false, 0.9, 0.69}, CAUSE_MISMATCH, false);
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.69}, CAUSE_HEALTHY, false);
    given.gain = -0.3;
    expect(given, known, CAUSE_MISMATCH, false);
    trial_name = "trial";
}

/* Light evened out that comes no further than the run has (0.1) proves nothing, found or not: networks learn sooner so
 * on clean sets, too. */
static void test_light_that_was_found(void **state)
{
    (void)state;
    struct given given = {"unseen", CAUSE_ILLUMINATION, 0.5, 0.0, 0.0, 2.0};
    trial_name = "light evened out";
    expect(given, (struct known){CAUSE_ILLUMINATION, false, false, 0.1, 0.1}, CAUSE_ILLUMINATION, false);
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.1, 0.1}, CAUSE_HEALTHY, false);
    expect(given, (struct known){CAUSE_ILLUMINATION, false, false, 0.9, 0.9}, CAUSE_ILLUMINATION, true);
    trial_name = "trial";
}

/* The unchanged trial's few lost images make the error; that more images are right by 2 points and three standard
 * errors is the second reading, of what was suspected and of nothing else. */
static void test_a_heavy_tail(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_RATE_HIGH, 0.47, 0.25, 0.018, 2.0};
    const struct known known = {CAUSE_RATE_HIGH, false, false, 0.9, 0.9};
    error = 0.54;
    suspected = true;
    expect(given, known, CAUSE_RATE_HIGH, true);
    assert_non_null(strstr(said, "proven: with trial 25.0 +- 1.8 points more of the images are right"));
    suspected = false;
    expect(given, known, CAUSE_RATE_HIGH, false);
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.9}, CAUSE_HEALTHY, false);
    suspected = true;
    given.right_error = 0.09; /* three of them are more */
    expect(given, known, CAUSE_RATE_HIGH, false);
    given.right_error = 0.001;
    given.right_gain = 0.015;
    expect(given, known, CAUSE_RATE_HIGH, false);
    given.right_gain = 0.25;
    given.gain = 0.29; /* of the unchanged 2.0, less than 15 % */
    expect(given, known, CAUSE_RATE_HIGH, false);
    suspected = false;
    error = 0.01;
}

/* Where the budget let none in, trials were asked for and say nothing: the way to more is still to make them. */
static void test_no_trial_was_made(void **state)
{
    (void)state;
    const struct given given = {"anew", CAUSE_RATE_HIGH, 0.0, 0.0, 0.0, 1.0};
    done = "false";
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.9}, CAUSE_HEALTHY, false);
    assert_ptr_equal(strstr(action, "none that the records show: "), action);
    assert_non_null(strstr(action, "whether more can be had: `evenkeel doctor /")); /* the run's own directory */
    expect(given, (struct known){CAUSE_UNKNOWN, false, false, 0.9, 0.9}, CAUSE_UNKNOWN, false);
    assert_null(strstr(action, "no trial"));
    done = "true";
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.9}, CAUSE_HEALTHY, false);
    assert_non_null(strstr(action, "no trial says how to come further"));
}

/* The unchanged trial has no schedule. */
static void test_the_whole_rate(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_RATE_HIGH, -0.3, 0.0, 0.0, 1.0};
    struct known known = {CAUSE_SCHEDULE, true, false, 1.2, 1.0};
    expect(given, known, CAUSE_SCHEDULE, true);
    assert_non_null(strstr(said, "proven: from new weights 60 updates at the whole rate come to a loss of 1, and all "
                                 "60 of the run to 1.2"));
    known.guess = CAUSE_HEALTHY;
    expect(given, known, CAUSE_SCHEDULE, true);
    fitted = true; /* what is missing is missing on validation */
    expect(given, known, CAUSE_HEALTHY, false);
    known.guess = CAUSE_SCHEDULE;
    expect(given, known, CAUSE_SCHEDULE, true);
    fitted = false;
    has_gap = true; /* nor is it training that has less than it could */
    expect(given, (struct known){CAUSE_HEALTHY, true, false, 1.2, 1.0}, CAUSE_HEALTHY, false);
    has_gap = false;
    known.guess = CAUSE_RATE_HIGH; /* what breaks off late is another matter; a lower rate makes it worse */
    expect(given, known, CAUSE_HEALTHY, false);
    known.guess = CAUSE_HEALTHY;
    known.comes_to = 1.17; /* 15 % above 1 is 1.176 */
    expect(given, known, CAUSE_HEALTHY, false);
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 1.2, 1.0}, CAUSE_HEALTHY, false);
    /* What is only quicker has the whole rate as well. */
    const struct given quicker = {"anew", CAUSE_RATE_LOW, 0.5, 0.0, 0.0, 1.0};
    effects = EFFECT_TRAINING;
    expect(quicker, (struct known){CAUSE_SCHEDULE, true, false, 1.0, 1.0}, CAUSE_SCHEDULE, false);
    expect(quicker, (struct known){CAUSE_CLIP, true, false, 1.0, 1.0}, CAUSE_RATE_LOW, true);
    effects = EFFECT_APART;
}

/* Above guessing any optimizer is quicker: it says something where it learns (2.187). */
static void test_quicker_than_nothing(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_PLAIN_SGD, 0.1, 0.0, 0.0, 2.35};
    const struct known known = {CAUSE_RATE_HIGH, false, false, 2.4, 2.4};
    effects = EFFECT_LONG;
    two_settings = true;
    stands = 2.35;
    expect(given, known, CAUSE_RATE_HIGH, false);
    given.gain = 0.2;
    expect(given, known, CAUSE_PLAIN_SGD, true);
    effects = EFFECT_APART;
    two_settings = false;
    stands = 1.0;
}

/* Where the unchanged trial stands at guessing (2.303), what was suspected, is unlike most, and learns (2.187) helps,
 * by less than 15 % as well. */
static void test_what_wakes(void **state)
{
    (void)state;
    struct given given = {"anew", CAUSE_INITIALISATION, 0.2, 0.0, 0.0, 2.3};
    const struct known known = {CAUSE_INITIALISATION, false, false, 2.3, 2.3};
    stands = 2.3;
    suspected = true;
    expect(given, known, CAUSE_INITIALISATION, true);
    given.gain = 0.1;
    expect(given, known, CAUSE_INITIALISATION, false);
    given.cause = CAUSE_RATE_HIGH; /* a lower rate is tried on every run: it is what was suspected that counts */
    given.gain = 0.2;
    expect(given, (struct known){CAUSE_RATE_HIGH, false, false, 2.3, 2.3}, CAUSE_RATE_HIGH, true);
    suspected = false;
    expect(given, (struct known){CAUSE_RATE_HIGH, false, false, 2.3, 2.3}, CAUSE_RATE_HIGH, false);
    suspected = true;
    given = (struct given){"anew", CAUSE_INITIALISATION, 0.2, 0.0, 0.0, 2.0}; /* the unchanged one learns as well */
    stands = 2.0;
    expect(given, known, CAUSE_INITIALISATION, false);
    stands = 1.0;
    suspected = false;
}

/* Odd images that validation has too speak no word against themselves. */
static void test_odd_images_in_both_parts(void **state)
{
    (void)state;
    const struct given given = {"unseen", CAUSE_OUTLIERS, -0.3, 0.0, 0.0, 1.0};
    const struct known known = {CAUSE_OUTLIERS, false, false, 0.9, 0.9};
    in_validation = 0.1;
    expect(given, known, CAUSE_OUTLIERS, false);
    assert_non_null(strstr(said, "shown by the records; validation has such images too"));
    in_validation = 0.01;
    expect(given, known, CAUSE_HEALTHY, false);
    in_validation = 0.0;
}

/* Nor wrong labels that validation may have too; where it is the witness its word counts against them as well. */
static void test_labels_in_both_parts(void **state)
{
    (void)state;
    static const char *const of_itself[] = {"two_kinds", "wrong_when_sure", "one_way"};
    const struct given given = {"unseen", CAUSE_LABELS, -0.3, 0.0, 0.0, 1.0};
    const struct known known = {CAUSE_LABELS, false, false, 0.9, 0.9};
    for (int i = 0; i < COUNT_OF(of_itself); i++) {
        rule = of_itself[i];
        expect(given, known, CAUSE_LABELS, false);
        assert_non_null(strstr(said, "shown by the records; validation may have such labels too"));
    }
    rule = "better_on_validation";
    expect(given, known, CAUSE_HEALTHY, false);
    rule = "given";
}

/* Another optimizer, which comes with a rate of its own, hides what was wrong before the first update. */
static void test_another_optimizer_hides(void **state)
{
    (void)state;
    const struct given adam = {"anew", CAUSE_PLAIN_SGD, 0.5, 0.0, 0.0, 1.0};
    const struct known known = {CAUSE_INPUT_SCALE, false, false, 0.9, 0.9};
    two_settings = true;
    effects = EFFECT_LONG;
    expect(adam, known, CAUSE_PLAIN_SGD, true);
    effects = EFFECT_LONG | EFFECT_START;
    expect(adam, known, CAUSE_INPUT_SCALE, false);
    effects = EFFECT_APART;
    two_settings = false;
}

/* What was doubtful for the sake of a first guess alone takes its place where that falls. */
static void test_the_second_takes_its_place(void **state)
{
    (void)state;
    const struct given worse = {"anew", CAUSE_RATE_HIGH, -0.3, 0.0, 0.0, 1.0};
    const struct known known = {CAUSE_RATE_HIGH, false, false, 0.9, 0.9};
    next = CAUSE_IMBALANCE;
    is_second = true;
    expect(worse, known, CAUSE_IMBALANCE, false);
    is_second = false;
    expect(worse, known, CAUSE_HEALTHY, false);
    next = CAUSE_HEALTHY;
}

/* No setting gets below what wrong labels leave. */
static void test_labels_are_a_floor(void **state)
{
    (void)state;
    const struct given given = {"anew", CAUSE_PLAIN_SGD, 0.3, 0.0, 0.0, 1.0};
    expect(given, (struct known){CAUSE_LABELS, false, false, 0.9, 0.9}, CAUSE_PLAIN_SGD, true);
    expect(given, (struct known){CAUSE_LABELS, false, false, 0.8, 0.9}, CAUSE_LABELS, false);
    rule = "unrelated"; /* counted in the images: those that say nothing are learned by heart sooner, and no better */
    expect(given, (struct known){CAUSE_LABELS, false, false, 0.9, 0.9}, CAUSE_LABELS, false);
    expect((struct given){"unseen", CAUSE_LABELS, -0.3, 0.0, 0.0, 1.0},
           (struct known){CAUSE_LABELS, false, false, 0.9, 0.9}, CAUSE_LABELS, false);
    rule = "labels_unrelated"; /* a loss that stands does not stand for certain */
    expect(given, (struct known){CAUSE_LABELS, false, false, 0.9, 0.9}, CAUSE_PLAIN_SGD, true);
    rule = "given";
}

/* Above ten times guessing (23.03) a run has lost its way: what is better than guessing helps, and nothing else. */
static void test_a_lost_run(void **state)
{
    (void)state;
    const struct known known = {CAUSE_HEALTHY, false, false, 24.0, 24.0};
    expect((struct given){"anew", CAUSE_RATE_HIGH, -1.0, 0.0, 0.0, 24.0}, known, CAUSE_RATE_HIGH, true); /* at 2 */
    expect((struct given){"anew", CAUSE_RATE_HIGH, -2.0, 0.0, 0.0, 24.0}, known, CAUSE_HEALTHY, false);  /* at 3 */
    expect((struct given){"anew", CAUSE_RATE_HIGH, -1.0, 0.0, 0.0, 22.0}, known, CAUSE_HEALTHY, false);  /* not lost */
}

/* What is still as good as guessing says nothing of its batch, nor of augmentation that leaves it worse than that. */
static void test_at_guessing(void **state)
{
    (void)state;
    const struct known known = {CAUSE_HEALTHY, false, false, 2.2, 2.2};
    expect((struct given){"anew", CAUSE_BATCH_SMALL, -0.02, 0.0, 0.0, 2.0}, known, CAUSE_BATCH_SMALL, true);
    expect((struct given){"anew", CAUSE_BATCH_SMALL, -0.02, 0.0, 0.0, 2.1}, known, CAUSE_HEALTHY, false);
    assert_ptr_equal(strstr(said, "shown"), said); /* learning by heart was not tried */
    stands = 3.0;
    const struct known by_heart = {CAUSE_OVERFITTING, false, false, 0.1, 3.0};
    expect((struct given){"onward", CAUSE_OVERFITTING, 0.8, 0.0, 0.0, 1.0}, by_heart, CAUSE_OVERFITTING, true);
    expect((struct given){"onward", CAUSE_OVERFITTING, 0.6, 0.0, 0.0, 1.0}, by_heart, CAUSE_OVERFITTING, false);
    assert_string_equal(why, "rejected: validation stays worse than guessing");
    const struct known behind = {CAUSE_MISMATCH, false, false, 0.1, 3.0}; /* whatever it is of */
    expect((struct given){"unseen", CAUSE_MISMATCH, 0.8, 0.0, 0.0, 1.0}, behind, CAUSE_MISMATCH, true);
    expect((struct given){"unseen", CAUSE_MISMATCH, 0.6, 0.0, 0.0, 1.0}, behind, CAUSE_MISMATCH, false);
    assert_string_equal(why, "rejected: validation stays worse than guessing");
    stands = 1.0;
}

static void test_words_of_a_healthy_run(void **state)
{
    (void)state;
    const struct given given = {"anew", CAUSE_RATE_LOW, 0.5, 0.0, 0.0, 1.0};
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.4, 0.4}, CAUSE_HEALTHY, false);
    assert_string_equal(why, "better for now, and no further than the run has come");
    expect(given, (struct known){CAUSE_HEALTHY, false, true, 0.9, 0.4}, CAUSE_HEALTHY, false);
    assert_string_equal(why, "better for now, where nothing is left to gain");
    expect(given, (struct known){CAUSE_HEALTHY, false, false, 0.9, 0.4}, CAUSE_RATE_LOW, true);
    assert_string_equal(why, "proves it");
}

static int set_up(void **state)
{
    if (tiny_set_up(state) != 0)
        return -1;
    tiny_train_ok(NULL,
                  "train.epochs=12 train.threads=1 model.name=mlp model.hidden=64 early_stop.restore_best=false "
                  "optim.lr=0.003",
                  &run);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_taken_away),
        cmocka_unit_test(test_the_least_is_taken_away),
        cmocka_unit_test(test_a_gap_stays),
        cmocka_unit_test(test_at_guessing),
        cmocka_unit_test(test_one_cure_of_several),
        cmocka_unit_test(test_light_that_was_found),
        cmocka_unit_test(test_a_heavy_tail),
        cmocka_unit_test(test_no_trial_was_made),
        cmocka_unit_test(test_the_whole_rate),
        cmocka_unit_test(test_quicker_than_nothing),
        cmocka_unit_test(test_what_wakes),
        cmocka_unit_test(test_another_optimizer_hides),
        cmocka_unit_test(test_the_second_takes_its_place),
        cmocka_unit_test(test_odd_images_in_both_parts),
        cmocka_unit_test(test_labels_in_both_parts),
        cmocka_unit_test(test_labels_are_a_floor),
        cmocka_unit_test(test_a_lost_run),
        cmocka_unit_test(test_words_of_a_healthy_run),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_tear_down);
}

/* test_rules_mismatch: the same for validation that is of another kind, and for a run that ended by itself, or in
 * its warm-up. */
#include "drawn_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Stopped at epoch 4 of 20, after one that was no better by less than single images make, while training fell. */
static void test_stopped_soon(void **state)
{
    (void)state;
    healthy();
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess - 0.001 * t + 0.1 * jitter(t);
    run.config.train.epochs = 20;
    run.config.early_stop.patience = 1;
    run.evidence.over = true;
    run.evidence.planned_steps = 5 * STEPS;
    fill(run.val_loss_error, 0, EPOCHS, 0.03);
    fill(run.val_loss, 0, EPOCHS, 2.0);
    run.best[EPOCHS - 1] = 0.0;
    SHOWS("stopped_soon", CAUSE_EARLY_STOP);
    run.val_loss[EPOCHS - 1] = 2.14; /* 3.3 standard errors */
    SHOWS("stopped_soon", CAUSE_EARLY_STOP);
    run.val_loss[EPOCHS - 1] = 2.16; /* 3.8: it has become worse */
    SILENT("stopped_soon");
    run.val_loss[EPOCHS - 1] = 2.0;
    fill(run.val_loss_error, 0, EPOCHS, 0.02); /* a fall by 0.1 in an epoch would have shown beyond 0.099 */
    SILENT("stopped_soon");
    run.config.early_stop.min_delta = 0.11; /* and would not have counted */
    SHOWS("stopped_soon", CAUSE_EARLY_STOP);
    SAYS("stopped_soon", "0.028, and early_stop.min_delta = 0.11 asks for more");
    run.config.early_stop.min_delta = 0.09;
    SILENT("stopped_soon");
    fill(run.correct, 0, STEPS, 64.0 * 0.9); /* of training images 90 % while it trains, in evaluation 71 % */
    fill(run.val_accuracy, 0, EPOCHS, 0.7);
    run.evidence.fit = (struct fit_evidence){.step = STEPS - 1, .images = 1024, .accuracy = 0.71};
    SHOWS("stopped_soon", CAUSE_EARLY_STOP);
    SAYS("stopped_soon",
         "no more right than validation's (71.0 %), so that this loss does not measure what is learned");
    run.evidence.fit.accuracy = 0.89;
    SILENT("stopped_soon");
    run.config.early_stop.min_delta = 0.0;
    fill(run.val_loss_error, 0, EPOCHS, 0.03);
    run.evidence.over = false;
    SILENT("stopped_soon");
    run.evidence.over = true;
    run.config.early_stop.patience = 0; /* something else ended it */
    SILENT("stopped_soon");
    run.config.early_stop.patience = 1;
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = 1.0 + 0.1 * jitter(t);
    SILENT("stopped_soon");
}

/* It was at its best, and that was not enough. */
static void test_stopped_at_its_best(void **state)
{
    (void)state;
    healthy();
    run.config.early_stop.patience = 1;
    run.config.early_stop.min_delta = 0.25;
    run.evidence.over = true;
    run.evidence.planned_steps = 5 * STEPS;
    fill(run.val_loss, 0, EPOCHS, 2.0);
    SILENT("stopped_soon");
    run.val_loss[EPOCHS - 1] = 1.9;
    SHOWS("stopped_soon", CAUSE_EARLY_STOP);
    SAYS("stopped_soon", "1.9 after 2: early_stop.min_delta = 0.25 asks for more");
    run.evidence.steps = 40; /* however few they were */
    SHOWS("stopped_soon", CAUSE_EARLY_STOP);
    run.evidence.steps = STEPS;
    run.config.early_stop.monitor = MONITOR_TRAIN_LOSS;
    SILENT("stopped_soon");
    run.config.early_stop.monitor = MONITOR_VAL_LOSS;
    run.val_loss[1] = 1.8; /* it has become worse since */
    SILENT("stopped_soon");
    run.val_loss[1] = 2.0;
    run.evidence.planned_steps = STEPS; /* it came to its end */
    SILENT("stopped_soon");
}

/* What the weights of an epoch answer: so many right, where the same answers dealt out blindly have 200 +- 10. */
static void answers(enum called_weights weights, int64_t epoch, int64_t right)
{
    run.evidence.called[weights] =
        (struct called_evidence){.epoch = epoch, .images = 2000, .right = right, .blind = 200.0, .blind_error = 10.0};
}

/* Fewer than 200 by 3.5 standard deviations: 165. */
static void test_below_chance(void **state)
{
    (void)state;
    part(0.99, 0.1, 0.07, 2.0);
    answers(CALLED_BEST, 1, 164);
    SHOWS("below_chance", CAUSE_MISMATCH);
    assert_int_equal(shown("below_chance")->step, 199); /* the second epoch */
    SILENT("overfitting");
    answers(CALLED_BEST, 1, 140);
    SAYS("below_chance", "99.0 % of the training images are right, and 7.00 % of validation's");
    SAYS("below_chance", "fewer than the same answers dealt out blindly would have (10.0 %)");
    answers(CALLED_BEST, 1, 166);
    fill(run.val_accuracy, 0, EPOCHS, 0.2);
    run.val_loss[0] = 1.5;
    SILENT("below_chance");
    SHOWS("overfitting", CAUSE_OVERFITTING);
    answers(CALLED_LAST, EPOCHS - 1, 0); /* the last weights have learned what the best had not */
    SHOWS("below_chance", CAUSE_MISMATCH);
    run.evidence.called[CALLED_LAST].blind = 0.0; /* none are: a class that validation lacks is answered */
    run.evidence.called[CALLED_LAST].blind_error = 0.0;
    SILENT("below_chance");
    answers(CALLED_LAST, EPOCHS, 0); /* of an epoch that results.csv does not have yet */
    SILENT("below_chance");
    answers(CALLED_LAST, EPOCHS - 1, 0);
    run.val_accuracy[0] = 0.95; /* it was right once: what came over it is something else */
    SILENT("below_chance");
    part(0.99, 0.96 * guess, 0.07, 5.0); /* nothing learned */
    answers(CALLED_LAST, EPOCHS - 1, 0);
    SILENT("below_chance");
}

/* The classes A and B are called each other. */
static void exchange(enum called_weights weights, int64_t epoch)
{
    worse(0.99, 0.1, 0.8);
    run.evidence.rarest = 1.0;
    run.evidence.called[weights] = (struct called_evidence){.epoch = epoch,
                                                            .images = 2000,
                                                            .right = 1600,
                                                            .lost = 2,
                                                            .targets = 2,
                                                            .in_ring = 2,
                                                            .shown = {{"A", "B", 20, 19}, {"B", "A", 21, 18}}};
}

static void test_exchanged(void **state)
{
    (void)state;
    exchange(CALLED_LAST, EPOCHS - 1);
    SHOWS("exchanged", CAUSE_MISMATCH);
    assert_int_equal(shown("exchanged")->step, STEPS - 1);
    exchange(CALLED_BEST, 1);
    SHOWS("exchanged", CAUSE_MISMATCH);
    SAYS("exchanged",
         "of 20 validation images of 'A' 19 are called 'B', of 21 of 'B' 18 are called 'A' (2 classes in all");
    SILENT("overfitting");
    run.evidence.val_images = 0;
    SILENT("exchanged");
    exchange(CALLED_LAST, EPOCHS - 1);
    run.config.model.name = MODEL_SMALL_CNN, run.config.model.batch_norm = true;
    run.evidence.planned_steps = 2 * STEPS; /* half of it done: running means have caught up */
    SHOWS("exchanged", CAUSE_MISMATCH);
    run.evidence.planned_steps++;
    SILENT("exchanged");
}

/* Two lost classes of ten: known in training, if more than 1 - 0.2 * 0.9 = 82 % are right, by 3.5 standard errors of
 * 6400 images, 1.7 points. */
static void test_called_otherwise(void **state)
{
    (void)state;
    exchange(CALLED_LAST, EPOCHS - 1);
    run.evidence.called[CALLED_LAST].in_ring = 0;
    fill(run.train_accuracy, 0, EPOCHS, 0.84);
    SHOWS("called_otherwise", CAUSE_MISMATCH);
    SILENT("overfitting");
    fill(run.train_accuracy, 0, EPOCHS, 0.83);
    fill(run.correct, 0, 100, 64.0 * 0.7);
    SILENT("called_otherwise");
    SHOWS("overfitting", CAUSE_OVERFITTING);
    fill(run.train_accuracy, 0, EPOCHS, 0.96);
    run.evidence.rarest = 0.1; /* they may be rare: 1 - 0.02 * 0.9 = 98.2 % */
    SILENT("called_otherwise");
    run.evidence.rarest = 1.0;
    run.evidence.called[CALLED_LAST].targets = 1; /* all are called the same */
    SILENT("called_otherwise");
    run.evidence.called[CALLED_LAST].targets = 2;
    run.evidence.called[CALLED_LAST].lost = 1;
    SILENT("called_otherwise");
}

/* Validation by chance all along: 0.1 of ten classes, 3.5 standard errors of 2000 images 0.0235. The third epoch is the
 * first to be asked. */
static void unshared(double early, double late, double val)
{
    part(late, 0.5, val, 2.4);
    fill(run.correct, 0, 200, 64.0 * early);
    fill(run.train_accuracy, 0, EPOCHS, late);
}

static void test_of_training_alone(void **state)
{
    (void)state;
    unshared(0.6, 0.9, 0.12);
    SHOWS("of_training_alone", CAUSE_MISMATCH);
    SAYS("of_training_alone", "60.0 % of the training images are right when they are seen for the second time");
    assert_int_equal(shown("of_training_alone")->step, 199);
    SILENT("overfitting");
    unshared(0.6, 0.9, 0.125);
    SILENT("of_training_alone");
    unshared(0.6, 0.9, 0.12);
    run.val_accuracy[3] = 0.125; /* it did hold once */
    SILENT("of_training_alone");
    unshared(0.6, 0.9, 0.12);
    run.config.data.shuffle = false;
    SILENT("of_training_alone");
    unshared(0.6, 0.9, 0.12);
    run.config.optim.ema_decay = 0.9;
    SILENT("of_training_alone");
    unshared(0.6, 0.9, 0.12);
    run.evidence.largest_share = 0.05, run.evidence.classes = 20; /* 0.05 by chance, and 0.0171 */
    SILENT("of_training_alone");
    unshared(0.6, 0.15, 0.12); /* training has forgotten it */
    SILENT("of_training_alone");
}

static void test_by_heart_alone(void **state)
{
    (void)state;
    unshared(0.12, 0.9, 0.1);
    SHOWS("by_heart_alone", CAUSE_LABELS);
    SAYS("by_heart_alone",
         "right by chance when they are seen for the second time (12.0 %), and 90.0 % after 6 epochs");
    SILENT("of_training_alone");
    unshared(0.4, 0.9, 0.1);
    SILENT("by_heart_alone");
    unshared(0.12, 0.9, 0.2);
    SILENT("by_heart_alone");
    unshared(0.12, 0.9, 0.1);
    fill(run.samples, 0, STEPS, 4.0); /* a hundred images */
    fill(run.correct, 0, 200, 4.0 * 0.12);
    fill(run.correct, 200, STEPS, 4.0 * 0.9);
    SILENT("by_heart_alone");
}

/* An average that is still the first weights says nothing of those that are trained: 0.05 at 600 steps is 0.99502. */
static void test_averages_that_lag(void **state)
{
    (void)state;
    for (int lag = 0; lag < 2; lag++) {
        part(0.99, 0.1, 0.3, 2.0);
        run.evidence.val_images = 2000;
        run.config.optim.ema_decay = lag ? 0.9951 : 0.9949;
        if (lag)
            SILENT("gap");
        else
            SHOWS("gap", CAUSE_OVERFITTING);
    }
    run.config.optim.ema_warmup = true;
    SHOWS("gap", CAUSE_OVERFITTING);
}

/* So at some epoch it knew them: 40 of 100 images lost leave 1 - 0.4 * 0.9 = 64 %, and 3.5 standard errors of 2000 to
 * it are 3.8 points. With a normalisation half of the run is waited for. */
static void test_called_by_chance_of_the_moment(void **state)
{
    (void)state;
    exchange(CALLED_LAST, EPOCHS - 1);
    run.evidence.called[CALLED_LAST].in_ring = 0;
    run.evidence.called[CALLED_LAST].lost_images = 800;
    fill(run.train_accuracy, 0, EPOCHS, 0.99);
    fill(run.val_accuracy, 0, EPOCHS, 0.6);
    run.val_accuracy[2] = 0.67;
    SHOWS("called_otherwise", CAUSE_MISMATCH);
    run.val_accuracy[2] = 0.69;
    SILENT("called_otherwise");
    run.val_accuracy[2] = 0.6;
    run.config.model.batch_norm = true;
    run.evidence.planned_steps = 2 * STEPS;
    SHOWS("called_otherwise", CAUSE_MISMATCH);
    run.evidence.planned_steps = 2 * STEPS + 1;
    SILENT("called_otherwise");
    run.config.model.batch_norm = false;
    SHOWS("called_otherwise", CAUSE_MISMATCH);
}

/* 1600 images of the first epoch's last quarter at 0.4, 2000 of validation at 0.2: 3.5 standard errors are 5.3 points,
 * and ten are asked for. */
static void test_never_reached(void **state)
{
    (void)state;
    part(0.9, 0.3, 0.29, 3.0);
    fill(run.correct, 0, 100, 64.0 * 0.4);
    run.evidence.rarest = 1.0;
    SHOWS("never_reached", CAUSE_MISMATCH);
    SAYS("never_reached", "40.0 % right in the end, and validation has never had more than 29.0 %, in 6 epochs");
    SILENT("worthless");
    SILENT("overfitting");
    run.val_accuracy[3] = 0.31; /* once it was nearer */
    SILENT("never_reached");
    SHOWS("worthless", CAUSE_OVERFITTING);
    run.val_accuracy[3] = 0.29;
    run.evidence.rarest = 0.9; /* 1 - 0.6 / 0.9 = 33 % where the rare classes are as many */
    SILENT("never_reached");
    run.evidence.rarest = 1.0;
    run.evidence.copies = 0.1;
    SILENT("never_reached");
    fill(run.correct, 0, 100, 64.0 * 0.85); /* of which most were shown before */
    run.evidence.copies = 0.51;
    SILENT("never_reached");
    run.evidence.copies = 0.49;
    SHOWS("never_reached", CAUSE_MISMATCH);
    fill(run.correct, 0, 100, 64.0 * 0.4);
    run.evidence.copies = 0.0;
    run.evidence.planned_steps = 3 * STEPS; /* too early, for by heart as well */
    SILENT("never_reached");
    SILENT("worthless");
    run.evidence.planned_steps = STEPS;
    run.config.data.shuffle = false; /* of the last classes alone */
    SILENT("never_reached");
    run.config.data.shuffle = true;
    fill(run.correct, 500, STEPS, 64.0 * 0.39); /* training has lost it, too */
    SILENT("never_reached");
}

/* An average over 10,000 updates, of which the run has 600: 94 % of it is as drawn. Nothing is said of validation. */
static void test_not_caught_up(void **state)
{
    (void)state;
    part(0.9, 0.3, 0.29, 3.0);
    SHOWS("worthless", CAUSE_OVERFITTING);
    run.config.optim.ema_decay = 0.9999;
    SHOWS("not_caught_up", CAUSE_AVERAGE);
    SAYS("not_caught_up", "optim.ema_decay = 0.9999 averages over 10000 updates, and the run has 600: in the end 94 %");
    SILENT("worthless");
    exchange(CALLED_LAST, EPOCHS - 1);
    run.config.optim.ema_decay = 0.9999;
    SILENT("exchanged");
    run.config.optim.ema_decay = 0.994; /* 2.7 % */
    SHOWS("exchanged", CAUSE_MISMATCH);
    SILENT("not_caught_up");
    part(0.9, 0.3, 0.29, 3.0);
    run.config.optim.ema_decay = 0.996; /* 9 % */
    SHOWS("not_caught_up", CAUSE_AVERAGE);
    run.config.optim.ema_warmup = true;
    SILENT("not_caught_up");
    run.config.optim.ema_warmup = false;
    run.evidence.planned_steps = 2 * STEPS; /* 0.8 % by then */
    SILENT("not_caught_up");
    run.evidence.over = true;
    SHOWS("not_caught_up", CAUSE_AVERAGE);
    fill(run.val_accuracy, 0, EPOCHS, 0.85); /* no harm */
    SILENT("not_caught_up");
    fill(run.val_loss, 0, EPOCHS, 2.5);
    SILENT("never_of_use");
    run.config.optim.ema_decay = 0.0;
    SHOWS("never_of_use", CAUSE_UNKNOWN);
}

/* A warm-up that is longer than the run of six epochs. */
static void test_still_warming(void **state)
{
    (void)state;
    healthy();
    run.evidence.over = true;
    run.config.schedule.warmup_epochs = 30.0;
    run.rate[STEPS - 1] = 0.29 * run.config.optim.lr;
    SHOWS("still_warming", CAUSE_SCHEDULE);
    SAYS("still_warming",
         "ended in its warm-up of 30 epochs, at a rate of 0.00029: optim.lr = 0.001 was never reached");
    run.rate[STEPS - 1] = 0.31 * run.config.optim.lr;
    SILENT("still_warming");
    run.rate[STEPS - 1] = 0.29 * run.config.optim.lr;
    run.evidence.over = false; /* there is more to come */
    SILENT("still_warming");
    run.evidence.over = true;
    run.config.schedule.warmup_epochs = 5.0; /* what has lowered the rate is not the warm-up */
    SILENT("still_warming");
    run.config.schedule.warmup_epochs = 30.0;
    fill(run.val_accuracy, 0, EPOCHS, 0.96);
    SILENT("still_warming");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_soon),
        cmocka_unit_test(test_stopped_at_its_best),
        cmocka_unit_test(test_below_chance),
        cmocka_unit_test(test_of_training_alone),
        cmocka_unit_test(test_by_heart_alone),
        cmocka_unit_test(test_averages_that_lag),
        cmocka_unit_test(test_exchanged),
        cmocka_unit_test(test_called_otherwise),
        cmocka_unit_test(test_called_by_chance_of_the_moment),
        cmocka_unit_test(test_never_reached),
        cmocka_unit_test(test_not_caught_up),
        cmocka_unit_test(test_still_warming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

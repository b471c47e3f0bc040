/* test_doctor_images: what was found in the images before training, and when it is the cause of what a run shows. */
#include "found_images.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Light costs accuracy at most: what throws a network about or leaves it at guessing is the cause, whenever it shows.
 */
static void test_images_explain_what_they_can(void **state)
{
    (void)state;
    static const char *const mild[] = {"illumination", "shading", "brightness", "outliers", "conflicting-labels"};
    for (int i = 0; i < COUNT_OF(mild); i++) {
        healthy();
        find_images(mild[i]);
        const enum cause cause = run.evidence.images[0].cause;
        expect(cause, mild[i]); /* 84 % at its best, and nothing else to blame */
        stride(5);
        find_images(mild[i]);
        expect_doubtful(CAUSE_RATE_HIGH, cause);
        assert_true(found[1].second); /* but for the rate it would be the cause */
        stand(1.0);
        find_images(mild[i]);
        expect_doubtful(CAUSE_NO_SIGNAL, cause);
        healthy();
        find_images(mild[i]);
        run.config.optim.weight_decay = 1.0;
        expect_doubtful(CAUSE_WEIGHT_DECAY, cause);
    }
    /* Images badly scaled or sorted throw any network about. */
    static const char *const grave[] = {"normalisation", "order"};
    for (int i = 0; i < COUNT_OF(grave); i++) {
        healthy();
        find_images(grave[i]);
        for (int t = 5; t < STEPS; t++) {
            run.update[t] = t < 8 ? 10.0 : 0.2;
            run.loss[t] = guess + 0.01 * jitter(t);
        }
        expect(run.evidence.images[0].cause, grave[i]);
        assert_false(found[1].doubtful);
    }
    /* Rare classes leave a network at guessing by their shares, and break none. */
    healthy();
    find_images("imbalance");
    for (int t = 0; t < STEPS; t++)
        run.loss[t] = guess + 0.01 * jitter(t);
    expect(CAUSE_IMBALANCE, "imbalance");
    run.evidence.layers = (struct layer_evidence){.dead_layer = "relu3", .dead_share = 0.96, .dead_step = 256};
    expect_doubtful(CAUSE_RATE_HIGH, CAUSE_IMBALANCE);
}

/* Where everything is learned there is nothing for light to have cost; before the first epoch nobody knows. */
static void test_healthy_with_a_doubt(void **state)
{
    (void)state;
    healthy();
    find_images("shading");
    expect(CAUSE_ILLUMINATION, "shading");
    learn_all();
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    run.evidence.val_images = 0; /* none: then training tells */
    expect(CAUSE_ILLUMINATION, "shading");
    fill(run.train_accuracy, EPOCHS - 1, EPOCHS, 0.96);
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    healthy();
    find_images("shading");
    run.evidence.epochs = 0;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    healthy();
    find_images("imbalance"); /* counted, and certain: rare classes hardly count in the accuracy of all */
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96);
    expect(CAUSE_IMBALANCE, "imbalance");
    /* A rule that saw the same later is no doubt. */
    healthy();
    find_images("conflicting-labels");
    fill(run.val_accuracy, 0, EPOCHS, 0.96);
    fill(run.val_loss, 0, EPOCHS, 0.2);
    expect(CAUSE_LABELS, "conflicting-labels");
}

/* A scale far off is a mistake in the config, also where a normalisation in the network bears it; that is said. */
static void test_a_scale_that_costs_nothing(void **state)
{
    (void)state;
    static const char absorbed[] = "takes most of it out again";
    healthy();
    find_images("normalisation");
    expect(CAUSE_INPUT_SCALE, "normalisation");
    assert_null(strstr(found[0].evidence, absorbed));
    run.evidence.epochs = 0;
    expect(CAUSE_INPUT_SCALE, "normalisation");
    run.evidence.epochs = EPOCHS;
    run.evidence.layers = (struct layer_evidence){.measured = true, .normalises = true};
    expect(CAUSE_INPUT_SCALE, "normalisation");
    assert_non_null(strstr(found[0].evidence, absorbed));
    assert_null(strstr(found[0].evidence, "all the same"));
    learn_all();
    expect(CAUSE_INPUT_SCALE, "normalisation");
    assert_non_null(strstr(found[0].evidence, "(96.0 % are right all the same)"));
}

/* Steps that were too long to begin with are a note where everything is learned; what else they did is not. */
static void test_long_steps_that_cost_nothing(void **state)
{
    (void)state;
    healthy();
    stride(5);
    expect(CAUSE_RATE_HIGH, "large_steps");
    learn_all();
    expect_doubtful(CAUSE_HEALTHY, CAUSE_RATE_HIGH);
    fill(run.loss, 300, 303, 9.0); /* worse than guessing on the way */
    expect(CAUSE_RATE_HIGH, "large_steps");
    healthy();
    stride(5); /* training learned all but a twentieth in the end, however much of validation is wrong */
    run.evidence.over = true;
    fill(run.loss, STEPS - 50, STEPS, 0.06 * guess);
    expect(CAUSE_RATE_HIGH, "large_steps");
    fill(run.loss, STEPS - 50, STEPS, 0.04 * guess);
    expect_doubtful(CAUSE_HEALTHY, CAUSE_RATE_HIGH);
    run.evidence.over = false;
    expect(CAUSE_RATE_HIGH, "large_steps");
    stride(5);
    run.evidence.epochs = 0; /* nobody knows yet */
    expect(CAUSE_RATE_HIGH, "large_steps");
}

/* Uneven light that costs nothing measurable, or that nobody has measured, is a note. */
static void test_light_must_cost(void **state)
{
    (void)state;
    healthy();
    find_images("brightness");
    struct symptom *light = &run.evidence.images[0];
    expect(CAUSE_ILLUMINATION, "brightness");
    assert_non_null(strstr(found[0].evidence, "the loss would be 20 % +- 2.0 lower"));
    light->cost = 0.14;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    light->cost = -0.33;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    assert_non_null(strstr(found[0].evidence, "the loss would be no lower (33 % +- 2.0 higher)"));
    light->cost = 0.14;
    light->cost = 0.2;
    light->cost_error = 0.07;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    light->cost = light->cost_error = NAN;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    assert_null(strstr(found[0].evidence, "lower"));
    light->cost = 0.14, light->cost_error = 0.0;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    light->cost = 0.16;
    expect(CAUSE_ILLUMINATION, "brightness");
    /* What else shows is then the cause. */
    healthy();
    find_images("brightness");
    light->cost = 0.1;
    fill(run.val_accuracy, 0, EPOCHS, 0.9);
    fill(run.val_loss, 0, EPOCHS, 0.2);
    expect_doubtful(CAUSE_LABELS, CAUSE_ILLUMINATION);
}

/* Single odd images are the cause where they are learned that much worse; or worse at all, where something is missing.
 */
static void test_odd_images_must_cost(void **state)
{
    (void)state;
    healthy();
    find_images("outliers");
    struct symptom *odd = &run.evidence.images[0];
    odd->cost = odd->cost_error = NAN;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    odd->cost = 0.049, odd->cost_error = 0.001; /* too little to be why */
    expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    odd->cost = 0.06, odd->cost_error = 0.021;
    expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    odd->cost_error = 0.01;
    expect(CAUSE_OUTLIERS, "outliers");
    assert_non_null(strstr(found[0].evidence, "learned as the others are, the loss would be 6 % +- 1.0 lower"));
    learn_all();
    expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    odd->cost = 0.2, odd->cost_loss = 0.1;
    expect(CAUSE_OUTLIERS, "outliers");
    odd->cost_loss = 0.02; /* below a hundredth of ln 10 */
    expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    /* Images of one colour and torn ones likewise, where something is missing. */
    static const char *const spoilt[] = {"constant", "torn"};
    for (int i = 0; i < COUNT_OF(spoilt); i++) {
        healthy();
        find_images(spoilt[i]);
        odd->cost = odd->cost_error = NAN;
        expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
        odd->cost = 0.049, odd->cost_error = 0.001;
        expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
        assert_non_null(strstr(found[0].evidence, "learned as the others are, the loss would be 5 % +- 0.1 lower"));
        odd->cost = 0.051;
        expect(CAUSE_OUTLIERS, spoilt[i]);
        learn_all();
        odd->cost = 0.2;
        expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    }
}

/* What was found in training's images is so far apart from validation's. */
static void set_apart(struct symptom *image, double apart)
{
    strcpy(image->numbers[0].name, "apart"), image->numbers[0].value = apart;
    image->number_count = 1;
}

/* Nothing is learned: what stands at guessing may be left there by light that training alone has, where gradients come
 * back. */
static void test_light_leaves_it_at_guessing(void **state)
{
    (void)state;
    healthy();
    find_images("illumination");
    set_apart(&run.evidence.images[0], 1.1);
    fill(run.loss, 0, STEPS, guess);
    fill(run.correct, 0, STEPS, 6.4);
    fill(run.val_accuracy, 0, EPOCHS, 0.1);
    fill(run.val_loss, 0, EPOCHS, guess);
    expect(CAUSE_ILLUMINATION, "illumination");
    set_apart(&run.evidence.images[0], 0.9); /* validation is lit so as well */
    expect_doubtful(CAUSE_NO_SIGNAL, CAUSE_ILLUMINATION);
    set_apart(&run.evidence.images[0], 1.1);
    strcpy(run.evidence.layers.first_layer, "a"), strcpy(run.evidence.layers.last_layer, "b");
    run.evidence.layers.first_grad = 1e-6, run.evidence.layers.last_grad = 1.0;
    expect_doubtful(CAUSE_NO_SIGNAL, CAUSE_ILLUMINATION);
}

/* Of a loss that stands steps are short by less than twice, too: light that leaves it there explains both. */
static void test_light_that_leaves_steps_short(void **state)
{
    (void)state;
    stand(1.0);
    for (int t = 0; t < STEPS; t++)
        run.update[t] = 20.0 * 0.34 / STEPS; /* two thirds are 1.96 times as far */
    find_images("illumination");
    set_apart(&run.evidence.images[0], 1.1);
    expect(CAUSE_ILLUMINATION, "illumination");
    set_apart(&run.evidence.images[0], 0.9); /* which does not explain a loss that stands */
    expect_doubtful(CAUSE_RATE_LOW, CAUSE_ILLUMINATION);
    set_apart(&run.evidence.images[0], 1.1);
    fill(run.update, 0, STEPS, 20.0 * 0.33 / STEPS); /* 2.02 times */
    expect_doubtful(CAUSE_RATE_LOW, CAUSE_ILLUMINATION);
    creep(0.34, 0.9); /* short, and something is learned: it does not stand */
    find_images("illumination");
    set_apart(&run.evidence.images[0], 1.1);
    expect_doubtful(CAUSE_RATE_LOW, CAUSE_ILLUMINATION);
}

/* What training's images have and validation's have not is the cause where anything is missing, whatever single images
 * cost: of light, of odd, torn and one-coloured images alike. Of two the one that sets the parts apart is. */
static void test_training_alone(void **state)
{
    (void)state;
    static const char *const rules[] = {"illumination", "shading", "brightness", "constant", "torn", "outliers"};
    for (int i = 0; i < COUNT_OF(rules); i++) {
        healthy();
        find_images(rules[i]);
        struct symptom *image = &run.evidence.images[0];
        image->cost = 0.02, image->cost_error = 0.02;
        set_apart(image, 0.9);
        expect_doubtful(CAUSE_HEALTHY, image->cause);
        set_apart(image, 1.1);
        expect(image->cause, rules[i]);
        assert_null(strstr(found[0].evidence, "lower"));
        run.config.model.dropout = 0.1;
        expect(image->cause, rules[i]);
        learn_all(); /* nothing is missing */
        expect_doubtful(CAUSE_HEALTHY, image->cause);
        stride(5); /* it throws no network about */
        find_images(rules[i]);
        set_apart(image, 1.1);
        expect_doubtful(CAUSE_RATE_HIGH, image->cause);
    }
    healthy();
    find_images("brightness");
    find_images("outliers");
    expect(CAUSE_ILLUMINATION, "brightness");
    set_apart(&run.evidence.images[1], 1.1);
    expect(CAUSE_OUTLIERS, "outliers");
    assert_int_equal(found[1].cause, CAUSE_ILLUMINATION);
}

/* Validation is predicted better, and margins are of two kinds: as of wrong labels, which images that are worse than
 * validation's have as well. */
static void test_images_before_labels(void **state)
{
    (void)state;
    healthy();
    find_images("illumination");
    struct symptom *light = &run.evidence.images[0];
    light->cost = 0.02, light->cost_error = 0.02;
    fill(run.val_accuracy, 0, EPOCHS, 0.9);
    fill(run.val_loss, 0, EPOCHS, 0.2);
    expect_doubtful(CAUSE_LABELS, CAUSE_ILLUMINATION);
    set_apart(light, 1.1);
    expect(CAUSE_ILLUMINATION, "illumination");
    assert_int_equal(found[1].cause, CAUSE_LABELS);
    assert_non_null(strstr(found[0].evidence, "; validation's loss is 66 % +- "));
    run.val_loss[EPOCHS - 1] = 5.0;
    expect(CAUSE_ILLUMINATION, "illumination");
    assert_null(strstr(found[0].evidence, "validation's loss"));
    fill(run.val_loss, 0, EPOCHS, 0.2);
    run.evidence.labels =
        (struct label_evidence){.wrong = 0.2, .agrees = 0.7, .contradicted = 0.3, .separation = 3.0, .sep_error = 0.1};
    expect(CAUSE_ILLUMINATION, "illumination");
    set_apart(light, 0.9);
    expect_doubtful(CAUSE_LABELS, CAUSE_ILLUMINATION);
}

/* Of images of one colour, or of noise, in ten classes 0.05 / 0.9, in either part, keep any network from what makes
 * nothing missing. */
static void test_too_many_show_nothing(void **state)
{
    (void)state;
    static const char *const parts[] = {"share", "val"}, *const rules[] = {"constant", "outliers"};
    for (int i = 0; i < COUNT_OF(parts) * COUNT_OF(rules); i++) {
        const char *rule = rules[i / COUNT_OF(parts)];
        healthy();
        find_images(rule);
        struct symptom *image = &run.evidence.images[0];
        image->cost = 0.02, image->cost_error = 0.02;
        strcpy(image->numbers[0].name, parts[i % COUNT_OF(parts)]), image->numbers[0].value = 0.055;
        image->number_count = 1;
        expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
        image->numbers[0].value = 0.056;
        expect(CAUSE_OUTLIERS, rule);
        learn_all();
        expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    }
}

/* Half of them of one colour, half noise; uneven light is no matter. */
static void test_too_many_of_both_show_nothing(void **state)
{
    (void)state;
    static const char *const parts[] = {"share", "val"};
    for (int i = 0; i < COUNT_OF(parts); i++) {
        healthy();
        find_images("outliers");
        struct symptom *image = run.evidence.images;
        image[0].cost = 0.02, image[0].cost_error = 0.02, image[0].number_count = 1;
        strcpy(image[0].numbers[0].name, parts[i]), image[0].numbers[0].value = 0.028;
        image[1] = image[0];
        image[1].rule = "constant";
        run.evidence.image_count = 2;
        expect(CAUSE_OUTLIERS, "outliers");
        image[1].numbers[0].value = 0.027;
        expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
        image[1].rule = "brightness";
        image[1].numbers[0].value = 0.028;
        expect_doubtful(CAUSE_HEALTHY, CAUSE_OUTLIERS);
    }
}

/* Contrast that varies by more than twice the limit, in both parts alike, where something is missing. Brightness and
 * slopes may be how a clean set is. */
static void test_plainly_uneven(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *figure;
        double value;
        bool plain;
    } cases[] = {{"illumination", "spread", 0.69, false},
                 {"illumination", "spread", 0.71, true},
                 {"brightness", "ratio", 9.0, false},
                 {"shading", "share", 0.9, false}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        healthy();
        find_images(cases[i].rule);
        struct symptom *image = &run.evidence.images[0];
        image->cost = 0.02, image->cost_error = 0.02;
        strcpy(image->numbers[0].name, cases[i].figure), image->numbers[0].value = cases[i].value;
        strcpy(image->numbers[1].name, "threshold"), image->numbers[1].value = 0.35;
        image->number_count = 2;
        if (cases[i].plain)
            expect(CAUSE_ILLUMINATION, cases[i].rule);
        else
            expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
        learn_all();
        expect_doubtful(CAUSE_HEALTHY, CAUSE_ILLUMINATION);
    }
}

/* Images are learned by heart however they are lit, where they are lit as validation's are. */
static void test_light_of_what_is_known_by_heart(void **state)
{
    (void)state;
    worse(0.99, 0.02, 0.6);
    find_images("illumination");
    struct symptom *light = &run.evidence.images[0];
    light->cost = 0.2, light->cost_error = 0.04, light->cost_loss = 0.5;
    expect_doubtful(CAUSE_OVERFITTING, CAUSE_ILLUMINATION);
    set_apart(light, 1.1);
    expect(CAUSE_ILLUMINATION, "illumination");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_explain_what_they_can),
        cmocka_unit_test(test_healthy_with_a_doubt),
        cmocka_unit_test(test_light_must_cost),
        cmocka_unit_test(test_odd_images_must_cost),
        cmocka_unit_test(test_training_alone),
        cmocka_unit_test(test_images_before_labels),
        cmocka_unit_test(test_too_many_show_nothing),
        cmocka_unit_test(test_too_many_of_both_show_nothing),
        cmocka_unit_test(test_plainly_uneven),
        cmocka_unit_test(test_light_of_what_is_known_by_heart),
        cmocka_unit_test(test_light_leaves_it_at_guessing),
        cmocka_unit_test(test_light_that_leaves_steps_short),
        cmocka_unit_test(test_long_steps_that_cost_nothing),
        cmocka_unit_test(test_a_scale_that_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

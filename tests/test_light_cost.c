/* test_light_cost: what uneven light has cost a run, from what was seen of its images, written by hand. */
#include "check.h"
#include "doctor.h"
#include "fixtures.h"
#include "tensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IMAGES = 400, CLASSES = 2, LOOKS = 5 };

static struct sample_stats table[IMAGES];
static struct image_light light[IMAGES];

/* Two classes, every other image far from the level that is usual in its class, on either side of it. */
static void draw(void)
{
    for (int i = 0; i < IMAGES; i++) {
        const int class = i % CLASSES, badly = i / CLASSES % 2;
        const float away = badly ? (i % 8 < 4 ? 0.2f : -0.2f) : 0.0f, usual = 0.3f + 0.4f * (float)class;
        table[i] = (struct sample_stats){.loss = LOOKS * (1.0f + 0.01f * (float)(i % 7)),
                                         .seen = LOOKS,
                                         .prediction = (uint16_t) class,
                                         .majority = (uint16_t) class,
                                         .votes = LOOKS};
        light[i] = (struct image_light){.sample = i,
                                        .brightness = usual + away + 0.0001f * (float)i,
                                        .contrast = -2.0f + away,
                                        .background = NAN,
                                        .slope = badly ? 0.4f : 0.1f};
    }
}

static void dearer(int class, float factor)
{
    for (int i = 0; i < IMAGES; i++)
        if (i / CLASSES % 2 && (class < 0 || i % CLASSES == class))
            table[i].loss *= factor;
}

static void write_run(void)
{
    const struct findings findings = {.light = light, .train_seen = IMAGES};
    const struct tensor samples = {.name = "samples",
                                   .type = TENSOR_U8,
                                   .rank = 2,
                                   .dims = {IMAGES, sizeof *table},
                                   .data = table,
                                   .bytes = sizeof table};
    fixture_write(fixture_path("run/checkpoints/last/state.json"), "{}", 2);
    assert_int_equal(findings_write_light(&findings, fixture_path("run/light.csv")), OK);
    assert_int_equal(tensors_write(fixture_path("run/checkpoints/last/stats.safetensors"), &samples, 1, NULL, NULL),
                     OK);
}

static struct symptom cost_of(const char *rule)
{
    struct evidence evidence = {.classes = CLASSES, .image_count = 1};
    assert_true(doctor_image(&evidence.images[0], rule));
    doctor_cost(&evidence, fixture_path("run"));
    return evidence.images[0];
}

/* Half of the images have twice the loss: as the others, the loss would be lower by a third. */
static void test_what_it_costs(void **state)
{
    (void)state;
    static const char *const rules[] = {"brightness", "illumination", "shading"};
    for (int i = 0; i < COUNT_OF(rules); i++) {
        draw();
        write_run();
        struct symptom symptom = cost_of(rules[i]);
        assert_true(fabs(symptom.cost) < 0.01 && symptom.cost_error > 0.0 && symptom.cost_error < 0.01);
        dearer(-1, 2.0f);
        write_run();
        symptom = cost_of(rules[i]);
        assert_true(fabs(symptom.cost - 1.0 / 3.0) < 0.01);
        draw();
        dearer(1, 2.0f); /* in one class: 1/2 of 1/2 of (1 + 1 + 1 + 2) / 4 */
        write_run();
        symptom = cost_of(rules[i]);
        assert_true(fabs(symptom.cost - 0.2) < 0.01);
    }
}

/* Half of the badly lit are too bright or dark, half lit from one side: by one alone the others were among the well
 * lit.
 */
static void test_by_all_its_light(void **state)
{
    (void)state;
    draw();
    for (int i = 0; i < IMAGES; i++) {
        const bool badly = i / CLASSES % 2, bright = i % 8 < 4;
        light[i].brightness = 0.3f + 0.0001f * (float)i + (badly && bright ? 0.3f : 0.0f);
        light[i].contrast = -2.0f + 0.0001f * (float)(i % 50);
        light[i].slope = badly && !bright ? 0.9f : 0.1f;
    }
    dearer(-1, 2.0f);
    write_run();
    assert_true(fabs(cost_of("brightness").cost - 1.0 / 3.0) < 0.05);
    assert_true(fabs(cost_of("shading").cost - 1.0 / 3.0) < 0.05);
}

/* An image of one colour has no contrast that could be told, and is no matter of light. */
static void test_one_colour_is_not_lit_worse(void **state)
{
    (void)state;
    draw();
    for (int i = 0; i < IMAGES; i++) {
        light[i].brightness = 0.3f, light[i].slope = 0.1f;
        light[i].contrast = i / CLASSES % 2 ? NAN : -2.0f - 0.001f * (float)i;
    }
    dearer(-1, 2.0f);
    write_run();
    assert_true(fabs(cost_of("illumination").cost) < 0.02);
}

/* Every tenth image is of one colour, got wrong all along, with a loss of 2, where the run has come to 0.5: 0.2 is held
 * by them, and (0.5 - 0.2) / 0.9 is what each of the others still has. The number of such images is chance: its root.
 */
static void test_what_is_held_in_the_end(void **state)
{
    (void)state;
    double train_loss[] = {1.7, 0.5};
    struct evidence evidence = {.classes = CLASSES, .image_count = 2, .train_loss = train_loss, .epochs = 2};
    struct symptom *image = evidence.images;
    draw();
    for (int i = 0; i < IMAGES; i++) {
        const bool flat = i % 10 == 3;
        light[i].contrast = flat ? NAN : -2.0f;
        light[i].odd = i % 10 == 4;
        table[i].correct = flat ? LOOKS / 2 : LOOKS;
        table[i].loss = LOOKS * (flat ? 2.0f : 1.0f);
    }
    write_run();
    assert_true(doctor_image(&image[0], "constant") && doctor_image(&image[1], "outliers"));
    doctor_cost(&evidence, fixture_path("run"));
    const double lost = 0.2 - 0.1 * (0.5 - 0.2) / 0.9;
    assert_true(fabs(image[0].cost - lost / 0.5) < 1e-6 && fabs(image[0].cost_loss - lost) < 1e-6);
    assert_true(fabs(image[0].cost_error - 2.0 * sqrt(40.0) / IMAGES / 0.5) < 1e-6);
    assert_true(fabs(image[1].cost) < 1e-6); /* odd, and mostly got right */
    train_loss[1] = 0.15;                    /* less than they held: they have been learned since */
    doctor_cost(&evidence, fixture_path("run"));
    assert_true(fabs(image[0].cost - 0.1 / 1.1) < 1e-6);
    for (int i = 0; i < IMAGES; i++)
        light[i].contrast = -2.0f; /* none is of one colour */
    write_run();
    doctor_cost(&evidence, fixture_path("run"));
    assert_true(isnan(image[0].cost));
}

/* Every tenth image is odd, and has four times the loss of the others: 0.3 / 1.3 of it goes with that. */
static void test_what_odd_images_cost(void **state)
{
    (void)state;
    draw();
    for (int i = 0; i < IMAGES; i++) {
        light[i].odd = i % 10 == 3;
        table[i].loss = LOOKS * (light[i].odd ? 4.0f : 1.0f);
    }
    write_run();
    const struct symptom symptom = cost_of("outliers");
    assert_true(fabs(symptom.cost - 0.3 / 1.3) < 1e-6 && symptom.cost_error < 1e-6);
    assert_true(fabs(symptom.cost_loss - 0.3) < 1e-6);
    draw(); /* odd, and learned as well */
    for (int i = 0; i < IMAGES; i++)
        light[i].odd = i % 10 == 3;
    write_run();
    const struct symptom harmless = cost_of("outliers");
    assert_true(fabs(harmless.cost) < 3.0 * harmless.cost_error);
}

/* The standard error of the difference of two means of 100 images, of each class, over the mean loss. */
static void test_standard_error(void **state)
{
    (void)state;
    draw();
    for (int i = 0; i < IMAGES; i++)
        table[i].loss = LOOKS * (i / 4 % 2 ? 1.5f : 0.5f);
    write_run();
    const struct symptom symptom = cost_of("shading");
    const double of_class = sqrt(2.0 * 0.25 / 99.0), both = sqrt(2.0) * 100.0 * of_class;
    assert_true(fabs(symptom.cost) < 1e-6);
    assert_true(fabs(symptom.cost_error - both / IMAGES) < 1e-4);
}

/* An image under a wrong label is lit as its true class is, for which the network takes it. */
static void test_wrong_labels_are_no_light(void **state)
{
    (void)state;
    draw();
    for (int i = 0; i < IMAGES; i++)
        light[i].brightness = 0.3f + 0.4f * (float)(i % CLASSES) + 0.001f * (float)(i / CLASSES % 10);
    for (int i = 0; i < IMAGES; i++)
        if (i % 3 == 0) { /* a third is learned as the other class, and contradicts its label */
            table[i].majority = (uint16_t)(1 - i % CLASSES);
            light[i].brightness = 0.3f + 0.4f * (float)table[i].majority + 0.001f * (float)(i / CLASSES % 10);
            table[i].loss *= 5.0f;
        }
    write_run();
    const struct symptom symptom = cost_of("brightness");
    assert_true(fabs(symptom.cost) < 3.0 * symptom.cost_error);
    for (int i = 0; i < IMAGES; i++) /* without a majority the last word counts */
        table[i].prediction = table[i].majority, table[i].majority = 0, table[i].votes = 0;
    write_run();
    assert_true(fabs(cost_of("brightness").cost - symptom.cost) < 1e-9);
}

static void test_what_is_not_known(void **state)
{
    (void)state;
    draw();
    dearer(-1, 2.0f);
    write_run();
    assert_true(isnan(cost_of("outliers").cost));
    light[3].odd = light[4].odd = true;
    write_run();
    assert_false(isnan(cost_of("outliers").cost));
    for (int i = 0; i < IMAGES; i++)
        table[i].seen = i < 19 * CLASSES ? LOOKS : 0; /* 19 images of each class */
    write_run();
    assert_true(isnan(cost_of("shading").cost));
    table[19 * CLASSES].seen = LOOKS;
    write_run();
    assert_false(isnan(cost_of("shading").cost));
    draw();
    light[1].sample = IMAGES; /* written by nobody, and no reason to read beyond the images */
    light[2].sample = -1;
    write_run();
    assert_false(isnan(cost_of("shading").cost));
    table[0].majority = CLASSES; /* nor beyond the classes */
    write_run();
    assert_true(isnan(cost_of("shading").cost));
    draw();
    write_run();
    assert_int_equal(remove(fixture_path("run/checkpoints/last/stats.safetensors")), 0);
    assert_true(isnan(cost_of("shading").cost));
    write_run();
    assert_int_equal(remove(fixture_path("run/light.csv")), 0);
    assert_true(isnan(cost_of("shading").cost));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_it_costs, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_what_odd_images_cost, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_by_all_its_light, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_one_colour_is_not_lit_worse, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_what_is_held_in_the_end, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_standard_error, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_wrong_labels_are_no_light, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(test_what_is_not_known, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

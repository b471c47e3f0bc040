/* test_stability: what a run's steps.csv is summed up to, in figures and words, from text as a run writes it. */
#include "random.h"
#include "stability.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { ROW_BYTES = 128 };

/* A series of losses as steps.csv has it: path(step) and sampling noise of batches of 64 with deviation 1. */
static char *draw_series(int number, int steps, int epoch_steps, double (*path)(int step))
{
    char *text = malloc((size_t)(steps + 1) * ROW_BYTES);
    size_t used = (size_t)sprintf(text, "step,epoch,samples,loss,loss_variance,bad\n");
    for (int i = 0; i < steps; i++) {
        const struct random_block block = random_words(7 + (uint64_t)number, RANDOM_SPOIL, 0, (uint64_t)i, 0);
        const double u = ((double)block.word[0] + 0.5) / 4294967296.0, v = (double)block.word[1] / 4294967296.0;
        const double noise = sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v) / 8.0;
        used += (size_t)sprintf(text + used, "%d,%d,64,%.9g,1,0\n", i, i / epoch_steps + 1, path(i) + noise);
    }
    return text;
}

static char *draw_csv(int steps, int epoch_steps, double (*path)(int step))
{
    return draw_series(0, steps, epoch_steps, path);
}

static void sum_up(const char *text, struct stability *stability)
{
    struct table table = {0};
    assert_int_equal(table_parse(&table, "steps.csv", text, strlen(text)), OK);
    stability_of(&table, 0.0, stability);
    table_free(&table);
}

static double flat(int step)
{
    (void)step;
    return 2.0;
}

static double falling(int step)
{
    return 3.0 - 0.003 * step;
}

static double to_and_fro(int step)
{
    return step % 2 ? 3.0 : 2.0;
}

static double wandering(int step)
{
    return 2.0 + sin(step / 7.0);
}

static double by_epoch(int step)
{
    return 2.0 + sin(6.283185307179586 * step / 50.0);
}

/* The first descent, of which a straight line leaves much. */
static double descending(int step)
{
    return 0.2 + 2.0 * exp(-(step - 800) / 14.0);
}

/* From far above to a slow fall: of all that it goes up and down by, a straight line has next to nothing. */
static double plunging(int step)
{
    return step < 800 ? 1e4 : 1e4 / ((step - 799) * (step - 799.0));
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        double (*path)(int step);
        int epoch_steps;
        const char *second, *third;
    } cases[] = {
        {flat, 1000, "cannot be told", "not whether the learning rate is right"},
        {falling, 1000, "it fell by 0.3", "not whether the learning rate is right"},
        {to_and_fro, 1000, "cannot be told", "swings to and fro"},
        {wandering, 1000, "", "wanders over many steps"},
        {by_epoch, 50, "", "with data.shuffle = true that is no order"},
        {descending, 1000, "it fell by", "Much of it is the fall itself"},
        {descending, 50, "it fell by", "Much of it is the fall itself"},
        {plunging, 1000, "it fell by", "Much of it is the fall itself"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char *text = draw_csv(1000, cases[i].epoch_steps, cases[i].path), texts[STABILITY_TEXTS][STABILITY_TEXT];
        struct stability got;
        sum_up(text, &got);
        assert_int_equal(got.steps, 1000);
        assert_int_equal(got.windows, 5);
        assert_int_equal(got.last.steps, STABILITY_STEPS);
        assert_true(got.first_step == 800 && got.last_step == 999);
        assert_int_equal(stability_say(&got, texts), STABILITY_TEXTS);
        if (!strstr(texts[1], cases[i].second) || !strstr(texts[2], cases[i].third))
            fail_msg("case %d: \"%s\" \"%s\" \"%s\"", i, texts[0], texts[1], texts[2]);
        for (int k = 0; k < STABILITY_TEXTS; k++) {
            assert_true(strlen(texts[k]) < STABILITY_TEXT - 1 && texts[k][strlen(texts[k]) - 1] == '.');
            assert_null(strstr(texts[k], "nan"));
        }
        assert_null(strstr(texts[0], "other images"));
        if (cases[i].epoch_steps == 1000)
            assert_non_null(strstr(texts[0], " ± "));
        free(text);
    }
}

/* Down to 1 within the first 70 of 100 steps. */
static double short_run(int step)
{
    return step < 70 ? 3.0 - 2.0 * step / 70.0 : 1.0;
}

/* A level that holds for some ten steps. */
static double levels(int step)
{
    static uint64_t run;
    static double level;
    if (step == 0)
        run++;
    const struct random_block block = random_words(run, RANDOM_SPOIL, 1, (uint64_t)step, 0);
    level = 0.9 * (step ? level : 0.0) + 0.3 * ((double)block.word[0] / 4294967296.0 - 0.5);
    return 2.0 + level;
}

/* How often of 200 series the mean is taken over fewer than all steps, and how often its interval holds what the loss
 * is in the end. */
static void ends_of(int steps, double (*path)(int step), double truth, int *fewer, int *held)
{
    *fewer = *held = 0;
    for (int i = 0; i < 200; i++) {
        char *text = draw_series(i, steps, 1000, path);
        struct stability got;
        sum_up(text, &got);
        *fewer += got.end_steps < got.last.steps;
        *held += got.end.low <= truth && truth <= got.end.high;
        free(text);
    }
}

/* The mean that is told is where the loss came to, not the middle of its way there; it is over all of the last steps
 * where these are one level with chance on it, and mostly where weights wander about it. */
static void test_where_it_came_to(void **state)
{
    (void)state;
    int fewer, held;
    ends_of(200, flat, 2.0, &fewer, &held);
    if (fewer > 10 || held < 180)
        fail_msg("flat: fewer steps in %d of 200, held in %d", fewer, held);
    ends_of(200, levels, 2.0, &fewer, &held);
    if (fewer > 60)
        fail_msg("wandering: fewer steps in %d of 200", fewer);
    ends_of(100, short_run, 1.0, &fewer, &held);
    if (fewer < 200 || held < 170)
        fail_msg("short: fewer steps in %d of 200, held in %d", fewer, held);
    char *text = draw_csv(100, 1000, short_run), texts[STABILITY_TEXTS][STABILITY_TEXT];
    struct stability got;
    sum_up(text, &got);
    stability_say(&got, texts);
    char *words = strstr(texts[0], "The loss came to ");
    if (!words || fabs(strtod(words + 17, NULL) - 1.0) > 0.1 ||
        !strstr(texts[0], "over the last 100 single batches lay") || !strstr(texts[1], " in all."))
        fail_msg("%s %s", texts[0], texts[1]);
    free(text);
    text = draw_csv(150, 1000, falling); /* a fall of 0.003 a step: 0.3 every 100 */
    sum_up(text, &got);
    stability_say(&got, texts);
    assert_non_null(strstr(texts[1], " every 100 steps."));
    free(text);
}

/* One early loss may be all of the scatter, and no difference of means be sure. */
static void test_end_of_a_crooked_fall(void **state)
{
    (void)state;
    char *text = draw_csv(1000, 1000, plunging);
    struct stability got;
    sum_up(text, &got);
    if (!(got.end.value < 3.0 && got.end_steps < 100))
        fail_msg("%g in %d steps", got.end.value, (int)got.end_steps);
    free(text);
}

/* Of images that come in their order, nothing is said of the rate. */
static void test_in_order(void **state)
{
    (void)state;
    double (*const paths[])(int) = {to_and_fro, wandering};
    for (int i = 0; i < COUNT_OF(paths); i++) {
        char *text = draw_csv(1000, 1000, paths[i]), texts[STABILITY_TEXTS][STABILITY_TEXT];
        struct stability got;
        sum_up(text, &got);
        got.in_order = true;
        assert_int_equal(stability_say(&got, texts), STABILITY_TEXTS);
        assert_null(strstr(texts[2], "optim.lr"));
        assert_non_null(strstr(texts[2], "data.shuffle = false"));
        assert_non_null(strstr(texts[0], "the weights moving or other images coming"));
        assert_null(strstr(texts[0], "±"));
        free(text);
    }
}

/* What comes again in every epoch is the images' order where they have one. */
static void test_order_in_every_epoch(void **state)
{
    (void)state;
    char *text = draw_csv(1000, 50, by_epoch), texts[STABILITY_TEXTS][STABILITY_TEXT];
    struct stability got;
    sum_up(text, &got);
    got.in_order = true;
    got.last.motion.value = 0.4; /* else it wanders, too */
    stability_say(&got, texts);
    if (!strstr(texts[2], "see data.shuffle"))
        fail_msg("%s", texts[2]);
    free(text);
}

/* Of two measures with their intervals one is said, or none where they rule each other out. */
static void test_one_share_of_chance(void **state)
{
    (void)state;
    char *text = draw_csv(1000, 1000, flat), texts[STABILITY_TEXTS][STABILITY_TEXT];
    struct stability got;
    sum_up(text, &got);
    got.last.phi = (struct estimate){0.60, 0.52, 0.80};
    got.steady = (struct estimate){0.51, -0.45, 0.53};
    stability_say(&got, texts);
    assert_non_null(strstr(texts[2], "Chance explains 60 %"));
    got.steady.high = 0.515;
    stability_say(&got, texts);
    assert_non_null(strstr(texts[2], "cannot be told: what the steps change"));
    got.last.phi = (struct estimate){NAN, NAN, NAN}; /* all that is known */
    stability_say(&got, texts);
    assert_non_null(strstr(texts[2], "Chance explains 51 %"));
    got.steady = (struct estimate){NAN, NAN, NAN};
    stability_say(&got, texts);
    assert_non_null(strstr(texts[2], "cannot be told: too few steps"));
    got.last.phi = (struct estimate){0.40, 0.30, 0.50};
    got.steady = (struct estimate){0.90, 0.80, 1.0}; /* apart the other way round */
    stability_say(&got, texts);
    assert_non_null(strstr(texts[2], "cannot be told: what the steps change"));
    free(text);
}

/* Jitter that is mostly no chance swings only where neighbours oppose each other by more than chance; a loss that is
 * off its line by twice what chance gives wanders only where most of the fluctuation is that. */
static void test_swinging_and_wandering_are_sure(void **state)
{
    (void)state;
    static const struct {
        double phi, autocorrelation, variance_ratio, motion;
        const char *says;
    } cases[] = {
        {0.4, -0.5, 1.5, 0.3, "swings to and fro"},   {0.4, -0.1, 1.5, 0.3, "Chance explains 40 %"},
        {0.4, 0.1, 1.5, 0.3, "Chance explains 40 %"}, {0.6, 0.5, 3.0, 0.6, "wanders over many steps"},
        {0.6, 0.5, 3.0, 0.3, "Chance explains 60 %"}, {0.6, 0.1, 3.0, 0.6, "Chance explains 60 %"},
        {0.6, 0.5, 1.9, 0.6, "Chance explains 60 %"},
    };
    char *text = draw_csv(1000, 1000, flat), texts[STABILITY_TEXTS][STABILITY_TEXT];
    struct stability got;
    sum_up(text, &got);
    free(text);
    got.steady = got.last.epoch_autocorrelation = (struct estimate){NAN, NAN, NAN};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        got.last.phi = (struct estimate){cases[i].phi, 0.0, 1.0};
        got.last.autocorrelation.value = cases[i].autocorrelation;
        got.last.variance_ratio = cases[i].variance_ratio;
        got.last.motion.value = cases[i].motion;
        stability_say(&got, texts);
        if (!strstr(texts[2], cases[i].says))
            fail_msg("case %d: %s", i, texts[2]);
    }
}

/* A refused step whose loss was finite is counted, and is no spike. */
static void test_a_refused_step_is_no_spike(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        char *text = draw_csv(200, 1000, flat), *row = strstr(text, "\n150,") + 1, *end = strchr(row, '\n');
        struct stability got;
        const int length = (int)(end - row), written = snprintf(row, (size_t)length + 1, "150,1,64,99,1,%d", refused);
        memset(row + written, '0', (size_t)(length - written)); /* of the last number: 0 or 1000… */
        *end = '\n';
        sum_up(text, &got);
        assert_int_equal(got.refused, refused);
        assert_int_equal(got.spikes, !refused);
        free(text);
    }
}

/* An epoch of one step: no two steps stand next to each other, and nothing is said that is not known. */
static void test_steps_without_neighbours(void **state)
{
    (void)state;
    char *text = draw_csv(300, 1, flat), texts[STABILITY_TEXTS][STABILITY_TEXT];
    struct stability got;
    sum_up(text, &got);
    const int count = stability_say(&got, texts);
    for (int k = 0; k < count; k++)
        assert_null(strstr(texts[k], "nan"));
    assert_true(count == 0 || strstr(texts[2], "cannot be told"));
    free(text);
}

static void test_figures(void **state)
{
    (void)state;
    struct stability got;
    struct arena arena = {0};
    char *text = draw_csv(900, 90, flat);
    sum_up(text, &got);
    assert_int_equal(got.epoch_steps, 90);
    assert_true(got.phi > 0.8 && got.phi < 1.2 && got.variance_ratio > 0.8 && got.variance_ratio < 1.25);
    assert_true(got.sampling > 0.8 && got.spikes == 0 && got.refused == 0);
    json_t *root = json_loads(stability_json(&got, &arena), 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "steps")), 900);
    const json_t *sampling = json_object_get(json_object_get(root, "last"), "sampling");
    assert_true(fabs(json_real_value(json_object_get(sampling, "value")) - got.last.sampling.value) < 1e-8);
    assert_true(fabs(json_real_value(json_object_get(json_object_get(root, "median"), "phi")) - got.phi) < 1e-8);
    assert_int_equal(json_array_size(json_object_get(root, "text")), STABILITY_TEXTS);
    const json_t *end = json_object_get(root, "end");
    assert_int_equal(json_integer_value(json_object_get(end, "steps")), got.end_steps);
    const json_t *mean = json_object_get(json_object_get(end, "loss"), "value");
    assert_true(fabs(json_real_value(mean) - got.end.value) < 1e-8);
    json_decref(root);
    arena_free(&arena);
    free(text);
}

static void test_little_or_nothing(void **state)
{
    (void)state;
    static const char *const tables[] = {
        "step,epoch,samples,loss,loss_variance,bad\n",
        "step,epoch,samples,loss,loss_variance,bad\n0,1,64,2,1,0\n1,1,64,nan,nan,1\n2,1,64,2,",
        "step,loss\n0,1\n1,2\n",
    };
    for (int i = 0; i < COUNT_OF(tables); i++) {
        struct stability got;
        struct arena arena = {0};
        char texts[STABILITY_TEXTS][STABILITY_TEXT];
        sum_up(tables[i], &got);
        assert_int_equal(got.steps, i == 0 ? 0 : 2);
        assert_int_equal(got.refused, i == 1);
        assert_int_equal(stability_say(&got, texts), 0);
        assert_true(isnan(got.phi) && isnan(got.last.sampling.value));
        json_t *root = json_loads(stability_json(&got, &arena), 0, NULL);
        assert_non_null(root);
        assert_true(json_is_null(json_object_get(json_object_get(root, "median"), "phi")));
        json_decref(root);
        arena_free(&arena);
    }
}

/* Where a step, an epoch or a number of samples should stand, a file can hold anything. */
static void test_no_whole_numbers(void **state)
{
    (void)state;
    static const char *const cells[] = {"", "nan", "inf", "-inf", "1e300", "-1e300", "0", "-5"};
    char text[STABILITY_STEPS * ROW_BYTES];
    for (int i = 0; i < COUNT_OF(cells); i++)
        for (int column = 0; column < 3; column++) {
            size_t used = (size_t)sprintf(text, "step,epoch,samples,loss,loss_variance,bad\n");
            for (int row = 0; row < 40; row++) {
                char own[16];
                snprintf(own, sizeof own, "%d", row);
                used +=
                    (size_t)sprintf(text + used, "%s,%s,%s,%d.5,1,0\n", column == 0 ? cells[i] : own,
                                    column == 1 && row % 2 ? cells[i] : "1", column == 2 ? cells[i] : "64", row % 3);
            }
            struct stability got;
            sum_up(text, &got);
            assert_int_equal(got.steps, 40);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_where_it_came_to),
        cmocka_unit_test(test_end_of_a_crooked_fall),
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_order_in_every_epoch),
        cmocka_unit_test(test_one_share_of_chance),
        cmocka_unit_test(test_swinging_and_wandering_are_sure),
        cmocka_unit_test(test_a_refused_step_is_no_spike),
        cmocka_unit_test(test_steps_without_neighbours),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_little_or_nothing),
        cmocka_unit_test(test_no_whole_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

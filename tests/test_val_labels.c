/* test_val_labels: what a run keeps of its validation images, each evaluation added to those before, and labels among
 * them that are likely to be wrong. */
#include "data.h"
#include "file.h"
#include "random.h"
#include "samples.h"
#include "suspects.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is kept ---- */

static int64_t read_val(const struct train_result *result, struct arena *arena, const struct sample_stats **table)
{
    char folder[2 * PATH_BYTES];
    int64_t count;
    snprintf(folder, sizeof folder, "%s/checkpoints/last", result->path);
    assert_int_equal(samples_read_val(folder, 1, arena, table, &count), ERR_DATA);
    assert_non_null(strstr(fail_text(), "the classes are not those of the training"));
    if (samples_read_val(folder, 10, arena, table, &count) < 0)
        fail_msg("%s", fail_text());
    return count;
}

/* Of one epoch what predictions.csv has. The margin of an image taken for another class lies between its label and
 * that. */
static void test_one_look(void **state)
{
    (void)state;
    struct train_result result;
    struct arena arena = {0};
    const struct sample_stats *table;
    tiny_train_ok(NULL, "train.epochs=1 optim.lr=0.001", &result);
    assert_int_equal(read_val(&result, &arena, &table), 30);
    int right = 0;
    for (int i = 0; i < 30; i++) {
        const struct sample_stats *sample = &table[i];
        const double loss = tiny_cell_at(result.path, "predictions.csv", i + 1, "loss");
        const double sure = tiny_cell_at(result.path, "predictions.csv", i + 1, "confidence");
        const int label = (int)tiny_cell_at(result.path, "predictions.csv", i + 1, "label");
        assert_int_equal(sample->prediction, (int)tiny_cell_at(result.path, "predictions.csv", i + 1, "prediction"));
        assert_true(sample->seen == 1 && sample->votes == 1 && sample->majority == sample->prediction);
        assert_true(sample->forgotten == 0 && sample->correct == (sample->prediction == label));
        assert_true(fabs((double)sample->loss - loss) < 1e-6 && fabs((double)sample->probability - exp(-loss)) < 1e-6);
        if (sample->correct)
            assert_true(sample->margin >= 0.0F);
        else
            assert_true(fabs((double)sample->margin + loss + log(sure)) < 1e-5);
        right += sample->correct;
    }
    assert_true(right > 0 && right < 30);
    assert_true(fabs(right / 30.0 - tiny_result_at(result.path, 1, "metrics/accuracy_top1")) < 1e-6);
    arena_free(&arena);
}

/* Each epoch is a look, and a run that went on has seen what one saw that never stopped. */
static void test_looks_add_up(void **state)
{
    (void)state;
    struct train_result whole, part, rest;
    struct arena arena = {0};
    const struct sample_stats *a, *b;
    tiny_train_ok(NULL, "train.epochs=5", &whole);
    tiny_train_ok(NULL, "train.epochs=2", &part);
    tiny_train_ok(part.path, "train.epochs=5", &rest);
    assert_int_equal(read_val(&whole, &arena, &a), 30);
    assert_int_equal(read_val(&part, &arena, &b), 30);
    assert_memory_equal(a, b, 30 * sizeof *a);
    double right = 0.0, loss = 0.0;
    for (int i = 0; i < 30; i++) {
        assert_int_equal(a[i].seen, 5);
        right += a[i].correct / 30.0;
        loss += (double)a[i].loss / 30.0;
    }
    for (int row = 1; row <= 5; row++) {
        right -= tiny_result_at(whole.path, row, "metrics/accuracy_top1");
        loss -= tiny_result_at(whole.path, row, "val/loss");
    }
    assert_true(fabs(right) < 1e-5 && fabs(loss) < 1e-5);
    arena_free(&arena);
}

static void test_judgements_add_up(void **state)
{
    (void)state;
    struct sample_stats sample = {0};
    static const int predictions[] = {2, 1, 2, 3, 2};
    for (int i = 0; i < COUNT_OF(predictions); i++)
        samples_judged(&sample, &(struct judgement){7, 1, predictions[i], 0.5F, 0.9F, i == 1 ? 1.0F : -2.0F}, 1);
    assert_true(sample.seen == 5 && sample.correct == 1 && sample.forgotten == 1 && sample.prediction == 2);
    assert_true(sample.majority == 2 && sample.votes == 1 && sample.loss == 2.5F && sample.margin == -7.0F);
    assert_true(fabs((double)sample.probability - 5.0 * exp(-0.5)) < 1e-5);
    samples_judged(&sample, &(struct judgement){7, 1, 1, NAN, 0.9F, 1.0F}, 1);
    samples_judged(&sample, &(struct judgement){7, 1, 1, 0.5F, 0.9F, INFINITY}, 1);
    assert_int_equal(sample.seen, 5);
}

/* ---- what is said of it ---- */

enum { IMAGES = 2000, CLASSES = 10, LOOKS = 8 };

static struct {
    int32_t labels[2 * IMAGES], samples[IMAGES];
    bool wrong[IMAGES];
    struct sample_stats table[IMAGES];
    struct dataset data;
} world;

static double unit(int image, int draw)
{
    return random_words(7, RANDOM_TILE, (uint32_t)draw, (uint64_t)image, 0).word[0] / 4294967296.0;
}

static double normal(int image, int draw)
{
    return sqrt(-2.0 * log(unit(image, draw) + 1e-9)) * cos(6.283185 * unit(image, draw + 1));
}

/* Validation images are the odd ones of the data set, the last first. A sixth of them is hard, and taken for the next
 * class in half of the cases; wrong labels are drawn from the others. */
static void world_make(double noise)
{
    static const char *names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    world.data =
        (struct dataset){.count = 2 * IMAGES, .class_count = CLASSES, .class_names = names, .labels = world.labels};
    for (int i = 0; i < IMAGES; i++) {
        const int truth = i % CLASSES, next = (truth + 1) % CLASSES;
        const double lead = unit(i, 0) < 1.0 / 6.0 ? 0.8 * normal(i, 1) : 4.0 + normal(i, 1);
        const int seen = lead > 0.0 ? truth : next;
        world.wrong[i] = unit(i, 3) < noise;
        const int label = world.wrong[i] ? (truth + 1 + (int)(9.0 * unit(i, 4))) % CLASSES : truth;
        const double margin = label == truth ? lead : label == next ? -lead : -fabs(lead) - 1.0;
        world.samples[i] = 2 * (IMAGES - i) - 1;
        world.labels[world.samples[i]] = label;
        world.labels[world.samples[i] - 1] = (label + 3) % CLASSES; /* training's */
        world.table[i] = (struct sample_stats){.margin = (float)(LOOKS * margin),
                                               .probability = (float)(LOOKS / (1.0 + exp(-margin))),
                                               .seen = LOOKS,
                                               .correct = seen == label ? LOOKS : 0,
                                               .prediction = (uint16_t)seen,
                                               .majority = (uint16_t)seen,
                                               .votes = LOOKS};
    }
}

static void judge(struct suspects *suspects, enum label_verdict of_training)
{
    *suspects = (struct suspects){.verdict = of_training};
    suspects_val_labels(suspects, &world.data, world.samples, world.table, IMAGES);
    assert_non_null(suspects->val_text);
}

static void test_wrong_labels(void **state)
{
    (void)state;
    static const double shares[] = {0.1, 0.2, 0.4};
    for (int k = 0; k < COUNT_OF(shares); k++) {
        struct suspects suspects;
        int hits = 0, wrong = 0;
        double right = 0.0; /* of those listed, as expected */
        world_make(shares[k]);
        judge(&suspects, LABELS_ALIKE);
        for (int i = 0; i < IMAGES; i++)
            wrong += world.wrong[i];
        for (int64_t i = 0; i < suspects.count; i++) {
            const struct suspect *suspect = &suspects.list[i];
            const int place = IMAGES - (suspect->sample + 1) / 2;
            assert_true(suspect->in_val && suspect->kind == SUSPECT_LABEL && suspect->sample % 2 == 1);
            assert_int_equal(suspect->suggested, world.table[place].majority);
            hits += world.wrong[place];
            right += 1.0 - suspect->score;
        }
        if (hits < 0.8 * wrong || hits < 0.93 * (double)suspects.count)
            fail_msg("%g: %lld listed, %d of %d wrong: %s", shares[k], (long long)suspects.count, hits, wrong,
                     suspects.val_text);
        assert_true(right <= 0.05 * (double)suspects.count);
        assert_non_null(strstr(suspects.val_text, "labels are likely to be wrong"));
        suspects_free(&suspects);
    }
}

static void assert_none(enum label_verdict of_training, const char *says)
{
    struct suspects suspects;
    judge(&suspects, of_training);
    if (suspects.count > 0 || !strstr(suspects.val_text, says))
        fail_msg("%lld listed: %s; expected %s", (long long)suspects.count, suspects.val_text, says);
    suspects_free(&suspects);
}

static void test_none_is_listed(void **state)
{
    (void)state;
    world_make(0.0);
    assert_none(LABELS_ALIKE, "no label errors stand out");
    world_make(0.2);
    assert_none(LABELS_TOO_WEAK, "too weak");
    for (int i = 0; i < IMAGES; i++)
        world.table[i].seen = SUSPECT_LOOKS - 1;
    assert_none(LABELS_JUDGED, "fewer than 4 epochs");
    world_make(0.02); /* 40 and as many hard ones: two kinds, but not beyond doubt */
    for (int i = 60; i < IMAGES; i++)
        world.table[i].prediction = world.table[i].majority = (uint16_t)world.labels[world.samples[i]];
    assert_none(LABELS_JUDGED, "images are taken for another class");
    world_make(0.9); /* a network that guesses */
    assert_none(LABELS_JUDGED, "too weak");
}

/* ---- the contact sheet ---- */

/* Each picture in its own colours, from its own part; grey ones in grey. As host/check/easel.c lays out two pictures of
 * 4 x 4 pixels: 28 times as large, in a row. */
static void test_sheet(void **state)
{
    (void)state;
    enum { SIDE = 4, PIXELS = SIDE * SIDE, CELL = 112, GAP = 10, HEADER = 30 };
    static const char *names[] = {"ant", "bee"};
    static const uint8_t colours[2][3] = {{200, 30, 90}, {10, 60, 220}};
    int32_t labels[2] = {0, 1};
    for (int channels = 3; channels >= 1; channels -= 2) {
        uint8_t pixels[2][2 * PIXELS * 3], *rgb; /* of training and validation, whose other image is black */
        memset(pixels, 0, sizeof pixels);
        for (int part = 0; part < 2; part++)
            for (int k = 0; k < PIXELS * channels; k++)
                pixels[part][(part ? 0 : PIXELS * channels) + k] = colours[part][k % channels];
        const struct dataset train = {.image = {1, SIDE, SIDE, channels},
                                      .count = 2,
                                      .class_count = 2,
                                      .class_names = names,
                                      .labels = labels,
                                      .source = "things",
                                      .pixels = pixels[0]};
        struct dataset val = train;
        val.pixels = pixels[1];
        struct suspect list[] = {{.sample = 1, .suggested = 0, .score = 0.9, .evidence = ""},
                                 {.in_val = true, .sample = 0, .suggested = 1, .score = 0.8, .evidence = ""}};
        const struct suspects suspects = {.list = list, .count = 2};
        char path[PATH_BYTES];
        int height, width;
        assert_int_equal(path_join(path, tiny_folder, "sheet.png"), OK);
        const int status = suspects_sheet(&suspects, (struct suspect_images){&train, &val}, path);
        if (status == ERR_UNSUPPORTED)
            return;
        assert_int_equal(status, OK);
        assert_int_equal(image_read(path, &rgb, &height, &width), OK);
        assert_int_equal(width, 2 * CELL + 3 * GAP);
        for (int i = 0; i < 2; i++)
            for (int y = 0; y < CELL; y += 37)
                for (int c = 0; c < 3; c++) {
                    const int x = GAP + i * (CELL + GAP) + (y * 3) % CELL;
                    assert_int_equal(rgb[((HEADER + y) * width + x) * 3 + c], colours[i][channels == 3 ? c : 0]);
                }
        assert_true(rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255);
        memory_give(rgb);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_look),          cmocka_unit_test(test_looks_add_up),
        cmocka_unit_test(test_judgements_add_up), cmocka_unit_test(test_wrong_labels),
        cmocka_unit_test(test_none_is_listed),    cmocka_unit_test(test_sheet),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}

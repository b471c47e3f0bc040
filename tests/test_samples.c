/* test_samples: what a backend's loss remembers of each sample, against sums kept by the side. */
#include "mirror.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { ROWS = 7, CLASSES = 5, SAMPLES = 11, PASSES = 9 };

struct world {
    struct mirror mirror;
    struct step_control control;
    struct loss_sums sums;
    struct loss_args args;
    struct sample_stats table[SAMPLES];
    float logits[ROWS * CLASSES], losses[ROWS];
    int32_t labels[ROWS], samples[ROWS], predictions[ROWS];
};
static struct world world;

static void world_open(void)
{
    memset(&world, 0, sizeof world);
    mirror_open(&world.mirror, 2);
    mirror_add(&world.mirror, &world.control, sizeof world.control);
    mirror_add(&world.mirror, &world.sums, sizeof world.sums);
    mirror_add(&world.mirror, world.table, sizeof world.table);
    mirror_add(&world.mirror, world.logits, sizeof world.logits);
    mirror_add(&world.mirror, world.losses, sizeof world.losses);
    mirror_add(&world.mirror, world.labels, sizeof world.labels);
    mirror_add(&world.mirror, world.samples, sizeof world.samples);
    mirror_add(&world.mirror, world.predictions, sizeof world.predictions);
    world.args = (struct loss_args){.logits = world.logits,
                                    .dtype = DT_F32,
                                    .batch = ROWS,
                                    .classes = CLASSES,
                                    .labels = world.labels,
                                    .smoothing = 0.1f,
                                    .grad_scale = 1.0f,
                                    .samples = world.samples,
                                    .table = world.table,
                                    .losses = world.losses,
                                    .predictions = world.predictions,
                                    .sums = &world.sums,
                                    .control = &world.control};
    world.control.valid = ROWS;
}

static int work(struct mirror *mirror, const void *what)
{
    struct loss_args args = *(const struct loss_args *)what;
    args.logits = mirror_at(mirror, args.logits);
    args.labels = mirror_at(mirror, args.labels);
    args.samples = mirror_at(mirror, args.samples);
    args.table = mirror_at(mirror, args.table);
    args.losses = mirror_at(mirror, args.losses);
    args.predictions = mirror_at(mirror, args.predictions);
    args.sums = mirror_at(mirror, args.sums);
    args.control = mirror_at(mirror, args.control);
    return mirror->backend->loss(mirror->device, &args);
}

/* One sample's history, kept plainly. */
struct history {
    int label, seen, correct, forgotten, last, times[CLASSES];
    double loss, margin, probability;
};

static void remember(struct history *history, const float *logits)
{
    double mass = 0.0, rival = -INFINITY;
    int best = 0;
    for (int c = 0; c < CLASSES; c++) {
        mass += exp((double)logits[c]);
        if (c != history->label)
            rival = fmax(rival, (double)logits[c]);
        if (logits[c] > logits[best])
            best = c;
    }
    const double label = (double)logits[history->label];
    history->loss += log(mass) - label;
    history->margin += label - rival;
    history->probability += exp(label) / mass;
    history->forgotten += history->seen > 0 && history->last == history->label && best != history->label;
    history->correct += best == history->label;
    history->last = best;
    history->times[best]++;
    history->seen++;
}

static void check(const struct history *want, const struct sample_stats *got)
{
    assert_true(got->seen == want->seen && got->correct == want->correct && got->forgotten == want->forgotten);
    if (want->seen == 0)
        return;
    assert_int_equal(got->prediction, want->last);
    assert_true(fabs(got->loss - want->loss) <= 1e-5 * (1.0 + want->loss));
    assert_true(fabs(got->margin - want->margin) <= 1e-5 * (1.0 + fabs(want->margin)));
    assert_true(fabs(got->probability - want->probability) <= 1e-5);
    for (int c = 0; c < CLASSES; c++)
        if (2 * want->times[c] > want->seen) {
            assert_int_equal(got->majority, c);
            /* The lead is at least what is left when all others join forces, at most all there are. */
            assert_true(got->votes >= 2 * want->times[c] - want->seen && got->votes <= want->times[c]);
        }
}

static void test_histories(void **state)
{
    (void)state;
    struct history history[SAMPLES] = {0};
    char name[16] = "pass 0";
    world_open();
    for (int pass = 0; pass < PASSES; pass++) {
        name[5] = (char)('0' + pass);
        vectors_det(world.logits, name, ROWS * CLASSES, -3, 3);
        for (int row = 0; row < ROWS; row++) {
            const int sample = (pass * 4 + row * 3) % SAMPLES; /* all different: 3 and 11 have no factor in common */
            history[sample].label = sample % CLASSES;
            world.samples[row] = sample;
            world.labels[row] = sample % CLASSES;
            /* A class that one sample is often taken for. */
            if (sample == 2 && pass % 4 != 0)
                world.logits[row * CLASSES + 4] += 6.0f;
        }
        world.labels[5] = -1; /* does not count */
        world.samples[5] = -1;
        if (pass == 3)
            world.logits[1 * CLASSES] = NAN; /* the step is refused: nothing of this row */
        mirror_run(&world.mirror, work, &world.args);
        for (int row = 0; row < ROWS; row++)
            if (row != 5 && !(pass == 3 && row == 1))
                remember(&history[world.samples[row]], world.logits + row * CLASSES);
    }
    int forgotten = 0;
    for (int i = 0; i < SAMPLES; i++) {
        check(&history[i], &world.table[i]);
        forgotten += history[i].forgotten;
    }
    assert_true(forgotten > 0);
    /* Not wanted, not touched. */
    struct sample_stats kept[SAMPLES];
    memcpy(kept, world.table, sizeof kept);
    world.args.table = NULL;
    mirror_run(&world.mirror, work, &world.args);
    assert_memory_equal(kept, world.table, sizeof kept);
    /* A full entry stays as it is. */
    world.args.table = world.table;
    for (int i = 0; i < SAMPLES; i++)
        world.table[i].seen = UINT16_MAX;
    memcpy(kept, world.table, sizeof kept);
    mirror_run(&world.mirror, work, &world.args);
    assert_memory_equal(kept, world.table, sizeof kept);
    mirror_close(&world.mirror);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

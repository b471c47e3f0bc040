/* test_loss: a backend's softmax cross-entropy against PyTorch's recorded answers and a plain loop in double; its sums,
 * the flag it sets, and the record of a step. */
#include "kernels/common/fp16.h"
#include "mirror.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { MOST = 1 << 16 };

/* One batch and room for everything that loss writes. */
struct batch {
    struct mirror mirror;
    struct step_control control;
    struct loss_sums sums;
    struct loss_args args; /* places in host memory */
    struct step_record record;
    struct step_norms norms;
    int32_t nonfinite;
    float logits[MOST], grad[MOST], probabilities[MOST], targets[MOST], losses[1024], shares[1024], offsets[1024];
    uint16_t low_logits[MOST], low_grad[MOST];
    int32_t labels[1024], partners[1024], predictions[1024];
};
static struct batch batch;

static void batch_open(int rows, int classes, int threads)
{
    assert_true(rows <= 1024 && rows * classes <= MOST);
    memset(&batch, 0, sizeof batch);
    mirror_open(&batch.mirror, threads);
    mirror_add(&batch.mirror, &batch.control, sizeof batch.control);
    mirror_add(&batch.mirror, &batch.sums, sizeof batch.sums);
    mirror_add(&batch.mirror, &batch.record, sizeof batch.record);
    mirror_add(&batch.mirror, &batch.norms, sizeof batch.norms);
    mirror_add(&batch.mirror, &batch.nonfinite, sizeof batch.nonfinite);
    const size_t values = (size_t)rows * (size_t)classes;
    mirror_add(&batch.mirror, batch.logits, values * sizeof(float));
    mirror_add(&batch.mirror, batch.grad, values * sizeof(float));
    mirror_add(&batch.mirror, batch.probabilities, values * sizeof(float));
    mirror_add(&batch.mirror, batch.targets, values * sizeof(float));
    mirror_add(&batch.mirror, batch.low_logits, values * sizeof(uint16_t));
    mirror_add(&batch.mirror, batch.low_grad, values * sizeof(uint16_t));
    mirror_add(&batch.mirror, batch.losses, (size_t)rows * sizeof(float));
    mirror_add(&batch.mirror, batch.labels, (size_t)rows * sizeof(int32_t));
    mirror_add(&batch.mirror, batch.partners, (size_t)rows * sizeof(int32_t));
    mirror_add(&batch.mirror, batch.shares, (size_t)rows * sizeof(float));
    mirror_add(&batch.mirror, batch.predictions, (size_t)rows * sizeof(int32_t));
    mirror_add(&batch.mirror, batch.offsets, (size_t)classes * sizeof(float));
    batch.control.valid = rows;
    batch.args = (struct loss_args){.logits = batch.logits,
                                    .logits_grad = batch.grad,
                                    .dtype = DT_F32,
                                    .batch = rows,
                                    .classes = classes,
                                    .labels = batch.labels,
                                    .grad_scale = 1.0f,
                                    .losses = batch.losses,
                                    .predictions = batch.predictions,
                                    .probabilities = batch.probabilities,
                                    .sums = &batch.sums,
                                    .control = &batch.control};
    vectors_det(batch.logits, "loss.logits", (int64_t)rows * classes, -4, 4);
    for (int row = 0; row < rows; row++)
        batch.labels[row] = row * 7 % classes;
}

static void batch_close(void)
{
    mirror_close(&batch.mirror);
}

static int loss_work(struct mirror *mirror, const void *what)
{
    struct loss_args args = *(const struct loss_args *)what;
    args.logits = mirror_at(mirror, args.logits);
    args.logits_grad = mirror_at(mirror, args.logits_grad);
    args.labels = mirror_at(mirror, args.labels);
    args.targets = mirror_at(mirror, args.targets);
    args.partners = mirror_at(mirror, args.partners);
    args.shares = mirror_at(mirror, args.shares);
    args.offsets = mirror_at(mirror, args.offsets);
    args.losses = mirror_at(mirror, args.losses);
    args.predictions = mirror_at(mirror, args.predictions);
    args.probabilities = mirror_at(mirror, args.probabilities);
    args.sums = mirror_at(mirror, args.sums);
    args.control = mirror_at(mirror, args.control);
    return mirror->backend->loss(mirror->device, &args);
}

static void batch_run(void)
{
    mirror_run(&batch.mirror, loss_work, &batch.args);
}

static int record_work(struct mirror *mirror, const void *what)
{
    (void)what;
    const struct update_args update = {.control = mirror_at(mirror, &batch.control),
                                       .norms = mirror_at(mirror, &batch.norms),
                                       .nonfinite = mirror_at(mirror, &batch.nonfinite)};
    return mirror->backend->record(mirror->device, mirror_at(mirror, &batch.record), 1, mirror_at(mirror, &batch.sums),
                                   &update);
}

static void record_run(void)
{
    mirror_run(&batch.mirror, record_work, NULL);
}

static void recorded_check(struct vectors *vectors, const json_t *one)
{
    int64_t values, rows;
    float *logits = vectors_floats(vectors, one, "logits", &values);
    double *target = vectors_doubles(vectors, one, "target", &rows);
    bool soft = rows == values, sum = vectors_has(one, "params/reduction");
    bool none = sum && vectors_is(one, "params/reduction", "none");
    int classes = (int)vectors_integer(one, "logits/shape/1"), count = (int)(values / classes), counted = 0;
    batch_open(count, classes, 1);
    memcpy(batch.logits, logits, (size_t)values * 4);
    for (int row = 0; row < count; row++) {
        batch.labels[row] = soft ? 0 : target[row] < 0 ? -1 : (int)target[row];
        counted += batch.labels[row] >= 0;
    }
    if (soft) {
        memcpy(batch.targets, vectors_floats(vectors, one, "target", NULL), (size_t)values * 4);
        batch.args.targets = batch.targets;
    }
    if (vectors_has(one, "params/label_smoothing"))
        batch.args.smoothing = (float)vectors_number(one, "params/label_smoothing");
    batch.control.valid = counted;
    /* Sums are wanted where torch sums. */
    batch.args.grad_scale = sum ? (float)counted : 1.0f;
    batch_run();
    const char *name = vectors_text(one, "name");
    float mean = (float)(batch.sums.loss / (sum ? 1 : counted));
    if (none)
        vectors_check(name, batch.losses, vectors_floats(vectors, one, "loss_f32", NULL), count, 1e-6, 1e-6);
    else if (counted > 0)
        vectors_check(name, &mean, vectors_floats(vectors, one, "loss_f32", NULL), 1, 1e-6, 1e-6);
    /* 1e-6: what float32 leaves of a softmax; semantics of the recording. */
    vectors_check(name, batch.grad, vectors_floats(vectors, one, "grad_f32", NULL), values, 1e-6, 1e-5);
    assert_int_equal(batch.control.bad, 0);
    batch_close();
}

static void test_recorded(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "loss");
    const json_t *cases = vectors_member(vectors.json, "cases");
    int checked = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        /* Class weights are not offered. */
        if (!json_is_null(vectors_member(one, "weight")))
            continue;
        recorded_check(&vectors, one);
        checked++;
    }
    assert_int_equal(checked, 12);
    vectors_close(&vectors);
}

/* Two labels and a share are their row of probabilities, bit for bit; correct is by the row's own label. */
static void test_two_labels(void **state)
{
    (void)state;
    enum { ROWS = 37, CLASSES = 11, VALUES = ROWS * CLASSES };
    static float grad[VALUES], losses[ROWS];
    for (int smoothed = 0; smoothed < 2; smoothed++) {
        batch_open(ROWS, CLASSES, 2);
        batch.args.smoothing = 0.1f * (float)smoothed;
        for (int row = 0; row < ROWS; row++) {
            batch.partners[row] = (batch.labels[row] + row) % CLASSES;
            batch.shares[row] = row % 5 == 0 ? 1.0f : 0.5f + 0.5f * (float)row / ROWS;
            batch.targets[row * CLASSES + batch.labels[row]] += batch.shares[row];
            batch.targets[row * CLASSES + batch.partners[row]] += 1.0f - batch.shares[row];
        }
        batch.args.targets = batch.targets;
        batch_run();
        memcpy(grad, batch.grad, sizeof grad), memcpy(losses, batch.losses, sizeof losses);
        batch.sums = (struct loss_sums){0};
        batch.args.targets = NULL, batch.args.partners = batch.partners, batch.args.shares = batch.shares;
        batch_run();
        assert_memory_equal(batch.grad, grad, sizeof grad);
        assert_memory_equal(batch.losses, losses, sizeof losses);
        for (int row = 0; row < ROWS; row++)
            batch.sums.correct -= batch.predictions[row] == batch.labels[row];
        assert_int_equal(batch.sums.correct, 0), batch_close();
    }
}

static void test_top_k(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "topk");
    batch_open(6, 7, 1);
    memcpy(batch.logits, vectors_floats(&vectors, vectors.json, "logits", NULL), 42 * 4);
    double *target = vectors_doubles(&vectors, vectors.json, "target", NULL);
    double *best = vectors_doubles(&vectors, vectors.json, "top5", NULL);
    for (int row = 0; row < 6; row++)
        batch.labels[row] = (int)target[row];
    batch_run();
    for (int row = 0; row < 6; row++)
        assert_int_equal(batch.predictions[row], (int)best[row * 5]);
    assert_int_equal(batch.sums.correct, lround(vectors_number(vectors.json, "acc1") * 6 / 100));
    assert_int_equal(batch.sums.correct5, lround(vectors_number(vectors.json, "acc5") * 6 / 100));
    batch_close();
    vectors_close(&vectors);
}

static double row_reference(const float *logits, const float *offsets, int classes, int label, double smoothing,
                            double *grad, double *probability)
{
    double peak = -INFINITY, sum = 0, loss = 0;
    for (int c = 0; c < classes; c++)
        peak = fmax(peak, logits[c] + offsets[c]);
    for (int c = 0; c < classes; c++)
        sum += exp(logits[c] + offsets[c] - peak);
    for (int c = 0; c < classes; c++) {
        double target = (c == label) * (1 - smoothing) + smoothing / classes;
        probability[c] = exp(logits[c] + offsets[c] - peak) / sum;
        grad[c] = probability[c] - target;
        loss -= target * (logits[c] + offsets[c] - peak - log(sum));
    }
    return loss;
}

static void sizes_check(int rows, int classes, float smoothing)
{
    double grad[1025], probability[1025], total = 0, squares = 0, most = 0;
    batch_open(rows, classes, 2);
    if (mirror_detects_races(&batch.mirror) && rows * classes > 1000) {
        batch_close();
        return;
    }
    batch.args.smoothing = smoothing, batch.args.grad_scale = 3.0f, batch.args.offsets = batch.offsets;
    vectors_det(batch.offsets, "loss.offsets", classes, -4, 0);
    int counted = rows > 1 ? rows - 1 : 1, correct = 0;
    batch.labels[rows - 1] = rows > 1 ? -1 : 0, batch.control.valid = counted, batch_run();
    for (int row = 0; row < counted; row++) {
        int label = batch.labels[row], first = row * classes;
        double loss = row_reference(batch.logits + first, batch.offsets, classes, label, smoothing, grad, probability);
        assert_true(fabs(batch.losses[row] - loss) <= 1e-6 * (1 + loss));
        for (int c = 0; c < classes; c++) {
            assert_true(fabs(batch.grad[first + c] - grad[c] * 3 / counted) <= 1e-6 * 3 / counted);
            assert_true(fabs(batch.probabilities[first + c] - probability[c]) <= 1e-6);
            assert_true(probability[c] <= probability[batch.predictions[row]] * (1 + 1e-6));
        }
        total += loss, squares += loss * loss, most = fmax(most, loss), correct += batch.predictions[row] == label;
    }
    for (int c = 0; rows > 1 && c < classes; c++)
        assert_true(batch.grad[(rows - 1) * classes + c] == 0.0f);
    assert_true(rows == 1 || batch.losses[rows - 1] == 0.0f);
    assert_true(fabs(batch.sums.loss - total) <= 1e-6 * (1 + total));
    assert_true(fabs(batch.sums.loss_squares - squares) <= 2e-6 * (1 + squares));
    assert_true(fabs(batch.sums.loss_max - most) <= 1e-6 * (1 + most));
    assert_int_equal(batch.sums.samples, counted);
    assert_int_equal(batch.sums.correct, correct);
    assert_int_equal(batch.sums.nonfinite, 0);
    batch_close();
}

static void test_sizes(void **state)
{
    (void)state;
    static const int classes[] = {1, 2, 3, 5, 10, 15, 16, 17, 100, 1000};
    static const int rows[] = {1, 2, 15, 64};
    for (int c = 0; c < COUNT_OF(classes); c++)
        for (int r = 0; r < COUNT_OF(rows); r++) {
            sizes_check(rows[r], classes[c], 0.0f);
            sizes_check(rows[r], classes[c], 0.1f);
        }
}

/* In low precision the same as in fp32 on the rounded logits, but for the gradient's rounding. */
static void low_check(enum dtype dtype, float (*widen)(uint16_t), uint16_t (*narrow)(float))
{
    enum { ROWS = 33, CLASSES = 10 };
    batch_open(ROWS, CLASSES, 2);
    if (mirror_supports(&batch.mirror, dtype)) {
        for (int i = 0; i < ROWS * CLASSES; i++) {
            batch.low_logits[i] = narrow(batch.logits[i]);
            batch.logits[i] = widen(batch.low_logits[i]);
        }
        batch_run();
        struct loss_sums full = batch.sums;
        batch.sums = (struct loss_sums){0};
        batch.args.logits = batch.low_logits;
        batch.args.logits_grad = batch.low_grad;
        batch.args.dtype = dtype;
        batch_run();
        assert_memory_equal(&full, &batch.sums, sizeof full);
        for (int i = 0; i < ROWS * CLASSES; i++)
            assert_int_equal(batch.low_grad[i], narrow(batch.grad[i]));
    }
    batch_close();
}

static void test_low_precision(void **state)
{
    (void)state;
    low_check(DT_BF16, bf16_to_float, bf16_from_float);
    low_check(DT_F16, fp16_to_float, fp16_from_float);
}

static void test_ties(void **state)
{
    (void)state;
    batch_open(8, 8, 1);
    for (int i = 0; i < 64; i++)
        batch.logits[i] = 0.5f;
    for (int row = 0; row < 8; row++)
        batch.labels[row] = row < 6 ? row / 2 * 2 : 7;
    batch_run();
    for (int row = 0; row < 8; row++)
        assert_int_equal(batch.predictions[row], 0);
    assert_int_equal(batch.sums.correct, 2);
    assert_int_equal(batch.sums.correct5, 6);
    batch_close();
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    static float grad[500 * 100];
    struct loss_sums one;
    for (int threads = 1; threads <= 5; threads += 2) {
        batch_open(500, 100, threads);
        batch_run();
        if (threads == 1) {
            one = batch.sums;
            memcpy(grad, batch.grad, sizeof grad);
        }
        assert_memory_equal(&one, &batch.sums, sizeof one);
        assert_memory_equal(grad, batch.grad, sizeof grad);
        batch_close();
    }
}

static void test_nonfinite(void **state)
{
    (void)state;
    static const float poison[] = {NAN, INFINITY, -INFINITY};
    for (int p = 0; p < COUNT_OF(poison); p++) {
        batch_open(9, 5, 2);
        batch.labels[3] = 2;
        batch.logits[3 * 5 + 2] = poison[p];
        batch_run();
        assert_int_equal(batch.control.bad, 1);
        assert_int_equal(batch.sums.nonfinite, 1);
        assert_false(isfinite(batch.losses[3]));
        assert_false(isfinite(batch.sums.loss));
        assert_false(isfinite(batch.sums.loss_max));
        assert_int_equal(batch.sums.samples, 9);
        if (poison[p] != -INFINITY)
            assert_int_equal(batch.predictions[3], 2);
        /* It is right about nothing; of five classes the first five are all. */
        int correct = 0;
        for (int row = 0; row < 9; row++)
            correct += row != 3 && batch.predictions[row] == batch.labels[row];
        assert_int_equal(batch.sums.correct, correct);
        assert_int_equal(batch.sums.correct5, 8);
        /* The flag is never cleared. */
        batch.logits[3 * 5 + 2] = 0.0f;
        batch_run();
        assert_int_equal(batch.control.bad, 1);
        batch_close();
    }
    /* A row that does not count may hold anything; so may a class without target hold -infinity. */
    batch_open(2, 4, 1);
    batch.labels[1] = -1;
    batch.control.valid = 1;
    batch.logits[4] = NAN;
    batch.labels[0] = 1;
    batch.logits[0] = -INFINITY;
    batch_run();
    assert_int_equal(batch.control.bad, 0);
    assert_true(isfinite(batch.losses[0]) && batch.losses[1] == 0.0f && batch.grad[5] == 0.0f);
    batch_close();
}

static void test_record(void **state)
{
    (void)state;
    batch_open(50, 10, 1);
    batch_run();
    batch.norms = (struct step_norms){
        .grad = 1.5f, .update = 0.25f, .weight = 8, .grad_dot_update = -3, .grad_cosine = 0.5f, .grad_dot_last = -2};
    batch.control.step = 41, batch.control.epoch = 3, batch.control.lr = 0.125f, batch.control.kept.updates = 7;
    record_run();
    struct step_record record = batch.record;
    assert_true(record.kept.updates == 8 && batch.control.kept.updates == 8);
    double mean = 0, variance = 0;
    for (int row = 0; row < 50; row++)
        mean += batch.losses[row] / 50.0;
    for (int row = 0; row < 50; row++)
        variance += (batch.losses[row] - mean) * (batch.losses[row] - mean) / 49.0;
    assert_true(fabs(record.loss - mean) <= 1e-6 * mean && fabs(record.loss_variance - variance) <= 1e-6 * variance);
    assert_true(record.step == 41 && record.sequence == 42 && record.epoch == 3 && record.lr == 0.125f &&
                record.samples == 50);
    assert_true(record.grad_norm == 1.5f && record.update_norm == 0.25f && record.weight_norm == 8.0f);
    assert_true(record.grad_dot_update == -3.0f && record.grad_cosine == 0.5f && record.grad_dot_last == -2.0f);
    assert_true(isnan(record.noise_grad) && isnan(record.noise_trace));
    assert_true(record.bad == 0 && record.nonfinite == 0 && record.loss_max == batch.sums.loss_max);
    assert_int_equal(record.correct, batch.sums.correct);

    /* A refused update has no norms, one sample has no variance, none has no loss. */
    batch.control.bad = 1, batch.nonfinite = 7, batch.norms.grad = NAN;
    batch.sums.nonfinite = 2;
    record_run();
    record = batch.record;
    assert_true(isnan(record.grad_norm) && isnan(record.update_norm) && isnan(record.weight_norm));
    assert_true(isnan(record.grad_dot_update) && isnan(record.grad_cosine) && isnan(record.grad_dot_last));
    assert_true(record.nonfinite == 9 && record.bad == 1 && record.kept.updates == 8);
    batch.sums = (struct loss_sums){.samples = 1, .loss = 2.0, .loss_squares = 4.0, .loss_max = 2.0f};
    record_run();
    assert_true(batch.record.loss == 2.0f && isnan(batch.record.loss_variance));
    batch.sums = (struct loss_sums){0};
    record_run();
    assert_true(isnan(batch.record.loss) && isnan(batch.record.loss_max) && isnan(batch.record.loss_median));
    batch_close();
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Quantiles against the sorted losses: within a bin, 1/16 of the value, of what interpolation between ranks gives. */
static void quantile_check(int rows, float spread, bool accumulated)
{
    static float sorted[2048];
    int count = 0;
    batch_open(rows, 10, 2);
    for (int part = 0; part < (accumulated ? 2 : 1); part++) {
        vectors_det(batch.logits, part ? "more" : "loss.logits", (int64_t)rows * 10, -spread, spread);
        batch_run();
        for (int row = 0; row < rows; row++)
            sorted[count++] = batch.losses[row];
    }
    record_run();
    qsort(sorted, (size_t)count, sizeof *sorted, compare_floats);
    for (int q = 0; q < 2; q++) {
        double rank = (q ? 0.9 : 0.5) * (count - 1), got = q ? batch.record.loss_p90 : batch.record.loss_median;
        int below = (int)rank, above = below + 1 < count ? below + 1 : below;
        if (!(got >= sorted[below] / 1.0625 && got <= sorted[above] * 1.0625 && got <= sorted[count - 1]))
            fail_msg("%d rows, quantile %d: %g, between %g and %g", count, q, got, (double)sorted[below],
                     (double)sorted[above]);
    }
    batch_close();
}

static void test_quantiles(void **state)
{
    (void)state;
    static const int rows[] = {1, 2, 3, 8, 63, 500};
    static const float spreads[] = {1e-4f, 0.5f, 4.0f, 40.0f};
    for (int r = 0; r < COUNT_OF(rows); r++)
        for (int s = 0; s < COUNT_OF(spreads); s++)
            quantile_check(rows[r], spreads[s], r % 2 == 1);
    /* Beyond the bins: what is tiny is between 0 and the first edge, what is huge below the largest; rows that do not
     * count do not. */
    batch_open(3, 2, 1);
    float logits[] = {300, 0, 0, 300, 0, 300};
    memcpy(batch.logits, logits, sizeof logits);
    batch.labels[0] = 0, batch.labels[1] = 0, batch.labels[2] = -1;
    batch_run();
    record_run();
    assert_true(batch.record.loss_median >= 0.0f && batch.record.loss_median < 2e-5f);
    assert_true(batch.record.loss_p90 <= 300.0f);
    batch_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded),
                                       cmocka_unit_test(test_two_labels),
                                       cmocka_unit_test(test_top_k),
                                       cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_low_precision),
                                       cmocka_unit_test(test_ties),
                                       cmocka_unit_test(test_threads_do_not_matter),
                                       cmocka_unit_test(test_nonfinite),
                                       cmocka_unit_test(test_record),
                                       cmocka_unit_test(test_quantiles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

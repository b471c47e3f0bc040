/* test_sketch: what a step says of the last one by sketches of gradients and updates, against their definition and,
 * within what a sketch can, against the arrays themselves. */
#include "kernels/common/sketch.h"
#include "slab.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static const int64_t sizes[] = {1, 15, 16, 17, 63, 127, 128, 129, 1025, 4097, 100003};

/* The sketch of values, from its definition: all stretches of it. */
static double *naive_sketch(const float *values, int64_t count)
{
    double *sketch = calloc((size_t)(sketch_stretches(count) * SKETCH_LANES), sizeof *sketch);
    for (int64_t i = 0; i < count; i++)
        sketch[i / SKETCH_STRETCH * SKETCH_LANES + i % SKETCH_LANES] += (double)sketch_signed(i, values[i]);
    return sketch;
}

static double product(const double *a, const double *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The product told by the rows that are followed, each standing for its group. */
static double followed_product(const struct slab *slab, const float *a, const float *b)
{
    double sum = 0.0;
    for (int row = 0; row < slab->args.followed_count; row++) {
        const int64_t first = slab->followed[row].row * (int64_t)SKETCH_LANES;
        for (int64_t i = first; i < first + SKETCH_LANES && i < slab->args.count; i++)
            sum += (double)slab->followed[row].weight * (double)a[i] * (double)b[i];
    }
    return sum;
}

/* Two good steps with a refused one between them: what the second says of the first, against the definition and, within
 * what a sketch can, against the arrays themselves. */
static void sketch_check(int64_t count, enum optimizer_kind kind)
{
    struct slab slab;
    slab_open(&slab, count, 3);
    if (mirror_detects_races(&slab.mirror) && count > RACES_MOST) {
        slab_close(&slab);
        return;
    }
    slab.args.kind = kind;
    slab.args.grad_scale = 0.5f;
    float *param = malloc((size_t)count * 4), *first = malloc((size_t)count * 4), *moved = malloc((size_t)count * 4);
    memcpy(param, slab.args.param, (size_t)count * 4);
    memcpy(first, slab.args.grad, (size_t)count * 4);
    slab_step(&slab);
    assert_true(isnan(slab.norms.grad_cosine) && isnan(slab.norms.grad_dot_last));
    double slope = 0.0, dot = 0.0, square = 0.0, past = 0.0, movement = 0.0, change = 0.0;
    for (int64_t i = 0; i < count; i++) {
        moved[i] = slab.args.param[i] - param[i];
        slope += 0.5 * (double)first[i] * (double)moved[i];
        change += (double)moved[i] * (double)moved[i];
    }
    assert_true(fabs(slab.norms.grad_dot_update - slope) <= 1e-5 * (fabs(slope) + slab.norms.grad * sqrt(change)));
    slab.control.kept.updates++;
    slab.args.grad[0] = NAN;
    slab_step(&slab);
    assert_int_equal(slab.control.bad, 1);
    slab.control.bad = 0;
    vectors_det(slab.args.grad, "second", count, -2, 2);
    for (int64_t i = 0; i < count; i++) {
        slab.args.grad[i] += first[i];
        dot += (double)first[i] * (double)slab.args.grad[i];
        square += (double)slab.args.grad[i] * (double)slab.args.grad[i];
        past += (double)first[i] * (double)first[i];
        movement += 0.5 * (double)slab.args.grad[i] * (double)moved[i];
    }
    const float *const a = first, *const b = slab.args.grad, *const c = moved;
    slab_step(&slab);
    const double same = followed_product(&slab, a, a), other = followed_product(&slab, b, b);
    const double cosine = followed_product(&slab, a, b) / sqrt(same * other), past_move = followed_product(&slab, b, c);
    const double size = sqrt(square * change);
    if (fabs(slab.norms.grad_cosine - cosine) > 1e-5 || fabs(slab.norms.grad_dot_last - 0.5 * past_move) > 1e-5 * size)
        fail_msg("size %d: cosine %.9g and product %.9g, expected %.9g and %.9g", (int)count,
                 (double)slab.norms.grad_cosine, (double)slab.norms.grad_dot_last, cosine, 0.5 * past_move);
    const double room = count <= SKETCH_FOLLOWED * SKETCH_LANES ? 1e-5 : 5.0 / sqrt(SKETCH_FOLLOWED * SKETCH_LANES);
    assert_true(fabs(cosine - dot / sqrt(square * past)) <= room);
    assert_true(fabs(slab.norms.grad_dot_last - movement) <= room * size);
    free(param);
    free(first);
    free(moved);
    slab_close(&slab);
}

static int part_work(struct mirror *mirror, const void *what)
{
    const struct update_args args = slab_on_device(mirror, what);
    TRY(mirror->backend->part_norm(mirror->device, &args, args.param, true));
    TRY(mirror->backend->part_norm(mirror->device, &args, args.moment1, false));
    return mirror->backend->grad_norm(mirror->device, &args);
}

/* Two parts of a batch, in place of whose gradients parameters and moments are read. */
static void part_check(int64_t count)
{
    struct slab slab;
    double squares = 0.0;
    slab_open(&slab, count, 3);
    if (mirror_detects_races(&slab.mirror) && count > RACES_MOST) {
        slab_close(&slab);
        return;
    }
    vectors_det(slab.args.moment1, "part", count, -1, 1);
    for (int64_t i = 0; i < count; i++) {
        slab.args.moment1[i] += slab.args.grad[i];
        squares += (double)slab.args.param[i] * (double)slab.args.param[i] +
                   (double)slab.args.moment1[i] * (double)slab.args.moment1[i];
    }
    mirror_run(&slab.mirror, part_work, &slab.args);
    assert_true(slab.norms.part_squares == 0.0 && isnan(slab.norms.part_cosine)); /* not asked for */
    slab.control.noise = NOISE_OF_PARTS;
    mirror_run(&slab.mirror, part_work, &slab.args);
    assert_true(fabs(slab.norms.part_squares - squares) <= 1e-6 * squares);
    slab.control.noise = NOISE_OF_HALF;
    mirror_run(&slab.mirror, part_work, &slab.args);
    double *a = naive_sketch(slab.args.grad, count), *b = naive_sketch(slab.args.moment1, count);
    const int64_t buckets = sketch_stretches(count) * SKETCH_LANES;
    const double cosine = product(a, b, buckets) / sqrt(product(a, a, buckets) * product(b, b, buckets));
    if (fabs(slab.norms.part_cosine - cosine) > 1e-5)
        fail_msg("size %d: cosine %.9g, expected %.9g", (int)count, slab.norms.part_cosine, cosine);
    free(a);
    free(b);
    slab_close(&slab);
}

static void test_parts(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT_OF(sizes); s++)
        part_check(sizes[s]);
}

static void test_sketches(void **state)
{
    (void)state;
    for (int s = 0; s < COUNT_OF(sizes) && sizes[s] <= 100003; s++)
        sketch_check(sizes[s], s % 2 ? OPTIMIZER_SGD : OPTIMIZER_ADAMW);
    struct slab slab;
    slab_open(&slab, 100, 1);
    float *sketches = slab.args.sketches;
    slab.args.sketches = NULL;
    slab.control.kept.updates = 3;
    slab_step(&slab);
    assert_true(isfinite(slab.norms.update) && isnan(slab.norms.grad_cosine) && isnan(slab.norms.grad_dot_last));
    slab.args.sketches = sketches;
    slab_close(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sketches), cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

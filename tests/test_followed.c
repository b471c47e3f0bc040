/* test_followed: the rows that are followed stand for all rows of each tensor, small ones have more for their size, and
 * a cosine over layers of uneven gradients is told by them better than by rows drawn from all alike. */
#include "drawn_losses.h"
#include "followed.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

/* Every tensor's rows are stood for once. Returns how many are followed. */
static int stands_for_all(const struct flat_tensor *tensors, int count)
{
    struct followed_row rows[SKETCH_FOLLOWED];
    const int drawn = followed_rows(rows, tensors, count);
    int at = 0;
    assert_true(drawn <= SKETCH_FOLLOWED);
    for (int t = 0; t < count; t++) {
        const int64_t begin = tensors[t].first / SKETCH_LANES;
        const int64_t end = sketch_rows(tensors[t].first + tensors[t].count);
        double weight = 0.0;
        for (; at < drawn && rows[at].row < end; at++) {
            assert_true(rows[at].row >= begin && (at == 0 || rows[at].row > rows[at - 1].row));
            weight += (double)rows[at].weight;
        }
        assert_true(weight == (double)(end - begin));
    }
    assert_int_equal(at, drawn);
    return drawn;
}

static void test_every_tensor_is_stood_for(void **state)
{
    (void)state;
    const struct flat_tensor mlp[] = {{0, 200704},   {200704, 256},  {200960, 65536},
                                      {266496, 256}, {266752, 2560}, {269312, 10}};
    const struct flat_tensor small[] = {{0, 1}, {64, 17}, {128, 1000}};
    const struct flat_tensor none[] = {{0, 0}, {0, 5}};
    struct followed_row rows[SKETCH_FOLLOWED];
    const int drawn = stands_for_all(mlp, COUNT_OF(mlp));
    assert_true(drawn > SKETCH_FOLLOWED - COUNT_OF(mlp) && drawn <= SKETCH_FOLLOWED);
    /* Of few rows all, each for itself. */
    assert_int_equal(stands_for_all(small, COUNT_OF(small)), 1 + 2 + 63);
    assert_int_equal(stands_for_all(none, COUNT_OF(none)), 1);
    assert_int_equal(followed_rows(rows, none, 1), 0);
    assert_int_equal(followed_rows(rows, NULL, 0), 0);
}

static void test_more_tensors_than_rows(void **state)
{
    (void)state;
    enum { TENSORS = 2 * SKETCH_FOLLOWED + 3 };
    struct flat_tensor tensors[TENSORS];
    struct followed_row rows[SKETCH_FOLLOWED];
    double weight = 0.0;
    for (int t = 0; t < TENSORS; t++)
        tensors[t] = (struct flat_tensor){t * 64, t % 2 ? 16 : 64};
    const int drawn = followed_rows(rows, tensors, TENSORS);
    assert_true(drawn > TENSORS / 3 - 1 && drawn <= SKETCH_FOLLOWED);
    for (int i = 0; i < drawn; i++)
        weight += (double)rows[i].weight;
    /* What lies between neighbours that are taken together is stood for too; gradients are 0 there. */
    assert_true(weight >= (TENSORS / 2 + 1) * 4.0 + TENSORS / 2 * 1.0 && weight <= TENSORS * 4.0);
}

/* Two gradients with a cosine of their own in each layer, whose last and smallest layer holds most of both, as the
 * mlp's does on Fashion-MNIST. */
static void test_uneven_layers(void **state)
{
    (void)state;
    const struct flat_tensor layers[] = {{0, 200704}, {200704, 65536}, {266240, 2560}}, all = {0, 268800};
    const double share[] = {0.29, 0.17, 0.54}, alike[] = {0.1, 0.3, -0.5};
    struct followed_row rows[SKETCH_FOLLOWED];
    float *a = calloc((size_t)all.count, sizeof *a), *b = calloc((size_t)all.count, sizeof *b);
    struct draws draws = {.seed = 5};
    double truth = 0.0, error[2] = {0.0};
    for (int l = 0; l < COUNT_OF(layers); l++)
        truth += share[l] * alike[l];
    enum { TIMES = 40 };
    for (int time = 0; time < TIMES; time++) {
        for (int l = 0; l < COUNT_OF(layers); l++)
            for (int64_t i = layers[l].first; i < layers[l].first + layers[l].count; i++) {
                const double size = sqrt(share[l] / (double)layers[l].count);
                const double x = normal(&draws), y = normal(&draws);
                a[i] = (float)(size * x);
                b[i] = (float)(size * (alike[l] * x + sqrt(1.0 - alike[l] * alike[l]) * y));
            }
        for (int way = 0; way < 2; way++) {
            const int drawn = way ? followed_rows(rows, &all, 1) : followed_rows(rows, layers, COUNT_OF(layers));
            double aa = 0.0, bb = 0.0, ab = 0.0;
            for (int r = 0; r < drawn; r++)
                for (int64_t i = rows[r].row * (int64_t)SKETCH_LANES; i < (rows[r].row + 1) * (int64_t)SKETCH_LANES;
                     i++) {
                    aa += (double)(rows[r].weight * a[i] * a[i]);
                    bb += (double)(rows[r].weight * b[i] * b[i]);
                    ab += (double)(rows[r].weight * a[i] * b[i]);
                }
            const double off = ab / sqrt(aa * bb) - truth;
            error[way] += off * off / TIMES;
        }
    }
    if (sqrt(error[0]) > 0.04 || sqrt(error[1]) < 2.0 * sqrt(error[0]))
        fail_msg("root mean square error %.4f by layers, %.4f by rows of all", sqrt(error[0]), sqrt(error[1]));
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_tensor_is_stood_for),
                                       cmocka_unit_test(test_more_tensors_than_rows),
                                       cmocka_unit_test(test_uneven_layers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

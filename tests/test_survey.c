/* test_survey: a backend's sums over one array, in every dtype and with channels of every kind, against plain loops. */
#include "kernels/common/bf16.h"
#include "mirror.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { MOST = 40000, MOST_CHANNELS = 1200 };

static struct {
    struct mirror mirror;
    struct survey_sums sums;
    float values[MOST], minus[MOST];
    uint16_t low[MOST];
    int32_t alive[MOST_CHANNELS];
} world;

static int work(struct mirror *mirror, const void *what)
{
    struct survey_args args = *(const struct survey_args *)what;
    args.values = mirror_at(mirror, args.values);
    args.minus = mirror_at(mirror, args.minus);
    args.alive = mirror_at(mirror, args.alive);
    args.sums = mirror_at(mirror, args.sums);
    return mirror->backend->survey(mirror->device, &args);
}

/* Every third channel has no value above 0. */
static void check(int64_t count, int channels, bool low, bool minus)
{
    double sum = 0.0, squares = 0.0;
    int64_t positive = 0, dead = 0;
    static bool alive[MOST_CHANNELS];
    memset(&world, 0, sizeof world);
    memset(alive, 0, sizeof alive);
    mirror_open(&world.mirror, 3);
    mirror_add(&world.mirror, &world.sums, sizeof world.sums);
    mirror_add(&world.mirror, world.values, (size_t)count * sizeof(float));
    mirror_add(&world.mirror, world.minus, (size_t)count * sizeof(float));
    mirror_add(&world.mirror, world.low, (size_t)count * sizeof(uint16_t));
    mirror_add(&world.mirror, world.alive, sizeof world.alive);
    vectors_det(world.values, "survey", count, -2, 3);
    vectors_det(world.minus, "minus", count, -1, 1);
    for (int64_t i = 0; i < count; i++) {
        const int64_t channel = channels ? i % channels : 0;
        if (channels && channel % 3 == 1)
            world.values[i] = -fabsf(world.values[i]) - 1.0f;
        world.low[i] = bf16_from_float(world.values[i]);
        const float value = (low ? bf16_to_float(world.low[i]) : world.values[i]) - (minus ? world.minus[i] : 0.0f);
        sum += (double)value;
        squares += (double)value * (double)value;
        positive += value > 0.0f;
        if (value > 0.0f)
            alive[channel] = true;
    }
    for (int channel = 0; channel < channels; channel++)
        dead += !alive[channel];
    const struct survey_args args = {.values = low ? (const void *)world.low : world.values,
                                     .minus = minus ? world.minus : NULL,
                                     .dtype = low ? DT_BF16 : DT_F32,
                                     .count = count,
                                     .channels = channels,
                                     .alive = world.alive,
                                     .sums = &world.sums};
    mirror_run(&world.mirror, work, &args);
    if (fabs(world.sums.sum - sum) > 1e-9 * (1.0 + squares) || fabs(world.sums.squares - squares) > 1e-9 * squares ||
        world.sums.positive != positive || world.sums.dead != dead)
        fail_msg("%d values, %d channels: %.9g %.9g %d %d, expected %.9g %.9g %d %d", (int)count, channels,
                 world.sums.sum, world.sums.squares, (int)world.sums.positive, (int)world.sums.dead, sum, squares,
                 (int)positive, (int)dead);
    for (int i = 0; i < MOST_CHANNELS; i++)
        assert_int_equal(world.alive[i], 0);
    mirror_close(&world.mirror);
}

static void test_survey(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        int channels;
    } cases[] = {{1, 0}, {1, 1}, {7, 7}, {255, 5}, {257, 0}, {1024, 64}, {4103, 11}, {2400, 1200}};
    for (int i = 0; i < COUNT_OF(cases); i++)
        for (int kind = 0; kind < 3; kind++)
            check(cases[i].count, cases[i].channels, kind == 1, kind == 2);
    mirror_open(&world.mirror, 1);
    const bool slow = mirror_detects_races(&world.mirror);
    mirror_close(&world.mirror);
    if (!slow)
        check(38400, 48, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_survey)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

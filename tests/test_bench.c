/* test_bench: what `evenkeel bench` says of a step: every operation's passes are there, once; profiling changes no bit
 * of the training; least times against figures worked out by hand. */
#include "bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A first convolution, whose input has no gradient, another one, and a linear layer. */
static const char *const words[] = {"model.name=small_cnn", "model.width=4",    "train.batch_size=8",
                                    "optim.name=adam",      "train.device=cpu", "augment.hflip=0.5",
                                    "train.precision=fp32"};

struct opened {
    struct config config;
    struct session session;
    struct bench bench;
};

static void open_all(struct opened *opened, const char *accumulate)
{
    const char *all[COUNT_OF(words) + 1];
    memcpy(all, words, sizeof words);
    all[COUNT_OF(words)] = accumulate;
    *opened = (struct opened){0};
    assert_int_equal(config_load(&opened->config, NULL, all, COUNT_OF(all), stderr), OK);
    assert_int_equal(session_open_noise(&opened->session, &opened->config, (struct shape){1, 8, 8, 3}, 5, 100), OK);
    assert_int_equal(bench_open(&opened->bench, &opened->session), OK);
}

static void close_all(struct opened *opened)
{
    bench_close(&opened->bench);
    session_close(&opened->session);
    config_free(&opened->config);
}

static int count_parts(const struct bench_profile *profile, const char *within, const char *name)
{
    int count = 0;
    for (int i = 0; i < profile->part_count; i++) {
        const struct bench_part *part = &profile->parts[i];
        const char *outer = part->within < 0 ? "" : profile->parts[part->within].name;
        count += strcmp(outer, within) == 0 && strcmp(part->name, name) == 0 && part->seconds > 0.0;
    }
    return count;
}

static void test_every_pass_is_there(void **state)
{
    struct opened opened;
    struct bench_profile profile;
    (void)state;
    open_all(&opened, "train.accumulate=2");
    assert_int_equal(bench_profile(&opened.bench, 3, &profile), OK);
    const struct graph *graph = &opened.session.graph;
    for (int i = 0; i < graph->node_count; i++) {
        assert_int_equal(count_parts(&profile, "forward", graph->nodes[i].name), 1);
        assert_int_equal(count_parts(&profile, "backward", graph->nodes[i].name), 1);
    }
    static const char *const stages[] = {"gather", "forward", "loss", "backward", "update"};
    double stage_seconds = 0.0, node_seconds = 0.0;
    for (int i = 0; i < COUNT_OF(stages); i++)
        assert_int_equal(count_parts(&profile, "", stages[i]), 1);
    assert_int_equal(count_parts(&profile, "update", "optimizer"), 1);
    for (int i = 0; i < profile.part_count; i++) {
        *(profile.parts[i].within < 0 ? &stage_seconds : &node_seconds) += profile.parts[i].seconds;
        assert_int_equal(profile.parts[i].node >= 0,
                         profile.parts[i].within >= 0 &&
                             strcmp(profile.parts[profile.parts[i].within].name, "update") != 0);
    }
    assert_true(node_seconds < 1.5 * stage_seconds);
    bench_profile_free(&profile);
    close_all(&opened);
}

static float loss_after(bool profiled)
{
    struct opened opened;
    struct bench_profile profile = {0};
    struct step_record record;
    open_all(&opened, "train.accumulate=1");
    const struct backend *backend = opened.session.backend;
    if (profiled)
        assert_int_equal(bench_profile(&opened.bench, 15, &profile), OK);
    else
        assert_int_equal(bench_steps(&opened.bench, 15), OK);
    assert_ptr_equal(opened.session.plan.backend, backend);
    assert_int_equal(bench_steps(&opened.bench, 1), OK);
    assert_true(plan_record(&opened.session.plan, 15, &record));
    bench_profile_free(&profile);
    close_all(&opened);
    return record.loss;
}

static void test_profiling_changes_nothing(void **state)
{
    (void)state;
    const float plain = loss_after(false), profiled = loss_after(true);
    assert_true(isfinite(plain));
    assert_memory_equal(&plain, &profiled, sizeof plain);
}

static const struct bench_part *part_of(const struct bench_profile *profile, const char *within, const char *name)
{
    for (int i = 0; i < profile->part_count; i++)
        if (profile->parts[i].within >= 0 && strcmp(profile->parts[profile->parts[i].within].name, within) == 0 &&
            strcmp(profile->parts[i].name, name) == 0)
            return &profile->parts[i];
    return NULL;
}

static void test_counts(void **state)
{
    struct opened opened;
    struct bench_profile profile;
    (void)state;
    open_all(&opened, "train.accumulate=1");
    assert_int_equal(bench_profile(&opened.bench, 1, &profile), OK);
    bench_count(&opened.session.plan, 1, &profile);
    /* 8 images of 8x8: 3 to 4 channels, then 4x4: 4 to 8; kernels of 3x3. The first has no gradient of its input. */
    const double first = 2.0 * 8 * 64 * 4 * 27, second = 2.0 * 8 * 16 * 8 * 36;
    assert_true(part_of(&profile, "forward", "conv1")->flops == first);
    assert_true(part_of(&profile, "backward", "conv1")->flops == first);
    assert_true(part_of(&profile, "forward", "conv2")->flops == second);
    assert_true(part_of(&profile, "backward", "conv2")->flops == 2.0 * second);
    assert_true(part_of(&profile, "forward", "conv1")->bytes >= 4.0 * (8 * 64 * 3 + 8 * 64 * 4 + 4 * 27));
    assert_true(part_of(&profile, "forward", "bn1")->bytes == 3.0 * 4 * 8 * 64 * 4);
    assert_true(part_of(&profile, "forward", "bn1")->flops == 0.0);
    /* The normalisation before it pools. */
    assert_non_null(opened.session.plan.calls[part_of(&profile, "forward", "pool1")->node].pooled_by);
    assert_true(part_of(&profile, "forward", "pool1")->bytes == 0.0);
    assert_true(part_of(&profile, "backward", "pool1")->bytes == 0.0);
    assert_true(part_of(&profile, "update", "optimizer")->bytes == 28.0 * (double)opened.session.plan.param_count);
    assert_true(profile.parts[0].bytes == 8.0 * 64 * 3 * (1 + 4)); /* gather */
    bench_profile_free(&profile);
    close_all(&opened);
}

static void test_least_times(void **state)
{
    struct bench_ceiling ceiling = {.product = 1e9};
    (void)state;
    for (int i = 0; i < BENCH_COPIES; i++)
        ceiling.copy[i] = i < 4 ? 8e9 : 2e9; /* up to 2^21 bytes each way, beyond */
    assert_true(fabs(bench_copy_seconds(&ceiling, 1 << 10) / ((1 << 10) / 8e9) - 1.0) < 1e-9);
    assert_true(fabs(bench_copy_seconds(&ceiling, 1 << 22) / ((1 << 22) / 8e9) - 1.0) < 1e-9);
    assert_true(fabs(bench_copy_seconds(&ceiling, 1 << 23) / ((1 << 23) / 4e9) - 1.0) < 1e-9); /* half way */
    assert_true(fabs(bench_copy_seconds(&ceiling, 1 << 30) / ((1 << 30) / 2e9) - 1.0) < 1e-9);
    struct bench_part part = {.bytes = 8e3, .flops = 2e6};
    assert_true(fabs(bench_floor(&ceiling, &part) - 2e-3) < 1e-12);
    part.flops = 1.0;
    assert_true(fabs(bench_floor(&ceiling, &part) - 1e-6) < 1e-12);
    part.bytes = 0.0;
    assert_true(bench_floor(&ceiling, &part) == 0.0); /* an operation that others do */
    part.node = -1;
    assert_true(isnan(bench_floor(&ceiling, &part)));
}

static int copy_nothing(struct device *device, void *to, const void *from, size_t bytes)
{
    (void)device, (void)to, (void)from, (void)bytes;
    return OK;
}

/* As on a GPU, whose copies take as long however small they are. */
static void test_small_copies_are_no_ceiling(void **state)
{
    struct opened opened;
    struct bench_ceiling ceiling;
    (void)state;
    open_all(&opened, "train.accumulate=1");
    struct backend backend = *opened.session.backend;
    backend.synchronous = false;
    backend.copy = copy_nothing;
    assert_int_equal(bench_measure_ceiling(&backend, opened.session.device, DT_F32, &ceiling), OK);
    for (int i = 0; i + 1 < BENCH_COPIES; i++)
        assert_true(ceiling.copy[i] >= ceiling.copy[i + 1]);
    close_all(&opened);
}

/* What is printed of a report, in text. */
static void print_into(const struct bench_report *report, char *text, size_t bytes)
{
    FILE *file = tmpfile();
    const int out = dup(STDOUT_FILENO);
    assert_non_null(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    bench_print(report, true);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    rewind(file);
    text[fread(text, 1, bytes - 1, file)] = '\0';
    fclose(file);
}

/* Where parts take longer one by one than a step does, shares are of the parts, and it is said. */
static void test_no_share_is_negative(void **state)
{
    struct opened opened;
    static char text[1 << 14];
    (void)state;
    open_all(&opened, "train.accumulate=1");
    struct bench_part parts[] = {{.name = "gather", .within = -1, .node = -1, .seconds = 3e-3},
                                 {.name = "loss", .within = -1, .node = -1, .seconds = 1e-3}};
    struct bench_report report = {.session = &opened.session,
                                  .times = {.median = 8e-3},
                                  .profile = {.parts = parts, .part_count = COUNT_OF(parts)}};
    print_into(&report, text, sizeof text);
    assert_non_null(strstr(text, "3.000   37.5 %"));
    assert_non_null(strstr(text, "between them                    4.000   50.0 %"));
    report.times.median = 3e-3;
    print_into(&report, text, sizeof text);
    assert_non_null(strstr(text, "3.000   75.0 %"));
    assert_null(strstr(text, "between them"));
    assert_non_null(
        strstr(text, "parts together, 4.000 ms timed one by one; undivided the step takes 3.000 ms, 25 % less"));
    close_all(&opened);
}

static void test_times(void **state)
{
    struct opened opened;
    struct bench_report report = {0};
    (void)state;
    open_all(&opened, "train.accumulate=1");
    assert_int_equal(bench_report(&report, &opened.session, 0.05), OK);
    assert_true(report.times.least > 0.0 && report.times.least <= report.times.median &&
                report.times.median <= report.times.most && report.times.waits == 0.0);
    assert_true(report.ceiling.product > 1e8);
    for (int i = 0; i < BENCH_COPIES; i++)
        assert_true(report.ceiling.copy[i] > 1e7);
    bench_profile_free(&report.profile);
    close_all(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pass_is_there),
        cmocka_unit_test(test_profiling_changes_nothing),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_least_times),
        cmocka_unit_test(test_small_copies_are_no_ceiling),
        cmocka_unit_test(test_no_share_is_negative),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

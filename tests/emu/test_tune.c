/* test_tune: choosing by time, in the emulator, whose clock counts calls: the fastest wins, what fails or is hopeless
 * is left early, and candidates run on numbers. */
#include "dnn.h"
#include "emu.h"
#include "emu_cudnn.h"
#include "fixtures.h"
#include "tune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct backend backend_cuda;

enum { ODD = 300001, SMALL = 10 };

static struct device *device;
static struct tune tune;

static int begin(void **state)
{
    if (fixture_begin(state) != 0)
        return -1;
    emu_reset_round(0);
    setenv("EVENKEEL_CUDA_TUNE", "1", 1);
    const struct tune_array arrays[] = {{DT_F32, ODD * 4}, {DT_BF16, 0}, {DT_F16, ODD * 2}, {DT_BF16, SMALL * 2}};
    return backend_cuda.open(&device, 0, 0) < 0 || tune_open(device, &tune, arrays, COUNT_OF(arrays), 64) < 0 ? -1 : 0;
}

static int end(void **state)
{
    tune_close(&tune);
    backend_cuda.close(device);
    return fixture_end(state);
}

/* Takes so many calls; fails in a run that is not its first. */
struct work {
    int calls, fails_in, runs;
};

static int run(struct device *on, void *candidate, const struct tune *with)
{
    struct work *work = candidate;
    if (work->fails_in == ++work->runs)
        return backend_cuda.zero(on, NULL, 64);
    for (int i = 0; i < work->calls; i++)
        TRY(backend_cuda.zero(on, with->workspace, 64));
    return OK;
}

static void test_measures(void **state)
{
    (void)state;
    struct work slow = {8, 0, 0}, fast = {3, 0, 0}, between = {4, 0, 0}, hopeless = {9, 0, 0};
    const float slow_ms = tune_time(device, &tune, run, &slow), fast_ms = tune_time(device, &tune, run, &fast),
                between_ms = tune_time(device, &tune, run, &between);
    assert_true(fast_ms < between_ms && between_ms < slow_ms);
    assert_true(tune.least == fast_ms);
    assert_int_equal(slow.runs, 1 + 5 * 3);
    assert_int_equal(between.runs, slow.runs);
    assert_true(isinf(tune_time(device, &tune, run, &hopeless)));
    assert_int_equal(hopeless.runs, 1 + 3);
    assert_true(tune.least == fast_ms);
}

static void test_leaves_what_fails(void **state)
{
    (void)state;
    struct work at_once = {1, 1, 0}, later = {1, 6, 0};
    const float least = tune.least;
    assert_true(isinf(tune_time(device, &tune, run, &at_once)));
    assert_true(isinf(tune_time(device, &tune, run, &later)));
    assert_false(emu_blames());
    assert_int_equal(at_once.runs, 1);
    assert_int_equal(later.runs, 6);
    assert_true(tune.least == least);
}

static void test_runs_on_numbers(void **state)
{
    (void)state;
    static float floats[ODD];
    static uint16_t halves[ODD];
    double sum = 0, squares = 0;
    assert_null(tune.array[1]);
    assert_int_equal(backend_cuda.download(device, floats, tune.array[0], sizeof floats), OK);
    assert_int_equal(backend_cuda.download(device, halves, tune.array[2], sizeof halves), OK);
    assert_int_equal(backend_cuda.wait(device), OK);
    for (int i = 0; i < ODD; i++) {
        assert_true(floats[i] >= -1.0f && floats[i] < 1.0f);
        assert_true((halves[i] & 0x7FFF) <= 0x3C00); /* at most 1 */
        sum += (double)floats[i];
        squares += (double)floats[i] * (double)floats[i];
    }
    assert_true(fabs(sum / ODD) < 0.01 && fabs(squares / ODD - 1.0 / 3.0) < 0.01);
    assert_true(halves[0] != halves[ODD - 1]);
}

static void check_driver(const char *line, const char *wanted)
{
    char text[CUDA_DRIVER_BYTES];
    const char *path = fixture_path("version");
    fixture_write(path, line, strlen(line));
    cuda_describe_driver(path, text);
    assert_string_equal(text, wanted);
}

static void test_tells_the_driver(void **state)
{
    (void)state;
    char text[CUDA_DRIVER_BYTES];
    cuda_describe_driver(fixture_path("nothing"), text);
    assert_string_equal(text, "13000");
    check_driver(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version:",
        "13000 550.54.14");
    check_driver("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (me@here)\n",
                 "13000 580.65.06");
    check_driver("", "13000");
}

/* A plan that was chosen is not chosen again, until the driver is another. */
static void test_another_driver_chooses_again(void **state)
{
    (void)state;
    const struct dnn_conv conv = {{2, 5, 5, 8}, {2, 5, 5, 8}, DT_F16, DT_F16, 3, 3, 1, 1, 1, 1, true, false, false};
    const char *const drivers[] = {"13000 550.54.14", "13000 550.54.14", "13000 580.65.06", "13000 580.65.06"};
    int runs[COUNT_OF(drivers)] = {0};
    setenv("XDG_CACHE_HOME", fixture_path("cache"), 1);
    emu_cudnn.all = true;
    for (int i = 0; i < COUNT_OF(drivers); i++) {
        struct dnn_plan plan = {0};
        const int before = emu_cudnn_runs();
        snprintf(device->driver, sizeof device->driver, "%s", drivers[i]);
        assert_int_equal(dnn_plan_build(device, &conv, DNN_FORWARD, &plan), OK);
        runs[i] = emu_cudnn_runs() - before;
        dnn_plan_free(&plan);
    }
    assert_true(runs[0] > 0 && runs[1] == 0 && runs[2] == runs[0] && runs[3] == 0);
}

/* What choices are made where nothing can be kept, and how often that is said. */
static int choose_unkept(void)
{
    const struct dnn_conv conv = {{2, 5, 5, 8}, {2, 5, 5, 8}, DT_F16, DT_F16, 3, 3, 1, 1, 1, 1, true, false, false};
    const int kept = dup(STDERR_FILENO);
    const char *path = fixture_path("stderr");
    int warnings = 0;
    size_t bytes;
    assert_non_null(freopen(path, "w", stderr));
    for (int i = 0; i < 2; i++) {
        struct dnn_plan plan = {0};
        const int before = emu_cudnn_runs();
        assert_int_equal(dnn_plan_build(device, &conv, DNN_FORWARD, &plan), OK);
        assert_true(emu_cudnn_runs() > before);
        dnn_plan_free(&plan);
    }
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    char *text = (char *)fixture_read(path, &bytes);
    for (const char *at = text; (at = strstr(at, "--resume")); at++)
        warnings++;
    assert_true(warnings == 0 || strstr(text, fixture_path("file")));
    free(text);
    return warnings;
}

static void test_says_once_that_choices_are_not_kept(void **state)
{
    (void)state;
    fixture_write(fixture_path("file"), "", 0);
    setenv("XDG_CACHE_HOME", fixture_path("file"), 1);
    assert_int_equal(choose_unkept(), 1);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_int_equal(choose_unkept(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_leaves_what_fails),
        cmocka_unit_test(test_runs_on_numbers),
        cmocka_unit_test(test_tells_the_driver),
        cmocka_unit_test(test_another_driver_chooses_again),
        cmocka_unit_test(test_says_once_that_choices_are_not_kept),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

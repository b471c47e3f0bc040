/* test_profile: a step on the emulated GPU taken apart: by marks within its recording, where every operation takes a
 * millisecond, as does a mark; whatever the schedule, and with the same bits as a step that is not. */
#include "bench.h"
#include "emu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

struct opened {
    struct config config;
    struct session session;
    struct bench bench;
};

static void open_all(struct opened *opened, const char *accumulate)
{
    const char *words[] = {
        "model.name=small_cnn", "model.width=2", "train.batch_size=4", "train.device=cuda", "train.precision=fp32",
        "optim.name=adam",      accumulate};
    *opened = (struct opened){0};
    assert_int_equal(config_load(&opened->config, NULL, words, COUNT_OF(words), stderr), OK);
    if (session_open_noise(&opened->session, &opened->config, (struct shape){1, 8, 8, 3}, 5, 48) < 0)
        fail_msg("%s", fail_text());
    assert_int_equal(bench_open(&opened->bench, &opened->session), OK);
}

static void close_all(struct opened *opened)
{
    bench_close(&opened->bench);
    session_close(&opened->session);
    config_free(&opened->config);
}

/* Milliseconds of a part, outermost or of this stage. */
static double part_ms(const struct bench_profile *profile, const char *within, const char *name)
{
    for (int i = 0; i < profile->part_count; i++) {
        const struct bench_part *part = &profile->parts[i];
        if (strcmp(part->name, name) == 0 &&
            strcmp(part->within < 0 ? "" : profile->parts[part->within].name, within) == 0) {
            assert_true(part->seconds == part->least);
            return 1e3 * part->seconds;
        }
    }
    fail_msg("no %s of %s", name, within);
    return NAN;
}

/* Of all stages: the operations in them, and of each range in them two marks, and their own ends. */
static double operations(const struct bench_profile *profile, int ranges)
{
    static const char *const stages[] = {"gather", "forward", "loss", "backward", "update"};
    double all = 0.0;
    for (int i = 0; i < COUNT_OF(stages); i++)
        all += part_ms(profile, "", stages[i]);
    return round(all - 2.0 * (ranges - COUNT_OF(stages)) - COUNT_OF(stages));
}

/* Operations that a step's stages queue plainly: all but the control numbers and the event of pace, and what one of two
 * steps may queue besides, where half of the memory that uploads go through is filled. */
static int64_t plain_step(struct bench *bench)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < BACKEND_PLAIN_RUNS; i++) {
        const int64_t before = emu_queued();
        assert_int_equal(bench_steps(bench, 1), OK);
        least = emu_queued() - before < least ? emu_queued() - before : least;
    }
    return least - 2;
}

static void test_every_operation_is_in_a_part(void **state)
{
    (void)state;
    for (int schedule = 0; schedule < emu_rounds(4); schedule++) {
        struct opened opened;
        struct bench_profile profile;
        emu_reset_round(schedule);
        open_all(&opened, "train.accumulate=1");
        const int64_t queued = plain_step(&opened.bench);
        assert_int_equal(bench_profile(&opened.bench, 2, &profile), OK);
        assert_int_equal(profile.part_count, 5 + 2 * opened.session.graph.node_count + 5);
        assert_int_equal((int)operations(&profile, profile.part_count), queued);
        assert_int_equal((int)round(part_ms(&profile, "update", "average")), 1); /* there is none: its mark alone */
        assert_true(part_ms(&profile, "backward", "conv2") > 2.0);
        bench_profile_free(&profile);
        close_all(&opened);
    }
}

/* Of a step of so many batches: milliseconds of the loss, of a pass and of what is done once. */
static void measure_parts(const char *accumulate, double ms[3])
{
    struct opened opened;
    struct bench_profile profile;
    emu_reset_round(3);
    open_all(&opened, accumulate);
    assert_int_equal(bench_profile(&opened.bench, 2, &profile), OK);
    ms[0] = part_ms(&profile, "", "loss");
    ms[1] = part_ms(&profile, "backward", "conv1");
    ms[2] = part_ms(&profile, "update", "optimizer");
    bench_profile_free(&profile);
    close_all(&opened);
}

/* Each batch's times count, also where one recording serves several of a step. */
static void test_accumulated_batches_add_up(void **state)
{
    double two[3], four[3];
    (void)state;
    measure_parts("train.accumulate=2", two);
    measure_parts("train.accumulate=4", four);
    assert_true(fabs(four[0] - 2.0 * two[0]) < 1e-3);
    assert_true(fabs(four[1] - 2.0 * two[1]) < 1e-3);
    assert_true(fabs(four[2] - two[2]) < 1e-3);
}

static float loss_after(bool profiled)
{
    enum { STEPS = 6 };
    struct opened opened;
    struct bench_profile profile = {0};
    struct step_record record;
    emu_reset_round(3);
    open_all(&opened, "train.accumulate=1");
    const struct recording *const *recordings = (const struct recording *const *)opened.session.plan.recordings;
    assert_int_equal(bench_steps(&opened.bench, 1), OK);
    const struct recording *own = recordings[BATCH_WHOLE];
    if (profiled)
        assert_int_equal(bench_profile(&opened.bench, STEPS - BACKEND_PLAIN_RUNS - 1, &profile), OK);
    else
        assert_int_equal(bench_steps(&opened.bench, STEPS), OK);
    assert_ptr_equal(recordings[BATCH_WHOLE], own);
    assert_int_equal(bench_steps(&opened.bench, 1), OK);
    assert_int_equal(opened.session.backend->wait(opened.session.device), OK);
    assert_true(plan_record(&opened.session.plan, STEPS + 1, &record));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation_is_in_a_part),
        cmocka_unit_test(test_accumulated_batches_add_up),
        cmocka_unit_test(test_profiling_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_state: what a resumed run needs survives the way through text bit for bit, and damage is named. */
#include "state.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every member different from 0 and from every other; awkward values where rounding or sign could be lost. */
static struct train_state example(void)
{
    struct train_state state = {
        .config_hash = 0xfedcba9876543210u,
        .epoch = 3,
        .step_in_epoch = 17,
        .step = INT64_MAX,
        .kept = {.updates = (INT64_C(1) << 53) + 1, .scale_exponent = 13, .scale_good = 1999},
        .batches_tracked = INT64_MIN,
        .seconds = 0.1,
        .sums = {.loss = 1.0 / 3.0, .samples = 6, .correct = 7, .bad_steps = 9},
        .bad_steps = 10,
        .bad_in_row = INT32_MIN,
        .stopped_early = true,
        .rate_scale = 0.0625,
        .rollbacks = 2,
        .good_step = -3,
        .batch_factor = 16,
        .plateau = {.lr = 0.1 * 0.1, .best = INFINITY, .bad_epochs = 11, .cooldown_left = 12},
        .early_stop = {.best = -INFINITY, .best_epoch = -13, .wait = 14},
        .best_epoch = 15,
        .best_loss = 0x1p-1074,
        .best_accuracy = -0.0,
        .steps_bytes = 18,
        .results_bytes = 19,
        .log_bytes = 20,
        .window = {.count = 21, .spikes = 22, .spikes_of_batch = 23},
    };
    for (int i = 0; i < LOSS_WINDOW; i++) {
        state.window.loss[i] = 24.0 + i / 7.0;
        state.window.error[i] = i % 5 ? i * 1e-300 : NAN;
        state.window.epoch[i] = -i;
    }
    return state;
}

static void test_round_trip_is_exact(void **unused)
{
    (void)unused;
    struct arena arena = {0};
    struct train_state before = example(), after;
    const char *text = state_write(&before, &arena);
    assert_int_equal(state_read(&after, "state", text), OK);
    assert_string_equal(state_write(&after, &arena), text);
#define SAME(field) assert_memory_equal(&before.field, &after.field, sizeof before.field)
    SAME(config_hash), SAME(epoch), SAME(step_in_epoch), SAME(step), SAME(kept), SAME(batches_tracked);
    SAME(seconds), SAME(sums), SAME(bad_steps), SAME(bad_in_row), SAME(stopped_early), SAME(plateau.lr);
    SAME(plateau.best), SAME(plateau.bad_epochs), SAME(plateau.cooldown_left), SAME(early_stop.best);
    SAME(rate_scale), SAME(rollbacks), SAME(good_step), SAME(batch_factor);
    SAME(early_stop.best_epoch), SAME(early_stop.wait), SAME(best_epoch), SAME(best_loss);
    SAME(best_accuracy), SAME(steps_bytes), SAME(results_bytes), SAME(log_bytes), SAME(window);
#undef SAME
    arena_free(&arena);
}

static void test_nan_survives(void **unused)
{
    (void)unused;
    struct arena arena = {0};
    struct train_state before, after;
    state_begin(&before);
    assert_int_equal(before.best_epoch, -1);
    assert_int_equal(state_read(&after, "state", state_write(&before, &arena)), OK);
    assert_true(isnan(after.best_loss));
    arena_free(&arena);
}

/* text with the first occurrence of from replaced. */
static char *replaced(struct arena *arena, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return arena_format(arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_damage_is_named(void **unused)
{
    (void)unused;
    static const struct {
        const char *from, *to, *error;
    } cases[] = {
        {"\"epoch\":3,", "", "\"epoch\" is missing"},
        {"\"epoch\":3", "\"epoch\":3.0", "\"epoch\" is not an integer"},
        {"\"epoch\":3", "\"epoch\":\"3\"", "\"epoch\" is not an integer"},
        {"\"epoch\":3", "\"epoch\":99999999999999999999", "not JSON"},
        {"\"bad_in_row\":-2147483648", "\"bad_in_row\":2147483648", "\"bad_in_row\" is not a 32-bit integer"},
        {"\"stopped_early\":true", "\"stopped_early\":1", "\"stopped_early\" is not true or false"},
        {"\"plateau_best\":\"Infinity\"", "\"plateau_best\":\"inf\"", "\"plateau_best\" is not a number"},
        {"fedcba98", "fedcbaxx", "\"config_hash\" is not 16 hexadecimal digits"},
        {"\"format\":4", "\"format\":5", "another version"},
        {"\"format\":4", "\"format\":4,\"speed\":2", "unknown member \"speed\""},
        {"\"format\":4", "\"format\":4,\"format\":4", "not JSON"},
        {"\"window_loss\":[", "\"window_loss\":[1.0,", "\"window_loss\" is not a list"},
        {"\"window_loss\":[", "\"window_loss\":7,\"more\":[", "\"window_loss\" is not a list"},
        {"\"window_count\":21", "\"window_count\":-21", "below 0"},
        {"\"batch_factor\":16", "\"batch_factor\":0", "\"batch_factor\" is not from 1 to 64"},
        {"\"batch_factor\":16", "\"batch_factor\":256", "\"batch_factor\" is not from 1 to 64"},
        {"}", "", "not JSON"},
    };
    struct arena arena = {0};
    struct train_state before = example(), after = {.epoch = 77};
    const char *text = state_write(&before, &arena);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(state_read(&after, "run/state.json", replaced(&arena, text, cases[i].from, cases[i].to)),
                         ERR_DATA);
        if (!strstr(fail_text(), cases[i].error) || !strstr(fail_text(), "run/state.json"))
            fail_msg("case %d: %s", i, fail_text());
        assert_int_equal(after.epoch, 77); /* untouched by a failed read */
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_is_exact),
        cmocka_unit_test(test_nan_survives),
        cmocka_unit_test(test_damage_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

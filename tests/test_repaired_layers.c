/* test_repaired_layers: networks made of [[layer]] sections, what is tried of them and what a repair makes of them. */
#include "file.h"
#include "given_trials.h"
#include "text.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static enum cause of[REPAIR_MAX]; /* what the repair asked for last is for */

/* A config of layers of one's own, in a file of that name. */
static void write_own(const char *name, const char *data, int epochs, const char *layers, char path[static PATH_BYTES])
{
    assert_int_equal(path_join(path, tiny_folder, name), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "[data]\ntrain = '%s'\n%s[model]\nname = 'custom'\n[train]\nepochs = %d\nbatch_size = 16\nthreads = 1\n"
            "[run]\ndir = '%s'\n%s",
            tiny_data, data, epochs, tiny_folder, layers);
    assert_int_equal(fclose(file), 0);
}

/* A network made of layers is given what it lacks; who named a convolution as input gets what follows it now. */
static void test_layers_are_normalised(void **state)
{
    (void)state;
    struct train_result result;
    struct train_request request = {.file = NULL};
    char own[PATH_BYTES], mended[PATH_BYTES];
    assert_int_equal(path_join(mended, tiny_folder, "own-mended.ini"), OK);
    write_own("own.ini", "", 1,
              "[[layer]]\ntype = 'conv'\nname = 'a'\nfilters = 4\nrelu = true\n"
              "[[layer]]\ntype = 'conv'\nfilters = 4\n[[layer]]\ntype = 'add'\nfrom = 'a'\nrelu = true\n"
              "[[layer]]\ntype = 'global_pool'\n[[layer]]\ntype = 'linear'\nname = 'h'\nunits = 8\nrelu = true\n"
              "[[layer]]\ntype = 'linear'\nname = 'last'\n",
              own);
    request.file = own;
    assert_int_equal(train_run(&request, &result), OK);
    const struct diagnosis diagnosis = {.cause = CAUSE_NO_SIGNAL};
    if (diagnosis_apply(&diagnosis, result.path, mended) < 0)
        fail_msg("%s", fail_text());
    char *text = tiny_read_text(tiny_folder, "own-mended.ini");
    assert_non_null(strstr(text, "# changed: a normalisation behind every convolution and hidden layer"));
    assert_non_null(strstr(text, "name = \"a_norm\"\nrelu = true\n"));
    assert_non_null(strstr(text, "name = \"h_norm\"\nrelu = true\n"));
    assert_null(strstr(text, "last_norm"));
    assert_non_null(strstr(text, "from = \"a_norm\""));
    memory_give(text);
    request.file = mended;
    if (train_run(&request, &result) < 0)
        fail_msg("%s", fail_text());
    char repair[REPAIR_MAX][REPAIR_TEXT];
    struct config config = {0};
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(diagnosis_repair(&diagnosis, &config, repair, of), 0); /* now it has them, and Adam */
    config.optim.name = OPTIMIZER_SGD;
    assert_true(diagnosis_repair(&diagnosis, &config, repair, of) > 0);
    assert_string_equal(repair[0], "optim.name=adam");
    config_free(&config);
}

static const struct arm *arm_named(const struct experiment *experiment, const char *name)
{
    for (int i = 0; i < experiment->arm_count; i++)
        if (strcmp(experiment->arms[i].name, name) == 0)
            return &experiment->arms[i];
    fail_msg("no trial %s", name);
    return NULL;
}

/* What a network's own layers drop, and what they lack, is tried; what proves it is the repair. */
static void test_layers_are_tried(void **state)
{
    (void)state;
    struct train_result result;
    struct train_request request = {.file = NULL};
    struct diagnosis diagnosis = {0};
    struct config config = {0};
    char own[PATH_BYTES], mended[PATH_BYTES], repair[REPAIR_MAX][REPAIR_TEXT], action[ACTION_TEXT];
    assert_int_equal(path_join(mended, tiny_folder, "drops-mended.ini"), OK);
    write_own("drops.ini", "val_fraction = 0.25\n", 2,
              "[[layer]]\ntype = 'linear'\nunits = 64\nrelu = true\n[[layer]]\ntype = 'dropout'\nrate = 0.9\n"
              "[[layer]]\ntype = 'linear'\nname = 'last'\n",
              own);
    request.file = own;
    assert_int_equal(train_run(&request, &result), OK);
    tiny_assert_whole(&result);
    assert_int_equal(diagnose_run(&diagnosis, result.path), OK);
    diagnosis.found[0] = (struct symptom){.cause = CAUSE_NO_SIGNAL, .rule = "given"};
    diagnosis.count = 1;
    diagnosis.missing = true;
    assert_int_equal(diagnose_probe(&diagnosis, result.path, &(struct budget){.updates = 3000.0}), OK);
    const struct arm *arm = arm_named(&diagnosis.experiment, "no dropout in layers");
    assert_true(arm->done && arm->family == ARM_FREED && arm->layers == LAYERS_DROP_NOTHING);
    assert_true(fabs(arm->gain) > 0.0); /* it would be the same trial */
    arm = arm_named(&diagnosis.experiment, "layers normalised");
    assert_true(arm->done && arm->family == ARM_ANEW && arm->layers == LAYERS_NORMALISED);
    assert_true(fabs(arm->gain) > 0.0);
    diagnosis_free(&diagnosis);
    assert_int_equal(diagnose_run(&diagnosis, result.path), OK); /* kept in the file, too */
    assert_int_equal(diagnose_recall(&diagnosis, result.path), OK);
    diagnosis.cause = CAUSE_REGULARISATION;
    diagnosis.proof = arm_named(&diagnosis.experiment, "no dropout in layers");
    assert_int_equal(train_load_config(&config, result.path, NULL, 0), OK);
    assert_int_equal(diagnosis_repair(&diagnosis, &config, repair, of), 0);
    assert_int_equal(diagnosis_layers(&diagnosis, &config), LAYERS_DROP_NOTHING);
    diagnosis_say_action(&diagnosis, &config, action);
    assert_string_equal(action, "have no dropout in the layers");
    config_free(&config);
    if (diagnosis_apply(&diagnosis, result.path, mended) < 0)
        fail_msg("%s", fail_text());
    diagnosis_free(&diagnosis);
    char *text = tiny_read_text(tiny_folder, "drops-mended.ini");
    assert_non_null(strstr(text, "# changed: no dropout in the layers\n"));
    assert_non_null(strstr(text, "rate = 0\n"));
    memory_give(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_are_normalised),
        cmocka_unit_test(test_layers_are_tried),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}

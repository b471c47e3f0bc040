/* test_advice: what is said of settings that cannot do what they were set for, and of no others. */
#include "config_text.h"
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static int advice_count;
static char advice_text[512];
static void __attribute__((format(printf, 1, 2))) hear(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(advice_text, sizeof advice_text, format, args);
    va_end(args);
    advice_count++;
}

/* steps: of an epoch; 0: not known. says NULL: nothing. */
static void expect(const char *overrides, int64_t steps, const char *says)
{
    struct config config;
    char *said;
    assert_int_equal(config_text_load(&config, "", 0, overrides, &said), OK);
    free(said);
    advice_count = 0;
    const int count = steps ? config_advise_steps(&config, steps, hear) : config_advise(&config, hear);
    assert_int_equal(count, says ? 1 : 0);
    assert_int_equal(advice_count, count);
    if (says && !strstr(advice_text, says))
        fail_msg("%s: %s", overrides, advice_text);
    config_free(&config);
}

static void test_advice(void **state)
{
    (void)state;
    static const struct {
        const char *overrides, *says;
    } cases[] = {
        {NULL, NULL},
        {"schedule.name=plateau|early_stop.patience=11", "ends this run before the plateau"},
        {"schedule.name=plateau|early_stop.patience=12", NULL},
        {"schedule.name=plateau|early_stop.patience=5|early_stop.monitor=val_accuracy", NULL},
        {"schedule.name=cosine|early_stop.patience=5", NULL},
        {"schedule.warmup_epochs=3|train.epochs=3", "the warm-up lasts"},
        {"schedule.warmup_epochs=2|train.epochs=3", NULL},
        {"schedule.name=step|schedule.step_epochs=4|train.epochs=4", "before the rate's first step"},
        {"schedule.name=step|schedule.step_epochs=3|train.epochs=4", NULL},
        {"train.batch_size=4", "batch normalisation over so few images"},
        {"train.batch_size=5", NULL},
        {"train.batch_size=2|train.accumulate=16|model.name=resnet18", "batch normalisation over so few images"},
        {"train.batch_size=2|model.name=mlp", NULL},
        {"train.batch_size=2|model.batch_norm=false", NULL},
        {"model.freeze_before=fc", "drawn at random"},
        {"model.freeze_before=fc|model.weights=x", NULL},
        {"optim.momentum=0.5", "optim.momentum = 0.5 has no effect with optim.name = adam; it is for sgd"},
        {"optim.momentum=0.9", NULL}, /* what it is anyway */
        {"optim.momentum=0.5|optim.name=sgd", NULL},
        {"optim.beta2=0.99|optim.name=sgd", "optim.beta2 = 0.99 has no effect"},
        {"optim.beta2=0.99|optim.name=adamw", NULL},
        {"schedule.gamma=0.5|schedule.name=plateau", "it is for step"},
        {"schedule.mode=min", "has no effect with schedule.name = constant"},
        {"schedule.min_lr=1e-6|schedule.name=cosine", NULL},
        {"model.hidden=8", "it is for mlp"},
        {"model.hidden=8|model.name=mlp", NULL},
        {"data.val=here|data.val_fraction=0.2", "data.val_fraction = 0.2 has no effect with data.val = here"},
        {"data.val=here", NULL},
        {"data.val_fraction=0.2", NULL},
        {"schedule.patience=3|schedule.name=cosine", "schedule.patience = 3 has no effect"},
        {"model.width=8|model.name=resnet18", "model.width = 8 has no effect"},
        {"augment.crop_ratio=[1, 2]", "augment.crop_ratio = [1, 2] has no effect with augment.crop_area = []"},
        {"augment.crop_ratio=[1, 2]|augment.crop_area=[0.5, 1]", NULL},
        {"augment.erase_area=[0.1, 0.2]", "augment.erase_area = [0.1, 0.2] has no effect with augment.erase = 0"},
        {"augment.erase_area=[0.1, 0.2]|augment.policy=strong", NULL},
        {"augment.padding_mode=edge", "augment.padding_mode = edge has no effect with augment.crop_padding = 0"},
        {"schedule.warmup_start=0.1", "schedule.warmup_start = 0.1 has no effect with schedule.warmup_epochs = 0"},
        {"schedule.warmup_start=0.1|schedule.warmup_epochs=1", NULL},
        {"optim.decay=weights", "optim.decay = weights has no effect with optim.weight_decay = 0"},
        {"optim.decay=weights|optim.name=adamw", NULL}, /* which decays by itself */
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i].overrides, 0, cases[i].says);
}

static int advised(const char *layers)
{
    struct config config;
    char text[512], *said;
    snprintf(text, sizeof text, "[model]\nname='custom'\n[[layer]]\ntype='flatten'\n%s", layers);
    assert_int_equal(config_text_load(&config, text, strlen(text), NULL, &said), OK);
    free(said);
    const int count = config_advise(&config, hear);
    config_free(&config);
    return count;
}

static void test_advice_of_answers(void **state)
{
    (void)state;
#define LAYER "[[layer]]\ntype="
    assert_int_equal(advised(LAYER "'linear'\n"), 0);
    assert_int_equal(advised(LAYER "'linear'\nunits=8\nrelu=true\n" LAYER "'linear'\n"), 0);
    assert_int_equal(advised(LAYER "'linear'\nrelu=true\n"), 1);
    assert_non_null(strstr(advice_text, "answers pass through a relu"));
    assert_int_equal(advised(LAYER "'linear'\n" LAYER "'relu'\n"), 1);
    assert_int_equal(advised(LAYER "'linear'\nrelu=true\n" LAYER "'dropout'\nrate=0.1\n"), 1);
    assert_int_equal(advised(LAYER "'linear'\n" LAYER "'dropout'\nrate=0.1\n"), 0);
}

/* A cut before half of a cosine, or at the first step of steps; 10 steps an epoch. */
static void test_advice_of_steps(void **state)
{
    (void)state;
    static const struct {
        const char *overrides, *says;
    } cases[] = {
        {"schedule.name=cosine|train.epochs=20|train.max_steps=99",
         "has halved the rate; it is planned over 200 steps"},
        {"schedule.name=cosine|train.epochs=20|train.max_steps=100", NULL},
        {"schedule.name=cosine|train.epochs=20", NULL},
        {"schedule.name=constant|train.epochs=20|train.max_steps=9", NULL},
        {"schedule.name=step|schedule.step_epochs=5|train.epochs=20|train.max_steps=50", "has lowered the rate"},
        {"schedule.name=step|schedule.step_epochs=5|train.epochs=20|train.max_steps=51", NULL},
        {"schedule.name=step|schedule.step_epochs=5|train.epochs=5|train.max_steps=40", NULL}, /* said without steps */
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i].overrides, 10, cases[i].says);
}

/* Configs that people begin with. */
static void test_shipped_configs(void **state)
{
    (void)state;
    static const char *const names[] = {"imagefolder_adam", "quickstart", "fashion_mnist", "cifar10_resnet18"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        struct config config;
        char path[64];
        snprintf(path, sizeof path, "configs/%s.ini", names[i]);
        assert_int_equal(config_load(&config, path, NULL, 0, NULL), OK);
        if (config_advise(&config, hear) > 0)
            fail_msg("%s: %s", path, advice_text);
        config_free(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_advice), cmocka_unit_test(test_advice_of_answers),
                                       cmocka_unit_test(test_advice_of_steps), cmocka_unit_test(test_shipped_configs)};
    return cmocka_run_group_tests(tests, config_folder_make, config_folder_remove);
}

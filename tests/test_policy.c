/* test_policy: what augment.policy comes to, and how much is dropped. */
#include "config_text.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

#define TRAIN "[data]\ntrain = \"a\"\n"

static void load_good(struct config *config, const char *text, const char *overrides)
{
    char *said;
    assert_int_equal(config_text_load(config, text, strlen(text), overrides, &said), OK);
    free(said);
}

/* A policy gives values to the keys that were not set, wherever; what it came to is written out. */
static void test_policy(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, TRAIN, NULL);
    assert_true(config.augment.hflip == 0 && config.augment.mixup == 0 && config.augment.scale_count == 0);
    config_free(&config);
    load_good(&config, TRAIN "[augment]\nrotate = 0\npolicy = strong\nscale = []\n", "hflip=0.25|augment.cutmix=0");
    assert_true(config.augment.hflip == 0.25 && config.augment.rotate == 0 && config.augment.cutmix == 0);
    assert_true(config.augment.scale_count == 0 && config.augment.mixup == 0.2 && config.augment.erase == 0.25);
    char text[64];
    assert_true(config_get(&config, "augment.translate", text, sizeof text));
    assert_string_equal(text, "0.1");
    config_free(&config);
    load_good(&config, TRAIN, "augment.policy=light");
    assert_true(config.augment.hflip == 0.5 && config.augment.translate == 0.06 && config.augment.rotate == 0);
    config_free(&config);
    load_good(&config, TRAIN, "aug=standard");
    assert_true(config.augment.rotate == 10 && config.augment.scale[1] == 1.1 && config.augment.mixup == 0);
    config_free(&config);
}

/* Whatever makes training see other images than validation does, cropping at random too. */
static void test_augments(void **state)
{
    (void)state;
    struct config config;
    static const char *const keys[] = {"augment.crop=8", "augment.mixup=0.1", "augment.cutmix=1", "augment.hflip=0.5",
                                       "augment.erase=0.1"};
    load_good(&config, TRAIN, NULL);
    assert_false(config_augments(&config));
    config_free(&config);
    for (int i = 0; i < COUNT_OF(keys); i++) {
        load_good(&config, TRAIN, keys[i]);
        assert_true(config_augments(&config));
        config_free(&config);
    }
}

/* Units are dropped by a setting, or by the layers of a network of one's own, whose setting is nothing to it. */
static void test_dropout(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, TRAIN, NULL);
    assert_true(config_dropout(&config) == 0.0);
    config.model.dropout = 0.25;
    assert_true(config_dropout(&config) == 0.25);
    config_drop_nothing(&config);
    assert_true(config_dropout(&config) == 0.0);
    config_free(&config);
    load_good(&config,
              TRAIN "[model]\nname = custom\n[[layer]]\ntype = dropout\nrate = 0.25\n[[layer]]\ntype = dropout\n"
                    "rate = 0.5\n[[layer]]\ntype = flatten\n[[layer]]\ntype = linear\n",
              NULL);
    config.model.dropout = 0.9;
    assert_true(config_dropout(&config) == 0.5);
    config_drop_nothing(&config);
    assert_true(config_dropout(&config) == 0.0);
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_policy), cmocka_unit_test(test_augments),
                                       cmocka_unit_test(test_dropout)};
    return cmocka_run_group_tests(tests, config_folder_make, config_folder_remove);
}

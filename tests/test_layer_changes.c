/* test_layer_changes: what a repair makes of the [[layer]] sections of a config, and which runs it is for. */
#include "config_text.h"
#include "doctor.h"
#include "layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config config;

#define CONV "[[layer]]\ntype='conv'\nfilters=4\n"
#define NORM "[[layer]]\ntype='norm'\n"
#define END  "[[layer]]\ntype='global_pool'\n[[layer]]\ntype='linear'\n"

static void load(const char *layers)
{
    char text[2048], *said = NULL;
    config_free(&config);
    snprintf(text, sizeof text, "[model]\nname='custom'\n%s", layers);
    if (config_text_load(&config, text, strlen(text), NULL, &said) < 0)
        fail_msg("%s: %s%s", layers, fail_text(), said);
    free(said);
}

/* The first letters of the layers' types. */
static const char *types(void)
{
    static char letters[32];
    for (int i = 0; i < config.layer_count; i++)
        letters[i] = config.layers[i].type[0];
    letters[config.layer_count] = 0;
    return letters;
}

/* What is followed by a normalisation gets no second one; one that reads another layer is none of it. */
static void test_normalised_once(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *types;
    } cases[] = {
        {CONV NORM CONV END, "cncngl"},
        {CONV CONV NORM CONV NORM END, "cncncngl"},
        {"[[layer]]\ntype='conv'\nname='a'\nfilters=4\n[[layer]]\ntype='conv'\nname='b'\nfilters=4\n"
         "[[layer]]\ntype='norm'\nfrom='a'\n[[layer]]\ntype='add'\nfrom='b'\n" END,
         "cncnnagl"},
        {"[[layer]]\ntype='global_pool'\n[[layer]]\ntype='linear'\nunits=8\n[[layer]]\ntype='linear'\n", "glnl"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i].layers);
        layers_change(&config, LAYERS_NORMALISED);
        assert_string_equal(types(), cases[i].types);
        layers_change(&config, LAYERS_NORMALISED); /* now nothing is missing, but where one reads another layer */
        assert_true(i == 2 || strcmp(types(), cases[i].types) == 0);
    }
}

/* They lack it where fewer than every second has it. */
static void test_which_lack_it(void **state)
{
    (void)state;
    static const struct {
        const char *layers;
        bool lack;
    } cases[] = {
        {CONV END, true},
        {CONV NORM END, false},
        {CONV CONV NORM END, false},
        {CONV CONV CONV NORM END, true},
        {CONV CONV CONV CONV CONV NORM NORM END, true},
    };
    const struct remedy_case asked = {.config = &config, .suspected = true}, unsuspected = {.config = &config};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i].layers);
        for (int k = 0; k < TRIALS_MOST; k++) {
            const struct remedy *remedy = &cause_table[CAUSE_NO_SIGNAL].trials[k].remedy;
            if (remedy->layers != LAYERS_NORMALISED)
                continue;
            assert_int_equal(remedy->fits(&asked), cases[i].lack);
            assert_false(remedy->fits(&unsuspected));
        }
        assert_int_equal(strstr(cause_action(CAUSE_NO_SIGNAL, &config), "add batch normalisation") != NULL,
                         cases[i].lack);
    }
}

/* Once and twice; few filters become 16 first. */
static void test_widened(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        const struct remedy_case asked = {.config = &config, .wider = twice};
        const struct remedy *repair = cause_table[CAUSE_CAPACITY].repairs;
        load("[[layer]]\ntype='conv'\nfilters=2\n" CONV END);
        while (!repair->fits(&asked))
            repair++;
        layers_change(&config, repair->layers);
        assert_int_equal(config.layers[0].filters, twice ? 64 : 16);
        assert_int_equal(config.layers[1].filters, twice ? 64 : 16);
    }
}

/* A relu of its own goes, and a layer that ends with one keeps the rest. */
static void test_opened(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *types;
    } cases[] = {
        {CONV "[[layer]]\ntype='global_pool'\n[[layer]]\ntype='linear'\nrelu=true\n", "cgl"},
        {CONV END "[[layer]]\ntype='relu'\n", "cgl"},
        {CONV END "[[layer]]\ntype='relu'\nname='cut'\n[[layer]]\ntype='dropout'\nrate=0.1\n", "cgld"},
    };
    const struct remedy *repair = &cause_table[CAUSE_NO_SIGNAL].repairs[0];
    const struct remedy_case asked = {.config = &config};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i].layers);
        assert_true(repair->fits(&asked));
        assert_non_null(strstr(cause_action(CAUSE_NO_SIGNAL, &config), "take the relu from the last layer"));
        layers_change(&config, repair->layers);
        assert_string_equal(types(), cases[i].types);
        assert_false(repair->fits(&asked));
        assert_int_equal(config_rectified_answer(&config), -1);
    }
}

/* Layers that are added to one another stay alike, also where one splits its channels and so has no 16. */
static void test_widened_alike(void **state)
{
    (void)state;
    load("[[layer]]\ntype='conv'\nfilters=3\ngroups=3\nname='split'\n[[layer]]\ntype='conv'\nfilters=3\n"
         "[[layer]]\ntype='add'\nfrom='split'\n" END);
    layers_change(&config, LAYERS_WIDENED);
    assert_int_equal(config.layers[0].filters, 12);
    assert_int_equal(config.layers[1].filters, 12);
}

/* A config may have 65536 filters and a million units: a layer that would have more keeps what it has. */
static void test_not_beyond_what_a_config_may_have(void **state)
{
    (void)state;
    load("[[layer]]\ntype='conv'\nfilters=16384\n[[layer]]\ntype='conv'\nfilters=16385\n" END);
    const int units = config.layers[2].units;
    layers_change(&config, LAYERS_WIDENED);
    assert_int_equal(config.layers[0].filters, 65536);
    assert_int_equal(config.layers[1].filters, 16385);
    assert_true(config.layers[2].units >= units);
}

static int tear_down(void **state)
{
    config_free(&config);
    return config_folder_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalised_once), cmocka_unit_test(test_which_lack_it),
        cmocka_unit_test(test_widened),         cmocka_unit_test(test_opened),
        cmocka_unit_test(test_widened_alike),   cmocka_unit_test(test_not_beyond_what_a_config_may_have),
    };
    return cmocka_run_group_tests(tests, config_folder_make, tear_down);
}

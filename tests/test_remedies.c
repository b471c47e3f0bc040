/* test_remedies: the table of causes: what each row changes is a setting that a config takes, is made of the runs that
 * it is for, and says the numbers that it should. */
#include "config_text.h"
#include "remedies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_settings_are_settings(void **state)
{
    (void)state;
    int remedies = 0;
    struct config taken = {0};
    load(NULL);
    const struct remedy_case asked = {.config = &config, .side = 32};
    for (int cause = 0; cause < CAUSE_COUNT; cause++)
        for (int i = 0; i < REPAIRS_MOST + TRIALS_MOST; i++) {
            const struct cause_info *info = &cause_table[cause];
            const struct remedy *remedy = i < REPAIRS_MOST ? &info->repairs[i] : &info->trials[i - REPAIRS_MOST].remedy;
            if (!remedy_is_any(remedy))
                continue;
            char *said = NULL;
            const char *words = words_of(remedy, &asked);
            if (config_text_load(&taken, "", 0, words, &said) < 0)
                fail_msg("%s: %s: %s", info->name, words, said);
            free(said);
            config_free(&taken);
            remedies++;
        }
    assert_true(remedies > 25);
}

/* Of 100,000 planned epochs the run had 10.6: a cosine of as many. */
static void test_a_schedule_that_ends_with_the_run(void **state)
{
    (void)state;
    const struct remedy *repairs = cause_table[CAUSE_SCHEDULE].repairs;
    struct remedy_case asked = {.config = &config, .falls_short = 0.000106};
    load("train.epochs=100000|schedule.name=step");
    assert_true(repairs[0].fits(&asked));
    assert_string_equal(words_of(&repairs[0], &asked), "schedule.name=cosine|train.epochs=11");
    asked.falls_short = 0.000001;
    assert_string_equal(words_of(&repairs[0], &asked), "schedule.name=cosine|train.epochs=1");
    asked.falls_short = 0.0; /* what other rules say of a schedule */
    assert_false(repairs[0].fits(&asked));
    asked.falls_short = 2.0;
    assert_false(repairs[0].fits(&asked));
}

/* Never less patience than there was. */
static void test_more_patience(void **state)
{
    (void)state;
    const struct remedy *repair = &cause_table[CAUSE_EARLY_STOP].repairs[0];
    const struct remedy_case asked = {.config = &config};
    load("early_stop.patience=3");
    assert_string_equal(words_of(repair, &asked), "early_stop.patience=10|early_stop.min_delta=0");
    load("early_stop.patience=12");
    assert_string_equal(words_of(repair, &asked), "early_stop.patience=24|early_stop.min_delta=0");
}

/* Where a normalisation sees few images at a time, more of them have to be in the batch, and not only in the update. */
static void test_a_larger_batch_is_a_whole_one(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        bool whole;
    } cases[] = {{"train.batch_size=16", true},
                 {"train.batch_size=8|model.batch_norm=false", false},
                 {"train.batch_size=8|model.name=mlp", false},
                 {"train.batch_size=8|model.name=resnet18", true}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i].words);
        const struct remedy_case asked = {.config = &config};
        const struct cause_trial *trials = cause_table[CAUSE_BATCH_SMALL].trials;
        assert_true(trials[0].remedy.fits(&asked) == !cases[i].whole);
        assert_true(trials[1].remedy.fits(&asked) == cases[i].whole);
    }
    load("train.batch_size=17"); /* none too small */
    const struct remedy_case asked = {.config = &config};
    assert_false(cause_table[CAUSE_BATCH_SMALL].trials[0].remedy.fits(&asked));
    assert_false(cause_table[CAUSE_BATCH_SMALL].trials[1].remedy.fits(&asked));
}

/* Of labels that hardly say anything any more the smoothing is taken back, and not what is innocent. */
static void test_what_softens_most_is_taken_back(void **state)
{
    (void)state;
    load("train.label_smoothing=0.9|augment.hflip=0.5");
    const struct remedy_case asked = {.config = &config};
    const struct remedy *repairs = cause_table[CAUSE_REGULARISATION].repairs;
    int first = 0;
    while (!repairs[first].fits(&asked))
        first++;
    assert_string_equal(words_of(&repairs[first], &asked), "train.label_smoothing=0.1");
}

/* Each trial, a run it is made of, one it is not made of (NULL: it always is), and what it sets there. */
static void test_trials_and_their_runs(void **state)
{
    (void)state;
    static const struct {
        const char *trial;
        enum cause cause;
        const char *made, *not_made, *sets;
        bool suspected, levelled;
    } cases[] = {
        {"rate / 4", CAUSE_RATE_HIGH, "optim.lr=0.2", NULL, "optim.lr=0.05", false, false},
        {"rate x 4", CAUSE_RATE_LOW, "optim.lr=0.2", "optim.lr=100", "optim.lr=0.8", false, false},
        {"batch x 4", CAUSE_BATCH_SMALL, "train.batch_size=8|train.accumulate=2|model.name=mlp", "train.batch_size=17",
         "train.accumulate=8", false, false},
        {"batch x 4, whole", CAUSE_BATCH_SMALL, "train.batch_size=8|train.accumulate=2", "train.batch_size=1",
         "train.batch_size=32", false, false},
        {"momentum 0.9", CAUSE_RATE_HIGH, "optim.name=sgd|optim.momentum=0.96", "optim.name=sgd|optim.momentum=0.95",
         "optim.momentum=0.9", false, false},
        {"momentum 0.9", CAUSE_PLAIN_SGD, "optim.name=sgd|optim.momentum=0", "optim.name=sgd", "optim.momentum=0.9",
         false, false},
        {"adam", CAUSE_PLAIN_SGD, "optim.name=sgd", "optim.name=adamw",
         "optim.name=adam|optim.lr=0.001|optim.nesterov=false", false, false},
        {"adam's defaults", CAUSE_ADAM, "optim.name=adam|optim.beta1=0.8", "optim.name=adam",
         "optim.eps=1e-8|optim.beta1=0.9|optim.beta2=0.999", false, false},
        {"no weight decay", CAUSE_WEIGHT_DECAY, "optim.weight_decay=0.1", "optim.weight_decay=0",
         "optim.weight_decay=0", false, false},
        {"usual first weights", CAUSE_INITIALISATION, "model.init_scale=2", "model.init_scale=1", "model.init_scale=1",
         false, false},
        {"batch normalisation", CAUSE_NO_SIGNAL, "model.batch_norm=false", "model.batch_norm=true",
         "model.batch_norm=true", true, false},
        {"normalisation, rate / 4", CAUSE_NO_SIGNAL, "model.batch_norm=false|optim.lr=0.2", "model.batch_norm=true",
         "model.batch_norm=true|optim.lr=0.05", true, false},
        {"measured normalisation", CAUSE_INPUT_SCALE, "augment.normalize=none", "augment.normalize=image",
         "augment.normalize=auto|augment.mean=[]|augment.std=[]", false, false},
        {"light evened out", CAUSE_ILLUMINATION, "augment.mean=[0.5]|augment.std=[0.2]", "augment.normalize=image",
         "augment.normalize=image|augment.mean=[]|augment.std=[]", true, false},
        {"no gradient clip", CAUSE_CLIP, "optim.clip_norm=1", "optim.clip_norm=0", "optim.clip_norm=0", false, false},
        {"shuffled", CAUSE_ORDER, "data.shuffle=false", "data.shuffle=true", "data.shuffle=true", false, false},
        {"augmentation", CAUSE_OVERFITTING, "augment.hflip=0", "model.name=mlp",
         "augment.crop_padding=4|augment.rotate=10", false, false},
        {"rate / 10 from here on", CAUSE_SCHEDULE, "optim.lr=0.5", "schedule.name=cosine", "optim.lr=0.05", false,
         true},
        {"no augmentation", CAUSE_REGULARISATION, "augment.vflip=0.5|augment.scale=[0.8, 1.2]|augment.mixup=1",
         "augment.cutmix=1|augment.crop=8", "augment.vflip=0|augment.scale=[]", false, false},
        {"no dropout", CAUSE_REGULARISATION, "model.dropout=0.3", "model.dropout=0", "model.dropout=0", false, false},
        {"no mixing or smoothing", CAUSE_REGULARISATION, "augment.mixup=1|train.label_smoothing=0.1",
         "augment.hflip=0.5", "augment.mixup=0|train.label_smoothing=0", false, false},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        enum cause cause = cases[i].cause;
        const struct cause_trial *trial = trial_named(cases[i].trial, &cause);
        struct remedy_case asked = {.config = &config,
                                    .suspected = cases[i].suspected,
                                    .levelled = cases[i].levelled,
                                    .missing = true,
                                    .side = 32};
        assert_int_equal(cause, cases[i].cause);
        load(cases[i].made);
        assert_true(!trial->remedy.fits || trial->remedy.fits(&asked));
        assert_string_equal(words_of(&trial->remedy, &asked), cases[i].sets);
        asked.suspected = asked.levelled = asked.missing = false;
        if (cases[i].suspected || cases[i].levelled || cause == CAUSE_REGULARISATION)
            assert_false(trial->remedy.fits(&asked));
        if (cases[i].not_made) {
            load(cases[i].not_made);
            asked = (struct remedy_case){
                .config = &config, .suspected = true, .levelled = true, .missing = true, .side = 32, .images = 3};
            if (trial->remedy.fits(&asked))
                fail_msg("%s is made of %s", cases[i].trial, cases[i].not_made);
        } else {
            assert_null(trial->remedy.fits);
        }
    }
    enum cause cause = 0;
    assert_int_equal(trial_named("batch x 4", &cause)->pace, 4);
    cause = 0;
    assert_int_equal(trial_named("doubtful labels left out", &cause)->left_out, LEAVE_LABELS);
    cause = 0;
    assert_int_equal(trial_named("odd images left out", &cause)->left_out, LEAVE_OUTLIERS);
}

/* What is tried goes with everything that a config may have set beside it. */
static void test_trials_go_with_other_settings(void **state)
{
    (void)state;
    static const char *const configs[] = {
        "[optim]\nname='sgd'\nnesterov=true",
        "[optim]\nbeta2=0.9\nema_decay=0.9\nema_warmup=true",
        "[optim]\nname='adamw'\n[schedule]\nname='cosine'\nwarmup_epochs=2",
        "[augment]\npolicy='strong'\ncrop_area=[0.2, 0.9]",
        "[augment]\nmean=[0.5]\nstd=[0.2]\n[model]\nbatch_norm=false\ninit_scale=2",
        "[model]\nname='mlp'\ndropout=0.5\n[data]\nshuffle=false\n[train]\nlabel_smoothing=0.3",
        "[augment]\nmixup=1\ncutmix=1\nerase=0.5",
    };
    for (int i = 0; i < COUNT_OF(configs); i++)
        for (int cause = 0; cause < CAUSE_COUNT; cause++)
            for (int k = 0; k < TRIALS_MOST; k++) {
                const struct cause_trial *trial = &cause_table[cause].trials[k];
                const struct remedy_case asked = {
                    .config = &config, .suspected = true, .levelled = true, .missing = true, .side = 32};
                char *said = NULL;
                config_free(&config);
                if (config_text_load(&config, configs[i], strlen(configs[i]), NULL, &said) < 0)
                    fail_msg("%s: %s", configs[i], said);
                free(said);
                said = NULL;
                if (!trial->name || (trial->remedy.fits && !trial->remedy.fits(&asked)))
                    continue;
                struct config taken = {0};
                const char *words = words_of(&trial->remedy, &asked);
                if (remedy_is_any(&trial->remedy) &&
                    config_text_load(&taken, configs[i], strlen(configs[i]), words, &said) < 0)
                    fail_msg("%s of %s: %s", trial->name, configs[i], said);
                free(said);
                config_free(&taken);
            }
}

/* What is to be done is nothing that the config has. */
static void test_actions(void **state)
{
    (void)state;
    static const struct {
        const char *overrides;
        enum cause cause;
        const char *says;
    } cases[] = {
        {"model.batch_norm=false|optim.name=sgd", CAUSE_NO_SIGNAL, "add batch normalisation; optim.name = adam"},
        {"model.batch_norm=true|optim.name=sgd", CAUSE_NO_SIGNAL, "set optim.name = adam"},
        {"model.name=resnet18|optim.name=adam", CAUSE_NO_SIGNAL, "look at images, augmentation"},
        {"schedule.name=step", CAUSE_SCHEDULE,
         "lower the rate later: schedule.name = cosine does, as does a larger schedule.step"},
        {"schedule.name=plateau", CAUSE_SCHEDULE,
         "lower the rate later: schedule.name = cosine does, as does more schedule.patience"},
        {"schedule.name=cosine|schedule.warmup_epochs=3", CAUSE_SCHEDULE, "shorten the warm-up"},
        {"schedule.name=constant", CAUSE_SCHEDULE, "lower the rate in the end"},
        {"optim.clip_norm=0.001", CAUSE_CLIP, "set optim.clip_norm = 0"},
        {"train.epochs=1", CAUSE_FEW_UPDATES, "make more of the same images: lower train.batch_size"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i].overrides);
        const char *says = cause_action(cases[i].cause, &config);
        if (strncmp(says, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("%s: %s", cases[i].overrides, says);
    }
}

static void test_least(void **state)
{
    (void)state;
    const struct remedy *wide = &cause_table[CAUSE_CAPACITY].repairs[0], *mlp = &cause_table[CAUSE_CAPACITY].repairs[1];
    const struct remedy_case asked = {.config = &config};
    load("model.width=1");
    assert_true(wide->fits(&asked) && !mlp->fits(&asked));
    assert_string_equal(words_of(wide, &asked), "model.width=32");
    load("model.width=17");
    assert_string_equal(words_of(wide, &asked), "model.width=34");
    load("model.width=600"); /* a config may have 1024 */
    assert_string_equal(words_of(wide, &asked), "model.width=1024");
    load("model.name=mlp|model.hidden=300");
    assert_true(mlp->fits(&asked) && !wide->fits(&asked));
    assert_string_equal(words_of(mlp, &asked), "model.hidden=600");
}

/* Averages are over the last tenth of the run, and over no fewer than ten steps; what is shifted must be seen as such.
 */
static void test_what_suits_the_run(void **state)
{
    (void)state;
    const struct remedy *balance = &cause_table[CAUSE_IMBALANCE].repairs[0];
    const struct remedy *moved = &cause_table[CAUSE_OVERFITTING].repairs[1];
    const struct remedy *as_moved = &cause_table[CAUSE_IMBALANCE].repairs[1];
    struct remedy_case asked = {.config = &config, .steps = 750};
    load("model.name=mlp");
    assert_string_equal(words_of(balance, &asked), "train.balance=true|augment.translate=0.05|augment.rotate=5|optim."
                                                   "ema_decay=0.9867|train.epochs=90|train.max_steps=0");
    asked.steps = 20;
    assert_string_equal(words_of(balance, &asked), "train.balance=true|augment.translate=0.05|augment.rotate=5|optim."
                                                   "ema_decay=0.9|train.epochs=90|train.max_steps=0");
    assert_false(moved->fits(&asked));
    load("model.name=small_cnn");
    assert_true(moved->fits(&asked));
    load("augment.rotate=5"); /* there is some already */
    assert_false(moved->fits(&asked) || balance->fits(&asked));
    assert_string_equal(words_of(as_moved, &asked),
                        "train.balance=true|optim.ema_decay=0.9|train.epochs=90|train.max_steps=0");
    load("augment.hflip=0.5"); /* moves none */
    assert_true(balance->fits(&asked));
    static struct config_layer layers[] = {{.type = "linear"}, {.type = "conv"}};
    load("model.name=small_cnn");
    config.layers = layers;
    config.layer_count = 1;
    assert_false(moved->fits(&asked));
    config.layer_count = 2;
    assert_true(moved->fits(&asked));
    config.layers = NULL;
    config.layer_count = 0;
}

/* A tenth of a rate that is far too high would be so, too: no more than is in use is left of it. */
static void test_rates_in_use(void **state)
{
    (void)state;
    static const struct {
        const char *words, *rate;
        bool out;
    } cases[] = {
        {"optim.name=sgd|optim.lr=0.4", "optim.lr=0.04", false},
        {"optim.name=sgd|optim.lr=1", "optim.lr=0.1", false},
        {"optim.name=sgd|optim.lr=100", "optim.lr=0.1", true},
        {"optim.name=adam|optim.lr=0.1", "optim.lr=0.01", false},
        {"optim.name=adamw|optim.lr=0.4", "optim.lr=0.01", true},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        load(cases[i].words);
        const struct remedy_case asked = {.config = &config, .steps = 100};
        const char *words = words_of(&cause_table[CAUSE_RATE_HIGH].repairs[1], &asked);
        if (strncmp(words, cases[i].rate, strlen(cases[i].rate)) != 0 || words[strlen(cases[i].rate)] != '|')
            fail_msg("%s: %s", cases[i].words, words);
        assert_int_equal(strncmp(cause_action(CAUSE_RATE_HIGH, &config), "set optim.lr to what is in use", 30) == 0,
                         cases[i].out);
    }
    static const struct {
        const char *words;
        bool swings;
    } momenta[] = {{"optim.name=sgd|optim.lr=0.1|optim.momentum=0.99", true},
                   {"optim.name=sgd|optim.lr=0.1|optim.momentum=0.95", false},
                   {"optim.name=sgd|optim.lr=0.11|optim.momentum=0.99", false},
                   {"optim.name=adam|optim.lr=0.001|optim.momentum=0.99", false}};
    for (int i = 0; i < COUNT_OF(momenta); i++) {
        load(momenta[i].words);
        const struct remedy_case asked = {.config = &config, .steps = 100};
        const struct remedy *first = &cause_table[CAUSE_RATE_HIGH].repairs[0];
        assert_int_equal(first->fits(&asked), momenta[i].swings);
        assert_string_equal(words_of(first, &asked), "optim.momentum=0.9");
        assert_int_equal(strncmp(cause_action(CAUSE_RATE_HIGH, &config), "set optim.momentum = 0.9", 24) == 0,
                         momenta[i].swings);
    }
}

/* A larger update has to be filled; a rate rises as far as it falls short, in powers of ten, ten times at least. */
static void test_how_far(void **state)
{
    (void)state;
    enum cause cause = 0;
    const struct remedy *batch = &trial_named("batch x 4", &cause)->remedy;
    const struct remedy *rate = &cause_table[CAUSE_RATE_LOW].repairs[0];
    struct remedy_case asked = {.config = &config, .images = 64, .steps = 40};
    load("train.batch_size=16|optim.lr=3e-7|model.name=mlp");
    assert_true(batch->fits(&asked));
    asked.images = 63;
    assert_false(batch->fits(&asked));
    assert_string_equal(words_of(rate, &asked), "optim.lr=3e-06|optim.ema_decay=0.9");
    asked.falls_short = 9.0;
    assert_string_equal(words_of(rate, &asked), "optim.lr=3e-06|optim.ema_decay=0.9");
    asked.falls_short = 88889.0;
    assert_string_equal(words_of(rate, &asked), "optim.lr=0.03|optim.ema_decay=0.9");
    load("optim.lr=0.01");
    assert_string_equal(words_of(rate, &asked), "optim.lr=1|optim.ema_decay=0.9");
    load("optim.lr=0.5"); /* ten times in any case */
    assert_string_equal(words_of(rate, &asked), "optim.lr=5|optim.ema_decay=0.9");
}

/* Smaller batches make updates of the same images, down to 16 of them; more epochs make up for the rest. */
static void test_more_updates(void **state)
{
    (void)state;
    const struct remedy *usual = &cause_table[CAUSE_FEW_UPDATES].repairs[0];
    struct remedy_case asked = {.config = &config, .falls_short = 10.4};
    load("train.batch_size=512|train.epochs=12");
    assert_string_equal(words_of(usual, &asked), "train.accumulate=1|train.batch_size=32|train.epochs=12");
    load("train.batch_size=512|train.accumulate=4|train.epochs=12");
    assert_string_equal(words_of(usual, &asked), "train.accumulate=1|train.batch_size=64|train.epochs=12");
    load("train.batch_size=48|train.epochs=12"); /* 24 and 5.2 times the epochs */
    assert_string_equal(words_of(usual, &asked), "train.accumulate=1|train.batch_size=24|train.epochs=63");
    load("train.batch_size=16|train.epochs=3");
    assert_string_equal(words_of(usual, &asked), "train.accumulate=1|train.batch_size=16|train.epochs=32");
    asked.falls_short = 1.2; /* twice at least */
    assert_string_equal(words_of(usual, &asked), "train.accumulate=1|train.batch_size=16|train.epochs=6");
}

/* Larger batches make as many updates as the run had, or 1000 where it had more; not where the batch stays. */
static void test_as_many_updates(void **state)
{
    (void)state;
    const struct remedy *larger = &cause_table[CAUSE_BATCH_SMALL].repairs[0];
    struct remedy_case asked = {.config = &config, .steps = 800};
    load("train.batch_size=2|train.epochs=3");
    assert_string_equal(words_of(larger, &asked), "train.batch_size=8|train.epochs=12");
    asked.steps = 2000; /* 500 of them, twice */
    assert_string_equal(words_of(larger, &asked), "train.batch_size=8|train.epochs=6");
    asked.steps = 4000;
    assert_string_equal(words_of(larger, &asked), "train.batch_size=8|train.epochs=3");
    load("train.batch_size=2|train.epochs=3|schedule.name=plateau|schedule.patience=2");
    asked.steps = 800;
    assert_string_equal(words_of(larger, &asked), "train.batch_size=8|train.epochs=12|schedule.patience=8");
    asked.batch_stays = true;
    assert_string_equal(words_of(larger, &asked), "train.batch_size=8|train.epochs=3|schedule.patience=2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_are_settings),
        cmocka_unit_test(test_a_schedule_that_ends_with_the_run),
        cmocka_unit_test(test_more_patience),
        cmocka_unit_test(test_a_larger_batch_is_a_whole_one),
        cmocka_unit_test(test_what_softens_most_is_taken_back),
        cmocka_unit_test(test_more_updates),
        cmocka_unit_test(test_as_many_updates),
        cmocka_unit_test(test_trials_and_their_runs),
        cmocka_unit_test(test_trials_go_with_other_settings),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_what_suits_the_run),
        cmocka_unit_test(test_rates_in_use),
        cmocka_unit_test(test_how_far),
    };
    return cmocka_run_group_tests(tests, config_folder_make, remove_all);
}

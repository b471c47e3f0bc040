/* test_keys: every key of a config reaches what it is for: a short run with the key changed comes out otherwise than
 * one without. A key that has no row here fails. What each then does is tested where it is done. */
#include "base.h"
#include "config.h"
#include "tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what tells two runs apart ---- */

/* Any weight, or which weights there are. */
static bool other_weights(const char *run_a, const char *run_b)
{
    struct tensor_file a, b;
    tiny_read_tensors(&a, run_a, "last/model.safetensors");
    tiny_read_tensors(&b, run_b, "last/model.safetensors");
    bool other = a.count != b.count;
    for (int i = 0; i < a.count && !other; i++) {
        const struct tensor *same = tensors_find(&b, a.tensors[i].name);
        other = !same || same->bytes != a.tensors[i].bytes || memcmp(same->data, a.tensors[i].data, same->bytes) != 0;
    }
    tensors_free(&a);
    tensors_free(&b);
    return other;
}

static bool other_text(const char *run_a, const char *run_b, const char *name)
{
    char *a = tiny_read_text(run_a, name), *b = tiny_read_text(run_b, name);
    const bool other = strcmp(a, b) != 0;
    memory_give(a);
    memory_give(b);
    return other;
}

static bool other_steps(const char *run_a, const char *run_b)
{
    return other_text(run_a, run_b, "steps.csv");
}

static bool other_validation(const char *run_a, const char *run_b)
{
    return tiny_result_at(run_a, 1, "val/loss") != tiny_result_at(run_b, 1, "val/loss");
}

static bool other_layers(const char *run_a, const char *run_b)
{
    return tiny_has_file(run_a, "layers.csv") != tiny_has_file(run_b, "layers.csv");
}

static bool other_checkpoint(const char *run_a, const char *run_b)
{
    struct config config;
    char a[PATH_BYTES], b[PATH_BYTES];
    const char *const runs[] = {run_a, run_b};
    char *const paths[] = {a, b};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(train_load_config(&config, runs[i], NULL, 0), OK);
        assert_int_equal(train_find_checkpoint(&config, runs[i], NULL, paths[i]), OK);
        config_free(&config);
    }
    return strcmp(path_base(a), path_base(b)) != 0;
}

static bool other_folder(const char *run_a, const char *run_b)
{
    const size_t a = (size_t)(path_base(run_a) - run_a), b = (size_t)(path_base(run_b) - run_b);
    return a != b || memcmp(run_a, run_b, a) != 0;
}

/* The time in it aside. */
static bool other_name(const char *run_a, const char *run_b)
{
    const char *a = path_base(run_a), *b = path_base(run_b);
    return strcspn(a, "-") != strcspn(b, "-") || memcmp(a, b, strcspn(a, "-")) != 0;
}

/* ---- the keys ---- */

#define STEPS  "train.max_steps=2 "
#define SGD    STEPS "optim.name=sgd "
#define EPOCHS "train.epochs=4 train.batch_size=64 "
#define SLOWLY EPOCHS "optim.lr=1e-5 " /* the loss falls in every epoch, the accuracy stays */
/* Only the first epoch is an improvement; the rate falls after each of the others. */
#define CUTS EPOCHS "schedule.name=plateau schedule.threshold=0.9 "

struct row {
    const char *key;
    const char *premise; /* of both runs; NULL: the key changes no run, and why is said beside it */
    const char *value;   /* of the second; @ is the tests' folder */
    bool (*differs)(const char *run_a, const char *run_b);
    const char *was; /* of the first; NULL: left out */
};

static const struct row rows[] = {
    {"data.train", STEPS, "@/others", other_weights, "@/tiles"},
    {"data.val", STEPS, "@/others", other_weights, NULL},
    {"data.val_fraction", STEPS, "0.5", other_weights, "0.25"},
    {"data.leave_out", STEPS, "@/list.csv", other_weights, NULL},
    {"data.resize", STEPS, "12", other_weights, NULL},
    {"data.shuffle", STEPS, "false", other_weights, NULL},
    {.key = "data.memory"},       /* the same bits: test_stream */
    {.key = "data.device_share"}, /* the same bits: test_stream */
    {.key = "data.cache"},        /* the same bits: test_pack */
    {.key = "data.on_error"},     /* where images are broken: test_hostile */
    {.key = "data.threads"},      /* the same bits: test_stream */

    {"augment.policy", STEPS, "standard", other_weights, NULL},
    {"augment.hflip", STEPS, "1", other_weights, NULL},
    {"augment.vflip", STEPS, "1", other_weights, NULL},
    {"augment.rotate", STEPS, "45", other_weights, NULL},
    {"augment.translate", STEPS, "0.5", other_weights, NULL},
    {"augment.scale", STEPS, "[0.5,0.6]", other_weights, NULL},
    {"augment.shear", STEPS, "30", other_weights, NULL},
    {"augment.crop", STEPS, "12", other_weights, NULL},
    {"augment.crop_padding", STEPS, "4", other_weights, NULL},
    {"augment.padding_mode", STEPS "augment.crop_padding=6", "edge", other_weights, NULL},
    {"augment.fill", STEPS "augment.crop_padding=6", "[1]", other_weights, NULL},
    {"augment.crop_area", STEPS, "[0.2,0.3]", other_weights, NULL},
    {"augment.crop_ratio", STEPS "augment.crop_area=[0.2,0.3]", "[0.3,0.4]", other_weights, NULL},
    {"augment.interpolation", STEPS "augment.rotate=30", "nearest", other_weights, NULL},
    {"augment.brightness", STEPS, "0.5", other_weights, NULL},
    {"augment.contrast", STEPS, "0.5", other_weights, NULL},
    {"augment.saturation", STEPS, "0.5", other_weights, NULL},
    {"augment.hue", STEPS, "0.5", other_weights, NULL},
    {"augment.grayscale", STEPS, "1", other_weights, NULL},
    {"augment.erase", STEPS, "1", other_weights, NULL},
    {"augment.erase_area", STEPS "augment.erase=1", "[0.5,0.6]", other_weights, NULL},
    {"augment.erase_ratio", STEPS "augment.erase=1", "[1,1.1]", other_weights, NULL},
    {"augment.mixup", STEPS, "1", other_weights, NULL},
    {"augment.cutmix", STEPS, "1", other_weights, NULL},
    {"augment.normalize", STEPS, "none", other_weights, NULL},
    {"augment.mean", STEPS "augment.std=[0.5]", "[0.1]", other_weights, "[0.5]"},
    {"augment.std", STEPS "augment.mean=[0.5]", "[0.1]", other_weights, "[0.5]"},

    {"model.name", STEPS, "small_cnn", other_weights, "mlp"},
    {"model.stem", "train.max_steps=1 train.batch_size=4 model.name=resnet18", "imagenet", other_weights, NULL},
    {"model.width", STEPS "model.name=small_cnn", "8", other_weights, NULL},
    {"model.hidden", STEPS, "8", other_weights, "16"},
    {"model.dropout", STEPS, "0.5", other_weights, NULL},
    {"model.batch_norm", STEPS "model.name=small_cnn", "false", other_weights, NULL},
    {"model.init_scale", STEPS, "0.5", other_weights, NULL},
    {"model.weights", STEPS, "@/learned", other_weights, NULL},
    {"model.freeze_before", STEPS, "fc", other_weights, NULL},

    {"optim.name", STEPS, "sgd", other_weights, NULL},
    {"optim.lr", STEPS, "0.01", other_weights, NULL},
    {"optim.momentum", SGD, "0.5", other_weights, NULL},
    {"optim.nesterov", SGD, "true", other_weights, NULL},
    {"optim.beta1", STEPS, "0.5", other_weights, NULL},
    {"optim.beta2", STEPS, "0.9", other_weights, NULL},
    {"optim.eps", STEPS, "0.1", other_weights, NULL},
    {"optim.weight_decay", SGD, "0.1", other_weights, NULL},
    {"optim.decay", SGD "optim.weight_decay=0.1", "weights", other_weights, NULL},
    {"optim.clip_norm", SGD, "0.01", other_weights, NULL},
    {"optim.ema_decay", STEPS, "0.9", other_validation, NULL},
    {"optim.ema_warmup", STEPS "optim.ema_decay=0.9", "true", other_validation, NULL},

    {"schedule.name", EPOCHS, "cosine", other_weights, NULL},
    {"schedule.warmup_epochs", STEPS, "1", other_weights, NULL},
    {"schedule.warmup_start", STEPS "schedule.warmup_epochs=1", "0.5", other_weights, NULL},
    {"schedule.gamma", EPOCHS "schedule.name=step schedule.step_epochs=1", "0.5", other_weights, NULL},
    {"schedule.step_epochs", EPOCHS "schedule.name=step", "1", other_weights, NULL},
    {"schedule.min_lr", EPOCHS "schedule.name=cosine", "0.0005", other_weights, NULL},
    {"schedule.monitor", SLOWLY "schedule.name=plateau schedule.patience=0 schedule.threshold=0", "val_accuracy",
     other_weights, NULL},
    {.key = "schedule.mode"}, /* of its two values the one that auto would not take is refused: test_config_mistakes */
    {"schedule.factor", CUTS "schedule.patience=0", "0.5", other_weights, NULL},
    {"schedule.patience", CUTS, "0", other_weights, NULL},
    {"schedule.threshold", EPOCHS "schedule.name=plateau schedule.patience=0", "0.9", other_weights, NULL},
    /* 2 as a share: even the first epoch is none. */
    {"schedule.threshold_mode", EPOCHS "schedule.name=plateau schedule.patience=0 schedule.threshold=2", "abs",
     other_weights, NULL},
    {"schedule.cooldown", CUTS "schedule.patience=0", "5", other_weights, NULL},
    {"schedule.eps", CUTS "schedule.patience=0", "1", other_weights, NULL},

    {"early_stop.monitor", SLOWLY "early_stop.patience=1", "val_accuracy", other_weights, NULL},
    {.key = "early_stop.mode"}, /* as schedule.mode */
    {"early_stop.patience", SLOWLY "early_stop.min_delta=1000", "1", other_weights, NULL},
    {"early_stop.min_delta", SLOWLY "early_stop.patience=1", "1000", other_weights, NULL},
    {"early_stop.restore_best", EPOCHS, "false", other_checkpoint, NULL},

    {"train.epochs", "train.batch_size=64", "3", other_weights, NULL},
    {"train.batch_size", STEPS, "8", other_weights, NULL},
    {"train.accumulate", STEPS, "2", other_weights, NULL},
    {"train.max_steps", "", "3", other_weights, NULL},
    {"train.min_steps", "train.epochs=1 train.batch_size=64", "2", other_weights, NULL},
    {"train.seed", STEPS, "1", other_weights, NULL},
    {"train.label_smoothing", STEPS, "0.1", other_weights, NULL},
    {.key = "train.balance"}, /* where classes are unlike in frequency: test_balance */
    {"train.precision", STEPS, "bf16", other_weights, "fp32"},
    {.key = "train.tf32"},          /* of a GPU */
    {.key = "train.deterministic"}, /* of a GPU */
    {.key = "train.device"},        /* test_agreement */
    {.key = "train.threads"},       /* the same bits: test_train */
    {.key = "train.bad_steps"},     /* where steps are refused: test_train */
    {.key = "train.autopilot"},     /* a run that does not diverge keeps its bits: test_autopilot */

    {"stats.enabled", STEPS, "false", other_steps, NULL},
    {.key = "stats.console_seconds"}, /* when a line is printed */
    {"stats.steps_every", STEPS, "2", other_steps, NULL},
    {"stats.layers_every", STEPS, "0", other_layers, NULL},
    {"stats.noise_every", STEPS, "0", other_steps, NULL},
    {"stats.noise_least", STEPS, "1000", other_steps, NULL},
    {.key = "stats.tensorboard"}, /* a file beside the others: test_tensorboard */

    {"run.dir", STEPS, "@/another", other_folder, NULL},
    {"run.name", STEPS, "named", other_name, NULL},
    {.key = "run.checkpoint_epochs"}, /* when the state is saved: test_resume */
    {.key = "run.checkpoint_steps"},  /* likewise */
};

/* ---- */

/* Trains with premise and key=value, @ replaced. */
static void train_with(const struct row *row, const char *value, struct train_result *result)
{
    char words[4 * PATH_BYTES];
    size_t used = (size_t)snprintf(words, sizeof words, "%s ", row->premise);
    if (value && *value == '@')
        snprintf(words + used, sizeof words - used, "%s=%s%s", row->key, tiny_folder, value + 1);
    else if (value)
        snprintf(words + used, sizeof words - used, "%s=%s", row->key, value);
    tiny_train_ok(NULL, words, result);
}

/* The run that a row's is compared with: the same for neighbours that begin alike. */
static const struct train_result *plain_run(const struct row *row)
{
    static struct train_result plain;
    static const struct row *of;
    const bool same = of && !of->was && !row->was && strcmp(of->premise, row->premise) == 0;
    if (!same)
        train_with(row, row->was, &plain);
    of = row;
    return &plain;
}

static void test_every_key_reaches_the_run(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT_OF(rows); i++) {
        struct train_result changed;
        const struct row *row = &rows[i];
        if (!row->premise)
            continue;
        const struct train_result *plain = plain_run(row);
        train_with(row, row->value, &changed);
        if (!row->differs(plain->path, changed.path))
            fail_msg("%s = %s changes nothing", row->key, row->value);
    }
}

/* Else a difference would say nothing. */
static void test_the_same_run_twice(void **state)
{
    (void)state;
    static const char *const premises[] = {STEPS, SGD, CUTS};
    for (int i = 0; i < COUNT_OF(premises); i++) {
        const struct row row = {.premise = premises[i]};
        struct train_result a, b;
        train_with(&row, NULL, &a);
        train_with(&row, NULL, &b);
        assert_false(other_weights(a.path, b.path));
        assert_false(other_steps(a.path, b.path));
        assert_false(other_validation(a.path, b.path));
        assert_false(other_layers(a.path, b.path));
        assert_false(other_checkpoint(a.path, b.path));
        assert_false(other_folder(a.path, b.path));
        assert_false(other_name(a.path, b.path));
    }
}

static bool has_row(const char *key)
{
    for (int i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].key, key) == 0)
            return true;
    return false;
}

static void test_every_key_has_a_row(void **state)
{
    (void)state;
    char *text = NULL, *line;
    size_t bytes;
    int count = 0;
    FILE *stream = open_memstream(&text, &bytes);
    assert_non_null(stream);
    config_print_keys(stream);
    fclose(stream);
    for (char *rest = text; (line = strsep(&rest, "\n"));) {
        if (!*line || strchr(line, '='))
            continue;
        count++;
        if (!has_row(line))
            fail_msg("%s has no row in test_keys.c: what does it change in a run?", line);
    }
    free(text);
    assert_int_equal(count, COUNT_OF(rows));
}

/* Each choice of augment.normalize makes another run; a model says with which it goes, and its images are made so. */
static void test_normalisations(void **state)
{
    (void)state;
    static const char *const words[] = {"auto", "none", "image"};
    struct train_result results[COUNT_OF(words)];
    for (int i = 0; i < COUNT_OF(words); i++) {
        struct model_card card;
        struct arena arena = {0};
        struct augment augment;
        struct config config;
        char setting[80];
        snprintf(setting, sizeof setting, STEPS "augment.normalize=%s", words[i]);
        tiny_train_ok(NULL, setting, &results[i]);
        for (int k = 0; k < i; k++)
            assert_true(other_weights(results[i].path, results[k].path));
        char folder[PATH_BYTES];
        assert_int_equal(path_join(folder, results[i].path, "checkpoints/last"), OK);
        assert_int_equal(card_read(&card, &arena, folder), OK);
        assert_int_equal(card.by_image, i == 2);
        assert_int_equal(train_load_config(&config, results[i].path, NULL, 0), OK);
        augmentation_make(&augment, &config, &card, false);
        assert_int_equal(augment.by_image, i == 2);
        config_free(&config);
        arena_free(&arena);
    }
}

static int set_up(void **state)
{
    char path[PATH_BYTES + 16];
    const struct tiles_options options = {.per_class = 12, .size = 16, .seed = 4};
    if (tiny_set_up(state) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/list.csv", tiny_folder);
    static const char list[] = "sample\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    if (file_write(path, list, sizeof list - 1) < 0)
        return -1;
    struct train_result learned;
    tiny_train_ok(NULL, STEPS, &learned);
    snprintf(path, sizeof path, "%s/learned", tiny_folder);
    if (rename(learned.path, path) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/others", tiny_folder);
    return tiles_write(path, &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_has_a_row),
        cmocka_unit_test(test_the_same_run_twice),
        cmocka_unit_test(test_every_key_reaches_the_run),
        cmocka_unit_test(test_normalisations),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_tear_down);
}

/* test_config: every mistake a config can hold, to the line and the words; and that what is written loads back. */
#include "cli.h"
#include "config.h"
#include "file.h"
#include "random.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static char folder[PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/evenkeel-config-XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove(folder);
}

static char *inside(const char *name)
{
    static char paths[4][PATH_BYTES];
    static int turn;
    char *path = paths[turn++ % 4];
    assert_int_equal(path_join(path, folder, name), OK);
    return path;
}

/* Loads text as the file x.ini with overrides separated by '|'. said: what was printed, the folder removed. */
static int load(struct config *config, const char *text, size_t bytes, const char *overrides, char **said)
{
    char *path = inside("x.ini"), words[4096] = "", *list[64];
    int count = 0;
    if (overrides)
        text_copy(words, sizeof words, overrides);
    for (char *word = strtok(words, "|"); word; word = strtok(NULL, "|"))
        list[count++] = word;
    FILE *file = fopen(path, "wb"); /* not file_write, which waits for the disk */
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
    size_t size;
    FILE *errors = open_memstream(said, &size);
    int status = config_load(config, path, (const char *const *)list, count, errors);
    fclose(errors);
    size_t length = strlen(folder) + 1;
    for (char *at = *said; (at = strstr(at, folder));)
        memmove(at, at + length, strlen(at + length) + 1);
    return status;
}

/* ---- mistakes ---- */

#define TRAIN "[data]\ntrain = \"t\"\n"

static const struct mistake {
    const char *text, *overrides, *said; /* said: the beginning of each line that is printed */
} mistakes[] = {
    /* names */
    {"[optim]\nlrr = 1\n", 0, "x.ini:2: error: optim.lrr: unknown key; did you mean optim.lr?"},
    {"[train]\nlr = 1\n", 0, "x.ini:2: error: train.lr: unknown key; did you mean optim.lr?"},
    {"[train]\nbatchsize = 1\n", 0, "x.ini:2: error: train.batchsize: unknown key; did you mean train.batch_size?"},
    {"[train]\nzzzzz = 1\n", 0,
     "x.ini:2: error: train.zzzzz: unknown key; `evenkeel config --defaults` lists all keys"},
    {"[train]\npatience = 1\n", 0,
     "x.ini:2: error: train.patience: unknown key; did you mean schedule.patience or early_stop.patience?"},
    {"[optimizer]\nlr = 1\nlr = nan\n", 0,
     "x.ini:1: error: [optimizer]: unknown section; did you mean optim? expected one of data, augment, model"},
    {"[layers]\n", 0, "x.ini:1: error: [layers]: unknown section; did you mean layer?"},
    {"lr = 1\n", 0,
     "x.ini:1: error: lr: stands before the first section; write it below its [section]; did you mean "
     "optim.lr?"},
    {"[train]\nl r = 1\n", 0, "x.ini:2: error: 'l r': not a key's name"},
    {"[train]\n= 1\n", 0, "x.ini:2: error: '': not a key's name"},
    /* structure */
    {"[optim]\nlr = 1\n# c\nlr = 2\n", 0, "x.ini:4: error: optim.lr: given in line 2 already"},
    {"[optim]\nlr = 1\nlearning_rate = 2\n", 0, "x.ini:3: error: optim.lr: given in line 2 already"},
    {"[optim]\n[train]\n[optim]\n", 0, "x.ini:3: error: [optim]: the section has begun in line 1"},
    {"[[optim]]\n", 0, "x.ini:1: error: [[optim]]: only layer is repeated; write [optim]"},
    {"[optim\nlr = 1\n", 0, "x.ini:1: error: '[optim': the section's closing ] is missing"},
    {"[optim] lr = 1\n", 0, "x.ini:1: error: [optim]: 'lr = 1' after the section"},
    {"[op;tim]\n", 0, "x.ini:1: error: [op;tim]: not a section's name"},
    {"[train]\nepochs\n", 0, "x.ini:2: error: 'epochs': no equals sign; expected key = value"},
    {"[train]\nepochs: 3\n", 0, "x.ini:2: error: 'epochs: 3': no equals sign; write epochs = 3"},
    {"[augment]\nmean = [0.1,\n  0.2, 0.3]\nstd = [1, 1, 1]", 0,
     "x.ini:2: error: augment.mean: the list's closing ] is missing; write the list on one line\n"
     "x.ini:3: error: '0.2, 0.3]': no equals sign; expected key = value (a list is written on one line)"},
    {"[train]\nepochs = 2\n  7\n", 0, "x.ini:3: error: '7': no equals sign"},
    {"[train]\r\n\r\nepochs = x\r\n", 0, "x.ini:3: error: train.epochs: 'x' is not a whole number"},
    {"[train]\nepochs = x", 0,
     "x.ini:2: error: train.epochs: 'x' is not a whole number; expected a whole number from 1"},
    /* values */
    {"[train]\nbatch_size = 6x4\n", 0,
     "x.ini:2: error: train.batch_size: '6x4' is not a whole number; expected a whole"},
    {"[optim]\nlr = 0,001\n", 0,
     "x.ini:2: error: optim.lr: '0,001' has a decimal comma; write 0.001; expected a number above 0 to 1000"},
    {"[optim]\nlr = 0.1f\n", 0, "x.ini:2: error: optim.lr: '0.1f' is not a number; expected a number above 0"},
    {"[optim]\nlr = 0\n", 0, "x.ini:2: error: optim.lr: '0' is out of range; expected a number above 0 to 1000"},
    {"[optim]\nlr = -1e-3\n", 0, "x.ini:2: error: optim.lr: '-1e-3' is out of range"},
    {"[optim]\nlr = nan\n", 0, "x.ini:2: error: optim.lr: 'nan' is not finite; expected"},
    {"[optim]\nlr = -Inf\n", 0, "x.ini:2: error: optim.lr: '-Inf' is not finite; expected"},
    {"[optim]\nlr = 1e999\n", 0, "x.ini:2: error: optim.lr: '1e999' is not a number; expected"},
    {"[optim]\nlr =\n", 0, "x.ini:2: error: optim.lr: has no value; expected a number above 0"},
    {"[optim]\nlr = # nothing\n", 0, "x.ini:2: error: optim.lr: has no value; expected a number above 0"},
    {"[data]\nval =\n", 0, "x.ini:2: error: data.val: has no value; expected a text in double quotes (\"\" for none)"},
    {"[optim]\nlr = \"0.1\"\n", 0, "x.ini:2: error: optim.lr: '0.1' in quotes is a text; write it without quotes"},
    {"[optim]\nlr = [0.1]\n", 0, "x.ini:2: error: optim.lr: a list; expected a number"},
    {"[optim]\nbeta1 = 1\n", 0,
     "x.ini:2: error: optim.beta1: '1' is out of range; expected a number from 0 and below 1"},
    {"[train]\nepochs = 99999999999999999999\n", 0,
     "x.ini:2: error: train.epochs: '99999999999999999999' is out of range"},
    {"[train]\nepochs = 1.5\n", 0, "x.ini:2: error: train.epochs: '1.5' is not a whole number"},
    {"[optim]\nnesterov = maybe\n", 0, "x.ini:2: error: optim.nesterov: 'maybe' is neither; expected true or false"},
    {"[optim]\nname = adamm\n", 0,
     "x.ini:2: error: optim.name: 'adamm' is not known; expected one of sgd, adam, adamw; did you mean adam or adamw?"},
    {"[optim]\nname = \"\"\n", 0, "x.ini:2: error: optim.name: '' is not known; expected one of sgd, adam, adamw"},
    {"[data]\ntrain = \"a\n", 0, "x.ini:2: error: data.train: the text's closing \" is missing"},
    {"[data]\ntrain = \"a\" b\n", 0, "x.ini:2: error: data.train: 'b' after the value"},
    {"[data]\ntrain = \"a\\q\"\n", 0, "x.ini:2: error: data.train: unknown escape '\\q'"},
    {"[data]\ntrain = \"\\u00\"\n", 0, "x.ini:2: error: data.train: unknown escape '\\u'"},
    {"[augment]\nmean = [0.1, 0.2, 0.3, 0.4, 0.5]\n", 0,
     "x.ini:2: error: augment.mean: '0.1, 0.2, 0.3, 0.4, 0.5' has more"},
    {"[augment]\nmean = [123.7, 0, 0]\n", 0, "x.ini:2: error: augment.mean: '123.7' is out of range; expected up to 4"},
    {"[augment]\nstd = [0]\n", 0, "x.ini:2: error: augment.std: '0' is out of range"},
    {"[augment]\nmean = [a]\n", 0, "x.ini:2: error: augment.mean: 'a' is not a number"},
    {"[augment]\nmean = [,]\n", 0, "x.ini:2: error: augment.mean: '' is not a number"},
    {"[run]\nname = \"a/b\"\n", 0, "x.ini:2: error: run.name: 'a/b' cannot name a folder"},
    {"[run]\nname = \"\\u001b[31m\"\n[train]\nep\x1bochs = 1\n", 0, "x.ini:4: error: 'ep?ochs': not a key's name"},
    /* overrides */
    {"", "lrr=1", "command line: error: lrr: unknown key; did you mean optim.lr"},
    {"", "patience=3",
     "command line: error: patience: could be several keys; expected one of schedule.patience, "
     "early_stop.patience"},
    {"", "name=x",
     "command line: error: name: could be several keys; expected one of model.name, optim.name, "
     "schedule.name, run.name"},
    {"", "optim.lrr=1", "command line: error: optim.lrr: unknown key; did you mean optim.lr?"},
    {"", "optimizer.lr=1", "command line: error: optimizer.lr: unknown key; did you mean optim.lr?"},
    {"", "lr", "command line: error: 'lr': no equals sign; expected section.key=value"},
    {"", "lr=", "command line: error: optim.lr: has no value; expected a number"},
    {"", "lr=0,01", "command line: error: optim.lr: '0,01' has a decimal comma; write 0.01"},
    {"", "lr=1|optim.lr=2", "command line: error: optim.lr: given twice"},
    {"", "layer.filters=3", "command line: error: layer.filters: layers are changed in the file, not here"},
    {"", "=1", "command line: error: : unknown key"},
    {"[optim]\nlr = nan\n", "epochs=0",
     "x.ini:2: error: optim.lr: 'nan' is not finite\ncommand line: error: train.epochs: '0' is out of range"},
    /* contradictions */
    {"[optim]\nnesterov = true\n", 0,
     "x.ini:2: error: optim.nesterov: needs sgd with momentum above 0 (optim.nesterov = true, optim.name = \"adam\", "
     "optim.momentum = 0.9)"},
    {"[optim]\nname = sgd\nnesterov = true\n", "momentum=0", "x.ini:3: error: optim.nesterov: needs sgd with momentum"},
    {"[optim]\nema_warmup = true\n", 0,
     "x.ini:2: error: optim.ema_warmup: there is no running mean; set optim.ema_decay"},
    {"[schedule]\nname = plateau\n", "data.val_fraction=0",
     "x.ini:2: error: schedule.name: the schedule watches validation, and there is none; set data.val or"},
    {"[data]\nval_fraction = 0\n[early_stop]\npatience = 3\n", 0,
     "x.ini:4: error: early_stop.patience: early stopping watches validation, and there is none"},
    {"[schedule]\nmode = max\n", 0, "x.ini:2: error: schedule.mode: a loss improves downwards and an accuracy upwards"},
    {"", "early_stop.mode=min|early_stop.monitor=val_accuracy",
     "command line: error: early_stop.mode: a loss improves downwards and an accuracy upwards"},
    {"[optim]\nlr = 0.1\n[schedule]\nmin_lr = 1\n", 0, "x.ini:4: error: schedule.min_lr: the lowest rate is above"},
    {"[data]\nresize = 32\n[augment]\ncrop = 41\ncrop_padding = 4\n", 0,
     "x.ini:4: error: augment.crop: the crop is larger"},
    {"[augment]\nmean = [0.5, 0.5, 0.5]\n", 0,
     "x.ini:2: error: augment.mean: mean and std need the same number of values, one per channel (augment.mean = [0.5, "
     "0.5, 0.5], augment.std = [])"},
    {"[augment]\nnormalize = given\n", 0,
     "x.ini:2: error: augment.normalize: given needs augment.mean and augment.std"},
    {"[augment]\nnormalize = auto\nmean = [0.5]\nstd = [0.5]\n", 0,
     "x.ini:2: error: augment.normalize: mean and std are used only with given"},
    {"[model]\nname = custom\n", 0, "x.ini:2: error: model.name: custom needs [[layer]] sections in the file"},
    /* a refused value is not judged again */
    {"[optim]\nmomentum = x\nnesterov = true\nname = sgd\n", 0, "x.ini:2: error: optim.momentum: 'x' is not a number"},
    /* layers */
    {"[[layer]]\ntype = relu\n", 0, "x.ini:1: error: model.name: the [[layer]] sections are used only with"},
    {"[model]\nname = mlp\n[[layer]]\ntype = relu\n", 0, "x.ini:2: error: model.name: the [[layer]] sections are used"},
#define CUSTOM "[model]\nname = custom\n[[layer]]\n"
    {CUSTOM "filters = 3\n", 0, "x.ini:3: error: layer.type: missing; expected one of conv, linear, norm"},
    {CUSTOM "type = conv\n", 0, "x.ini:3: error: layer.filters: missing; type conv needs it; expected a whole number"},
    {CUSTOM "type = convv\n", 0, "x.ini:4: error: layer.type: 'convv' is not known; expected one of"},
    {CUSTOM "type = conv\nfilters = 0\n", 0, "x.ini:5: error: layer.filters: '0' is out of range"},
    {CUSTOM "type = conv\nfilters = 1\nfilter = 1\n", 0,
     "x.ini:6: error: layer.filter: unknown key; did you mean filters?"},
    {CUSTOM "type = conv\nfilters = 1\nfilters = 1\n", 0, "x.ini:6: error: layer.filters: given in line 5 already"},
    {CUSTOM "type = norm\nkernel = 1\n", 0,
     "x.ini:5: error: layer.kernel: has no meaning for type norm; expected with conv max_pool avg_pool"},
    {CUSTOM "type = relu\n[[layer]]\ntype = add\n", 0, "x.ini:5: error: layer.from: missing; type add needs it"},
    {CUSTOM "type = relu\nname = a\n[layer]\ntype = relu\nname = a\n", 0,
     "x.ini:6: error: layer.name: 'a' is the name of the layer in line 3 too"},
    {CUSTOM "type = relu\nname = trunk\n[[layer]]\ntype = add\nfrom = trunck\n", 0,
     "x.ini:6: error: layer.from: 'trunck' is no earlier layer; did you mean trunk?"},
    {CUSTOM "type = dropout\nrate = 1\n", 0, "x.ini:5: error: layer.rate: '1' is out of range"},
};

/* Whether said holds as many lines as expected does, each beginning like its counterpart. */
static bool begins_alike(const char *said, const char *expected)
{
    while (*expected) {
        size_t length = strcspn(expected, "\n");
        if (strncmp(said, expected, length) != 0)
            return false;
        said += strcspn(said, "\n");
        said += *said == '\n';
        expected += length + (expected[length] == '\n');
    }
    return *said == 0;
}

static void test_mistakes(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT_OF(mistakes); i++) {
        const struct mistake *mistake = &mistakes[i];
        struct config config;
        char *said;
        int status = load(&config, mistake->text, strlen(mistake->text), mistake->overrides, &said);
        if (status != ERR_CONFIG || !begins_alike(said, mistake->said))
            fail_msg("case %d, status %d\n%s| %s\nsaid:     %sexpected: %s", i, status, mistake->text,
                     mistake->overrides ? mistake->overrides : "", said, mistake->said);
        assert_int_equal(status_exit_code(status), 78);
        config_free(&config);
        free(said);
    }
}

static void test_summary(void **state)
{
    (void)state;
    struct config config;
    char *said;
    static const char text[] = "[optim]\nlr = x\nmomentum = 2\n[nope]\n";
    assert_int_equal(load(&config, text, strlen(text), NULL, &said), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "x.ini: 3 mistakes in the config"));
    config_free(&config);
    free(said);
    assert_int_equal(config_load(&config, inside("absent.ini"), NULL, 0, stderr), ERR_NO_INPUT);
    config_free(&config);
    config_free(&config);
}

static void test_many_mistakes(void **state)
{
    (void)state;
    static char text[40000] = "[optim]\n";
    for (int i = 0; i < 1000; i++)
        strcat(text, "nonsense\n");
    struct config config;
    char *said;
    assert_int_equal(load(&config, text, strlen(text), NULL, &said), ERR_CONFIG);
    int lines = 0;
    for (char *at = said; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 101);
    assert_non_null(strstr(said, "error: and 900 more"));
    config_free(&config);
    free(said);
}

static void test_zero_byte(void **state)
{
    (void)state;
    struct config config;
    char *said;
    assert_int_equal(load(&config, "[optim]\nl\0r = 1\n", 16, NULL, &said), ERR_CONFIG);
    assert_true(begins_alike(said, "x.ini:2: error: a zero byte; is this a text file?"));
    config_free(&config);
    free(said);
}

/* ---- what is accepted ---- */

static void load_good(struct config *config, const char *text, const char *overrides)
{
    char *said;
    if (load(config, text, strlen(text), overrides, &said) != OK)
        fail_msg("%s|%s: %s", text, overrides ? overrides : "", said);
    assert_string_equal(said, "");
    free(said);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config config;
    assert_int_equal(config_load(&config, NULL, NULL, 0, stderr), OK);
    assert_string_equal(config.name, "run");
    assert_int_equal(config.optim.name, OPTIMIZER_ADAM);
    assert_true(config.optim.lr == 0.001 && config.optim.beta1 == 0.9 && config.optim.beta2 == 0.999);
    assert_true(config.optim.eps == 1e-8 && config.optim.momentum == 0.9 && config.optim.weight_decay == 0);
    assert_true(config.schedule.factor == 0.1 && config.schedule.threshold == 1e-4 && config.schedule.eps == 1e-8);
    assert_int_equal(config.schedule.patience, 10);
    assert_int_equal(config.early_stop.patience, 0);
    assert_int_equal(config.augment.normalize, NORMALIZE_AUTO);
    assert_string_equal(config.train.device, "auto");
    assert_string_equal(config.run.dir, "runs");
    config_free(&config);
}

static void test_syntax(void **state)
{
    (void)state;
    struct config config;
    load_good(&config,
              "\xEF\xBB\xBF# a comment = 1\r\n; another\r\n[ data ] # which\r\n"
              "   train = \"a ; b # c\" ; note\r\n val = 'C:\\new' # note\r\n"
              "[augment]\nmean = [ 0.1,0.2 , 0.3, ] # three\nstd = 0.5, 0.5,0.25\n"
              "[run]\nname = my run#2 # note\ndir = \"t\\u00e4s\\\"t\\\\\"\n"
              "[optim]\n  name=AdamW ; note\nlearning_rate=1e-2\n[train]\nepochs = +7",
              NULL);
    assert_string_equal(config.data.train, "a ; b # c");
    assert_string_equal(config.data.val, "C:\\new");
    assert_int_equal(config.augment.mean_count, 3);
    assert_true(config.augment.mean[2] == 0.3 && config.augment.std[2] == 0.25);
    assert_int_equal(config.augment.normalize, NORMALIZE_GIVEN); /* implied */
    assert_string_equal(config.run.name, "my run#2");
    assert_string_equal(config.name, "my run#2");
    assert_string_equal(config.run.dir, "t\xC3\xA4s\"t\\");
    assert_int_equal(config.optim.name, OPTIMIZER_ADAMW);
    assert_true(config.optim.weight_decay == 0.01); /* PyTorch's default of AdamW */
    assert_true(config.optim.lr == 0.01);
    assert_int_equal(config.train.epochs, 7);
    config_free(&config);
}

static void test_long_line(void **state)
{
    (void)state;
    struct config config;
    char text[2000] = "[data]\ntrain = \"", *said;
    size_t head = strlen(text);
    memset(text + head, 'p', 1023);
    strcpy(text + head + 1023, "\"\nval = \"v\"\n");
    load_good(&config, text, NULL);
    assert_int_equal(strlen(config.data.train), 1023); /* libinih alone cuts at 200 */
    assert_string_equal(config.data.val, "v");
    config_free(&config);
    memset(text + head, 'p', 1024);
    strcpy(text + head + 1024, "\"\nval = \"v\"\n");
    assert_int_equal(load(&config, text, strlen(text), NULL, &said), ERR_CONFIG);
    assert_true(begins_alike(said, "x.ini:2: error: data.train: the text is longer than 1023 bytes"));
    config_free(&config);
    free(said);
}

static void test_overrides(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, TRAIN "[optim]\nlr = 1\n",
              " lr =0.5|batch=7|wd=0.25|epochs=3|momentum=0.5|seed=11|device=cpu|threads=2|precision=bf16|model=mlp|"
              "train=a b # c|val=\"q\"|augment.mean=0.5,0.5,0.5|std=[0.5,0.5,1]|optimizer=sgd|ema=0.5|workers=3");
    assert_true(config.optim.lr == 0.5 && config.optim.weight_decay == 0.25 && config.optim.momentum == 0.5);
    assert_int_equal(config.train.batch_size, 7);
    assert_int_equal(config.train.epochs, 3);
    assert_int_equal(config.train.seed, 11);
    assert_int_equal(config.train.threads, 2);
    assert_int_equal(config.data.threads, 3);
    assert_int_equal(config.train.precision, PRECISION_BF16);
    assert_int_equal(config.model.name, MODEL_MLP);
    assert_int_equal(config.optim.name, OPTIMIZER_SGD);
    assert_string_equal(config.train.device, "cpu");
    assert_string_equal(config.data.train, "a b # c"); /* no comments on a command line */
    assert_string_equal(config.data.val, "q");
    assert_int_equal(config.augment.mean_count, 3);
    assert_string_equal(config.name, "x");
    config_free(&config);
    load_good(&config, "[augment]\nmean = [0.5]\nstd = [0.5]\n", "mean=[]|std=[]|normalize=none");
    assert_int_equal(config.augment.mean_count, 0);
    assert_int_equal(config.augment.normalize, NORMALIZE_NONE);
    config_free(&config);
}

static void test_layers(void **state)
{
    (void)state;
    struct config config;
    load_good(&config,
              CUSTOM "type = \"conv\"\nfilters = 8\nbias = false\n[layer] # darknet's way\ntype = conv\nfilters = 4\n"
                     "name = conv1\nsize = 5\n[[layer]]\ntype = add\nfrom = conv2\nrelu = yes\n"
                     "[[ layer ]]\ntype = dropout\nrate = 0\n",
              NULL);
    assert_int_equal(config.layer_count, 4);
    const struct config_layer *layer = config.layers;
    assert_string_equal(layer[0].name, "conv2"); /* conv1 is taken */
    assert_int_equal(layer[0].line, 3);
    assert_true(layer[0].bias_set && !layer[0].bias && !layer[1].bias_set);
    assert_int_equal(layer[0].kernel, -1);
    assert_int_equal(layer[1].kernel, 5);
    assert_int_equal(layer[1].line, 7);
    assert_true(layer[2].relu && strcmp(layer[2].from, "conv2") == 0);
    assert_string_equal(layer[3].name, "dropout1");
    config_free(&config);
}

static void test_get(void **state)
{
    (void)state;
    struct config config;
    char text[64];
    load_good(&config, TRAIN "[optim]\nlr = 1e-3\n[augment]\nmean=[0.5, 0.1]\nstd=[1,1]\n", "seed=9007199254740991");
    static const char *const expected[][2] = {{"optim.lr", "0.001"},          {"data.train", "\"t\""},
                                              {"optim.name", "\"adam\""},     {"optim.nesterov", "false"},
                                              {"augment.mean", "[0.5, 0.1]"}, {"train.seed", "9007199254740991"}};
    for (int i = 0; i < COUNT_OF(expected); i++) {
        assert_true(config_get(&config, expected[i][0], text, sizeof text));
        assert_string_equal(text, expected[i][1]);
    }
    assert_false(config_get(&config, "optim.nope", text, sizeof text));
    assert_false(config_get(&config, "lr", text, sizeof text));
    config_free(&config);
}

/* ---- writing and loading back ---- */

static char *written(const struct config *config)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(config_write(config, stream), OK);
    fclose(stream);
    return text;
}

/* Frees the config. */
static void check_round_trip(struct config *config)
{
    struct config again;
    char *first = written(config);
    load_good(&again, first, NULL);
    char *second = written(&again);
    assert_string_equal(first, second);
    assert_string_equal(config->name, again.name);
    assert_int_equal(config->layer_count, again.layer_count);
    config_free(&again);
    config_free(config);
    free(first);
    free(second);
}

/* Calls use for each .ini file of configs/. Returns how many. */
static int for_each_config(void (*use)(const char *path))
{
    DIR *list = opendir("configs");
    assert_non_null(list); /* tests run in the repository's root */
    int count = 0;
    for (struct dirent *entry; (entry = readdir(list));) {
        char path[PATH_BYTES];
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".ini") != 0)
            continue;
        assert_int_equal(path_join(path, "configs", entry->d_name), OK);
        use(path);
        count++;
    }
    closedir(list);
    return count;
}

static void round_trip_file(const char *path)
{
    struct config config;
    if (config_load(&config, path, NULL, 0, stderr) != OK)
        fail_msg("%s", fail_text());
    assert_true(*config.data.train != 0);
    check_round_trip(&config);
}

static void test_shipped_configs(void **state)
{
    (void)state;
    assert_true(for_each_config(round_trip_file) >= 5);
}

static void test_odd_texts(void **state)
{
    (void)state;
    struct config config;
    char path[1024], override[1100];
    for (int i = 0; i < 1023; i++)
        path[i] = (char)(1 + i % 255); /* every byte but zero; escapes make it six times as long */
    path[1023] = 0;
    snprintf(override, sizeof override, "data.train='%s", path);
    for (int i = 0; i < 1023; i++)
        if (path[i] == '\'')
            override[12 + i] = 'q';
    strcat(override, "'");
    const char *const overrides[] = {override};
    assert_int_equal(config_load(&config, NULL, overrides, 1, stderr), OK);
    assert_int_equal(strlen(config.data.train), 1023);
    check_round_trip(&config);
}

static uint32_t draw(uint32_t round, uint32_t count)
{
    static uint64_t turn;
    return random_below(random_words(7, RANDOM_SPOIL, round, turn++, 0).word[0], count);
}

/* A value that some key may like. */
static void draw_value(uint32_t round, char text[static 64])
{
    static const char *const fixed[] = {"0", "1", "true", "false", "[0.5, 0.25, 0.125]", "\"a text\"", "\"\"", "3"};
    uint32_t kind = draw(round, 4);
    double unit = (double)draw(round, 1u << 31) / 2147483648.0;
    if (kind == 0)
        snprintf(text, 64, "%s", fixed[draw(round, COUNT_OF(fixed))]);
    else if (kind == 1)
        snprintf(text, 64, "%u", draw(round, 1u << (1 + draw(round, 20))));
    else if (kind == 2)
        snprintf(text, 64, "%.17g", unit);
    else
        snprintf(text, 64, "[%.17g, %.9g]", unit, unit / 3);
}

/* Names of all keys, and "section.key=value" of those with fixed values. */
static int all_keys(const char *words[static 512], char **text)
{
    size_t size;
    FILE *stream = open_memstream(text, &size);
    config_print_keys(stream);
    fclose(stream);
    int count = 0;
    for (char *word = strtok(*text, "\n"); word; word = strtok(NULL, "\n"))
        words[count++] = word;
    assert_in_range(count, 60, 511);
    return count;
}

/* Random configs: overrides are drawn for all keys, and those are kept that load together with the ones before. */
static void test_random_configs(void **state)
{
    (void)state;
    const char *words[512], *kept[512];
    static char overrides[512][160];
    char *text;
    int count = all_keys(words, &text), changed = 0;
    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    for (uint32_t round = 0; round < 40; round++) {
        struct config config;
        int used = 0;
        for (int i = 0; i < count; i++) {
            bool fixed = strchr(words[i], '=');
            if (fixed && draw(round, 3) > 0)
                continue;
            char value[64];
            draw_value(round, value);
            snprintf(overrides[used], sizeof overrides[used], fixed ? "%s" : "%s=%s", words[i], value);
            kept[used] = overrides[used];
            used += config_load(&config, NULL, kept, used + 1, nowhere) == OK;
            config_free(&config);
        }
        assert_int_equal(config_load(&config, NULL, kept, used, stderr), OK);
        changed += used;
        check_round_trip(&config);
    }
    fclose(nowhere);
    free(text);
    assert_true(changed > 40 * 20);
}

/* ---- what others make of it ---- */

static void resolve_file(const char *path)
{
    struct config config;
    struct new_file file;
    assert_int_equal(config_load(&config, path, NULL, 0, stderr), OK);
    assert_int_equal(new_file_open(&file, inside(path_base(path))), OK);
    assert_int_equal(config_write(&config, file.stream), OK);
    assert_int_equal(new_file_commit(&file), OK);
    config_free(&config);
}

static void test_toml(void **state)
{
    (void)state;
    char command[2 * PATH_BYTES];
    if (system("python3 -c 'import tomllib' 2>/dev/null") != 0)
        skip();
    for_each_config(resolve_file);
    remove(inside("x.ini"));
    snprintf(command, sizeof command, "python3 tests/config_toml.py configs '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void test_reference_page(void **state)
{
    (void)state;
    char *text;
    size_t size, bytes;
    void *page;
    FILE *stream = open_memstream(&text, &size);
    config_print_defaults(stream, true);
    fclose(stream);
    assert_int_equal(file_read("docs/config.md", 1 << 20, &page, &bytes), OK);
    if (strcmp(text, page) != 0)
        fail_msg("docs/config.md is out of date: run build/evenkeel config --defaults --markdown >docs/config.md");
    memory_give(page);
    free(text);
}

static char **strings(char *list[static 8], int *count, const char *words)
{
    static char text[256];
    text_copy(text, sizeof text, words);
    *count = 0;
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        list[(*count)++] = word;
    list[*count] = NULL;
    return list;
}

/* Runs the command and returns what it printed; its errors go nowhere. */
static char *command_output(const char *words, int expected_exit)
{
    static char text[1 << 16];
    char *list[8], *path = inside("stdout");
    int count;
    strings(list, &count, words);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), nowhere = open("/dev/null", O_WRONLY);
    dup2(file, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    int status = command_config(count, list);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    close(kept);
    close(kept_err);
    close(file);
    close(nowhere);
    remove(path);
    assert_true(length >= 0);
    text[length] = 0;
    if (status != expected_exit)
        fail_msg("'%s' ended with %d", words, status);
    return text;
}

static void test_command(void **state)
{
    (void)state;
    assert_non_null(strstr(command_output("config configs/quickstart.ini lr=0.25 epochs=3", 0), "\nlr = 0.25\n"));
    assert_non_null(strstr(command_output("config lr=0.25", 0), "\nlr = 0.25\n"));
    assert_non_null(strstr(command_output("config --defaults", 0), "\noptim.lr "));
    assert_non_null(strstr(command_output("config --defaults --markdown", 0), "\n| `lr` | number | `0.001` |"));
    assert_non_null(strstr(command_output("config --keys", 0), "\noptim.name=adamw\n"));
    assert_string_equal(command_output("config configs/quickstart.ini lr=x", 78), "");
    assert_string_equal(command_output("config absent.ini", 66), "");
    assert_string_equal(command_output("config --keys absent.ini", 64), "");
    assert_string_equal(command_output("config --markdown", 64), "");
}

/* ---- broken files ---- */

/* Anything is either refused with a reason or loads back after writing. */
static void check_anything(const char *text, size_t bytes)
{
    struct config config;
    char *said;
    int status = load(&config, text, bytes, NULL, &said);
    assert_true(status == OK || status == ERR_CONFIG);
    assert_true((status == OK) == (*said == 0));
    free(said);
    if (status == OK)
        check_round_trip(&config);
    else
        config_free(&config);
}

static void mutate(const char *path)
{
    enum { ROUNDS = 250 };
    static const char *const snippets[] = {"[[layer]]\n", "=", "\"",    "[",   "]",   "\n",
                                           " ;",          "#", "\\u12", "nan", "\0x", "1e9"};
    void *data;
    size_t bytes;
    assert_int_equal(file_read(path, 1 << 20, &data, &bytes), OK);
    char *text = malloc(bytes + 64);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        size_t length = bytes;
        memcpy(text, data, bytes);
        for (uint32_t change = 0, changes = 1 + draw(round, 4); change < changes; change++) {
            size_t at = draw(round, (uint32_t)length);
            const char *snippet = snippets[draw(round, COUNT_OF(snippets))];
            if (draw(round, 3) == 0)
                text[at] = (char)draw(round, 256);
            else if (draw(round, 8) == 0)
                length = at + 1;
            else if (length + 16 < bytes + 64) {
                size_t added = *snippet ? strlen(snippet) : 2;
                memmove(text + at + added, text + at, length - at);
                memcpy(text + at, snippet, added);
                length += added;
            }
        }
        check_anything(text, length);
    }
    free(text);
    memory_give(data);
}

static void test_mutations(void **state)
{
    (void)state;
    for_each_config(mutate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_many_mistakes),   cmocka_unit_test(test_zero_byte),
        cmocka_unit_test(test_defaults),        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_long_line),       cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_layers),          cmocka_unit_test(test_get),
        cmocka_unit_test(test_shipped_configs), cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_random_configs),  cmocka_unit_test(test_toml),
        cmocka_unit_test(test_reference_page),  cmocka_unit_test(test_command),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

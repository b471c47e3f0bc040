/* test_config_mistakes: every mistake a config can hold, to the line and the words. */
#include "config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static const struct mistake {
    const char *text, *overrides, *said; /* said: the beginning of each line that is printed */
} mistakes[] = {
    /* names */
    {"[schedule]\nT_max = 9\n", 0,
     "x.ini:2: error: schedule.T_max: unknown key; schedule.name = cosine ends with train.epochs"},
    {"# mine\n{\"data\": {\"train\": \"x\"}}\n", 0,
     "x.ini:2: error: '{\"data\": {\"train\": \"x\"}}': this is JSON; a config has lines key = value"},
    {"data:\n  train: x\n  val: y\n", 0, "x.ini:1: error: 'data:': this is YAML; a config has lines key = value below"},
    {"---\nlr: 0.1\n", 0, "x.ini:1: error: '---': this is YAML"},
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
    {"[model]\nname = custom\n[layer]\ntype = relu\n[layer]\ntype = linear\n[[layer]]\ntype = linear\n", 0,
     "x.ini:3: error: [layer]: is one of several layers; begin each with [[layer]]\n"
     "x.ini:5: error: [layer]: is one of several layers; begin each with [[layer]]"},
    {"[model]\nname = custom\n[[layer]]\ntype = relu\n[layer]\ntype = linear\n", 0,
     "x.ini:5: error: [layer]: is one of several layers; begin each with [[layer]]"},
    /* values */
    {"[train]\nbatch_size = 6x4\n", 0,
     "x.ini:2: error: train.batch_size: '6x4' is not a whole number; expected a whole"},
    {"[optim]\nlr = 0,001\n", 0,
     "x.ini:2: error: optim.lr: '0,001' has a decimal comma; write 0.001; expected a number above 0, at most 1000"},
    {"[augment]\nhflip = yes\n", 0,
     "x.ini:2: error: augment.hflip: 'yes' is not a number; expected a number from 0 to 1: probability of a horizontal "
     "flip"},
    {"[optim]\nlr = 1e400\n", 0,
     "x.ini:2: error: optim.lr: '1e400' is out of range; expected a number above 0, at most 1000"},
    {"[optim]\nlr = 0.1f\n", 0, "x.ini:2: error: optim.lr: '0.1f' is not a number; expected a number above 0"},
    {"[optim]\nlr = 0\n", 0, "x.ini:2: error: optim.lr: '0' is out of range; expected a number above 0, at most 1000"},
    {"[optim]\nlr = -1e-3\n", 0, "x.ini:2: error: optim.lr: '-1e-3' is out of range"},
    {"[optim]\nlr = nan\n", 0, "x.ini:2: error: optim.lr: 'nan' is not finite; expected"},
    {"[optim]\nlr = -Inf\n", 0, "x.ini:2: error: optim.lr: '-Inf' is not finite; expected"},
    {"[optim]\nlr =\n", 0, "x.ini:2: error: optim.lr: has no value; expected a number above 0"},
    {"[optim]\nlr = # nothing\n", 0, "x.ini:2: error: optim.lr: has no value; expected a number above 0"},
    {"[optim]\nlr =# nothing\n", 0, "x.ini:2: error: optim.lr: has no value; expected a number above 0"},
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
    {"[train]\ndevice = \"gpu\"\n", 0,
     "x.ini:2: error: train.device: 'gpu' is not a device; expected auto, cpu, cuda or cuda:N; did you mean cuda?"},
    {"[train]\ndevice = \"cpu:1\"\n", 0, "x.ini:2: error: train.device: 'cpu:1' is not a device"},
    {"[train]\ndevice = \"cuda:-1\"\n", 0, "x.ini:2: error: train.device: 'cuda:-1' is not a device"},
    {"[train]\ndevice = \"cuda:1024\"\n", 0, "x.ini:2: error: train.device: 'cuda:1024' is not a device"},
    {"[train]\ndevice = \"cud\"\n", 0, "x.ini:2: error: train.device: 'cud' is not a device"},
    {"[run]\nname = \"a/b\"\n", 0, "x.ini:2: error: run.name: 'a/b' cannot name a folder"},
    {"[run]\nname = \".a\"\n", 0, "x.ini:2: error: run.name: '.a' cannot name a folder"},
    {"[run]\nname = \"\\u001b[31m\"\n[train]\nep\x1bochs = 1\n", 0,
     "x.ini:2: error: run.name: '?[31m' cannot name a folder in run.dir; expected a name without / and control "
     "characters that begins with no dot\n"
     "x.ini:4: error: 'ep?ochs': not a key's name"},
    {"", "run.name=a\nb", "command line: error: run.name: 'a?b' cannot name a folder"},
    /* overrides */
    {"", "data=photos", "command line: error: data: unknown key; data.train names the training images, data.val those"},
    {"", "imgsz=64", "command line: error: imgsz: unknown key; data.resize brings images to one size"},
    {"", "cos_lr=true", "command line: error: cos_lr: unknown key; schedule.name = cosine"},
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
    {"", "bs=32,", "command line: error: train.batch_size: '32,' is not a whole number"},
    {"", "lr=1|optim.lr=2", "command line: error: optim.lr: given twice"},
    {"", "layer.filters=3", "command line: error: layer.filters: layers are changed in the file, not here"},
    {"", "=1", "command line: error: '': unknown key"},
    {"[optim]\nlr = nan\n", "epochs=0",
     "x.ini:2: error: optim.lr: 'nan' is not finite\ncommand line: error: train.epochs: '0' is out of range"},
    /* what can be seen of the images without opening them is told with the rest */
    {"[data]\ntrain = \"absent\"\nval = \"absent/val\"\n[train]\nepochs = 0\n", 0,
     "x.ini:2: error: data.train: absent: no such file or folder\n"
     "x.ini:3: error: data.val: absent/val: no such file or folder\n"
     "x.ini:5: error: train.epochs: '0' is out of range"},
    {"[data]\ntrain = \"absent-{0..3}.tar\"\n[train]\nepochs = 0\n", 0, "x.ini:4: error: train.epochs: '0'"},
    {"[data]\ntrain = \"absent\"\ncache = \"packs\"\n[train]\nepochs = 0\n", 0, "x.ini:5: error: train.epochs: '0'"},
    /* contradictions */
    {"[train]\nprecision = fp16\ndevice = \"cpu\"\n", 0,
     "x.ini:2: error: train.precision: fp16 is for cuda alone; set auto, bf16 or fp32"},
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
    {"[augment]\nscale = [1.2, 0.8]\n", 0, "x.ini:2: error: augment.scale: needs two numbers, the smaller first"},
    {"[augment]\nerase_area = 0.1\n", 0, "x.ini:2: error: augment.erase_area: needs two numbers"},
    {"[augment]\ncrop_ratio = []\n", 0, "x.ini:2: error: augment.crop_ratio: needs two numbers"},
    {"[augment]\nerase_ratio = [1, 2, 3]\n", 0, "x.ini:2: error: augment.erase_ratio: needs two numbers"},
    {"[augment]\ncrop_area = [0.5]\n", 0, "x.ini:2: error: augment.crop_area: needs two numbers"},
    {"[augment]\ncrop_area = [0.1, 1]\ncrop_padding = 4\n", 0,
     "x.ini:3: error: augment.crop_padding: a random resized crop lies within the image"},
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
    {CUSTOM "type = linear\nactivation = \"sigmoid\"\n", 0,
     "x.ini:5: error: layer.relu: 'sigmoid' is none that there is; expected relu or none"},
    {CUSTOM "type = relu\n[[layer]]\ntype = add\n", 0, "x.ini:5: error: layer.from: missing; type add needs it"},
    {CUSTOM "type = relu\nname = a\n[[layer]]\ntype = relu\nname = a\n", 0,
     "x.ini:6: error: layer.name: 'a' is the name of the layer in line 3 too"},
    {"[model]\nname = \"custom\"\n[[layer]]\ntype = linear\nname = \"caf\xe9\"\n", 0,
     "x.ini:3: error: layer.name: is not UTF-8; save the file as UTF-8"},
    {CUSTOM "type = relu\nname = trunk\n[[layer]]\ntype = add\nfrom = trunck\n", 0,
     "x.ini:6: error: layer.from: 'trunck' is no earlier layer; did you mean trunk?"},
    {CUSTOM "type = relu\n[[layer]]\ntype = norm\n[[layer]]\ntype = relu\nfrom = \"relu1\"\n", 0,
     "x.ini:5: error: layer.from: the output of norm1 is read by no other layer; remove it, or name it in a from"},
    {CUSTOM "type = relu\n[[layer]]\ntype = norm\n[[layer]]\ntype = relu\nfrom = \"relu\"\n", 0,
     "x.ini:7: error: layer.from: 'relu' is no earlier layer; did you mean relu1?"},
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
        int status = config_text_load(&config, mistake->text, strlen(mistake->text), mistake->overrides, &said);
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
    assert_int_equal(config_text_load(&config, text, strlen(text), NULL, &said), ERR_CONFIG);
    assert_non_null(strstr(fail_text(), "x.ini: 3 mistakes in the config"));
    config_free(&config);
    free(said);
    assert_int_equal(config_load(&config, config_path("absent.ini"), NULL, 0, stderr), ERR_NO_INPUT);
    config_free(&config);
    config_free(&config);
}

/* In order of lines, though contradictions show only when all has been read; the command line's last. */
static void test_order(void **state)
{
    (void)state;
    struct config config;
    char *said;
    static const char text[] =
        "[optim]\nlr = 0.1\n[schedule]\nmin_lr = 1\n[model]\nname = \"custom\"\n[train]\nepochs = x\n";
    assert_int_equal(config_text_load(&config, text, strlen(text), "batch_size=x", &said), ERR_CONFIG);
    if (!begins_alike(said, "x.ini:4: error: schedule.min_lr: the lowest rate is above\n"
                            "x.ini:6: error: model.name: custom needs\n"
                            "x.ini:8: error: train.epochs: 'x' is not\n"
                            "command line: error: train.batch_size: 'x' is not"))
        fail_msg("%s", said);
    config_free(&config);
    free(said);
}

static void test_many_mistakes(void **state)
{
    (void)state;
    static char text[40000] = "[optim]\n";
    for (int i = 0; i < 1000; i++)
        strcat(text, "nonsense\n");
    struct config config;
    char *said;
    assert_int_equal(config_text_load(&config, text, strlen(text), NULL, &said), ERR_CONFIG);
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
    assert_int_equal(config_text_load(&config, "[optim]\nl\0r = 1\n", 16, NULL, &said), ERR_CONFIG);
    assert_true(begins_alike(said, "x.ini:2: error: a zero byte; is this a text file?"));
    config_free(&config);
    free(said);
}

/* At the edge of what would contradict itself. */
static void test_allowed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[data]\nresize = 32\n[augment]\ncrop = 40\ncrop_padding = 4\n",
        "[optim]\nlr = 0.1\n[schedule]\nmin_lr = 0.1\n",
        "[augment]\nscale = [1.1, 1.1]\n",
        "[augment]\ncrop_area = [0.1, 1]\n",
        "[data]\nval_fraction = 0\n",
        "[data]\nval_fraction = 0\n[early_stop]\npatience = 3\nmonitor = train_loss\n",
        "[schedule]\nmonitor = val_accuracy\nmode = max\n",
    };
    for (int i = 0; i < COUNT_OF(texts); i++) {
        struct config config;
        char *said;
        if (config_text_load(&config, texts[i], strlen(texts[i]), NULL, &said) != OK)
            fail_msg("%s: %s", texts[i], said);
        config_free(&config);
        free(said);
    }
}

/* In single brackets one layer alone is valid TOML. */
static void test_single_layer(void **state)
{
    (void)state;
    struct config config;
    char *said;
    static const char text[] = "[model]\nname = custom\n[layer]\ntype = linear\n";
    assert_int_equal(config_text_load(&config, text, strlen(text), NULL, &said), OK);
    assert_int_equal(config.layer_count, 1);
    config_free(&config);
    free(said);
}

static void test_long_text(void **state)
{
    (void)state;
    struct config config;
    char text[2000] = "[data]\ntrain = \"", *said;
    size_t head = strlen(text);
    memset(text + head, 'p', 1024);
    strcpy(text + head + 1024, "\"\nval = \".\"\n");
    assert_int_equal(config_text_load(&config, text, strlen(text), NULL, &said), ERR_CONFIG);
    assert_true(begins_alike(said, "x.ini:2: error: data.train: the text is longer than 1023 bytes"));
    config_free(&config);
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),     cmocka_unit_test(test_summary),   cmocka_unit_test(test_many_mistakes),
        cmocka_unit_test(test_zero_byte),    cmocka_unit_test(test_long_text), cmocka_unit_test(test_order),
        cmocka_unit_test(test_single_layer), cmocka_unit_test(test_allowed),
    };
    return cmocka_run_group_tests(tests, config_folder_make, config_folder_remove);
}

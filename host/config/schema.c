/* schema: the table of every key, and finding keys in it. The only place where a key is described: parsing, help,
 * defaults, suggestions, completion and the resolved copy all read it. Must not know files or command lines. */
#include "schema.h"

#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SIZE(field)            sizeof(((struct config *)0)->field)
#define AT(field)              .offset = offsetof(struct config, field), .bytes = SIZE(field)
#define INT(field)             .type = KEY_INT, AT(field)
#define INT64(field)           .type = KEY_INT64, AT(field)
#define REAL(field)            .type = KEY_REAL, AT(field)
#define BOOL(field)            .type = KEY_BOOL, AT(field)
#define TEXT(field)            .type = KEY_TEXT, AT(field)
#define ENUM(field, list)      .type = KEY_ENUM, AT(field), .words = list
#define LIST(field)            .type = KEY_LIST, AT(field), .mark_offset = offsetof(struct config, field##_count)
#define FROM_TO(first, last)   .low = first, .high = last
#define ABOVE_TO(first, last)  .low = first, .high = last, .above = true
#define FROM_BELOW(first, end) .low = first, .high = end, .below = true
/* Of no effect unless the other key is one of these words. */
#define ONLY_WITH(key, words) .only_key = key, .only_words = words
#define MANY                  1e9 /* no limit that anybody should meet, and it fits an int */
#define BETWEEN(first, end)   .low = first, .high = end, .above = true, .below = true

/* In the order of the enums they name. */
static const char *const models[] = {"small_cnn", "mlp", "resnet18", "resnet34", "resnet50", "custom", NULL};
static const char *const on_errors[] = {"stop", "skip", NULL};
static const char *const stems[] = {"auto", "cifar", "imagenet", NULL};
static const char *const optimizers[] = {"sgd", "adam", "adamw", NULL};
static const char *const decays[] = {"weights", "all", NULL};
static const char *const schedules[] = {"constant", "step", "cosine", "plateau", NULL};
static const char *const monitors[] = {"val_loss", "val_accuracy", "train_loss", NULL};
static const char *const modes[] = {"auto", "min", "max", NULL};
static const char *const threshold_modes[] = {"rel", "abs", NULL};
static const char *const precisions[] = {"auto", "fp32", "bf16", "fp16", NULL};
static const char *const interpolations[] = {"nearest", "bilinear", NULL};
static const char *const policies[] = {"none", "light", "standard", "strong", NULL};
static const char *const paddings[] = {"constant", "edge", "reflect", "symmetric", NULL};
static const char *const normalizations[] = {"auto", "given", "none", "image", NULL};

const struct key schema_keys[] = {
    {"data", "train", "", TEXT(data.train), .fallback = "\"\"",
     .help = "training images: a folder with one folder per class, a list.txt, tar shards, IDX or CIFAR files, or one "
             "packed "
             "file"},
    {"data", "val", "validation", TEXT(data.val), .fallback = "\"\"",
     .help = "validation images, same form; empty: a part of data.train is set aside"},
    {"data", "val_fraction", "", REAL(data.val_fraction), FROM_BELOW(0, 1), .fallback = "0.1",
     .help = "share of each class of data.train set aside when data.val is empty; 0: no validation"},
    {"data", "leave_out", "", TEXT(data.leave_out), .fallback = "\"\"",
     .help = "CSV file with a column 'sample': training images not to train on, as `evenkeel doctor RUN --samples` and "
             "--apply list them"},
    {"data", "resize", "", INT(data.resize), FROM_TO(0, 4096), .fallback = "0",
     .help = "images are scaled and cropped to this many pixels square when read; 0: all have one size already"},
    {"data", "shuffle", "", BOOL(data.shuffle), .fallback = "true",
     .help = "a new order every epoch, a function of train.seed and the epoch"},
    {"data", "memory", "", INT(data.memory), FROM_TO(0, MANY), .fallback = "0",
     .help =
         "MiB of images held in memory; a larger data set is read again every epoch, decoded ahead of the training; "
         "0: half of what is free"},
    {"data", "device_share", "", REAL(data.device_share), FROM_TO(0, 1), .fallback = "0.5",
     .help = "on a GPU: images stay in its memory if they take at most this share of what the network leaves free; "
             "larger sets are sent batch by batch, with the same results"},
    {"data", "cache", "", TEXT(data.cache), .fallback = "\"auto\"",
     .help = "packed copies made by `evenkeel pack`; auto: used where they lie beside the images and are up to date; "
             "off; or the folder they are in"},
    {"data", "on_error", "", ENUM(data.on_error, on_errors), .fallback = "stop",
     .help = "images that cannot be used: stop before training and name them, or skip them and list them in the run"},
    {"data", "threads", "workers num_workers", INT(data.threads), FROM_TO(0, 1024), .fallback = "0",
     .help = "threads that read and decode images; 0: as train.threads"},

    {"augment", "policy", "aug", ENUM(augment.policy, policies), .fallback = "none",
     .help = "values for those of the keys below that are not set themselves; docs/augmentation.md lists them"},
    {"augment", "hflip", "flip", REAL(augment.hflip), FROM_TO(0, 1), .fallback = "0",
     .help = "probability of a horizontal flip"},
    {"augment", "vflip", "flipud", REAL(augment.vflip), FROM_TO(0, 1), .fallback = "0",
     .help = "probability of a vertical flip"},
    {"augment", "rotate", "rotation degrees", REAL(augment.rotate), FROM_TO(0, 180), .fallback = "0",
     .help = "rotation by a random angle up to this many degrees either way"},
    {"augment", "translate", "", REAL(augment.translate), FROM_TO(0, 1), .fallback = "0",
     .help = "moved by up to this share of the side, each way, in whole pixels"},
    {"augment", "scale", "", LIST(augment.scale), ABOVE_TO(0, 10), .fallback = "[]",
     .help = "size times a random factor from the first to the second of two numbers; []: none"},
    {"augment", "shear", "", REAL(augment.shear), FROM_TO(0, 60), .fallback = "0",
     .help = "sheared sideways by a random angle up to this many degrees either way"},
    {"augment", "crop", "", INT(augment.crop), FROM_TO(0, 4096), .fallback = "0",
     .help = "side of the random crop (centre crop in evaluation), the network's input; 0: the whole image"},
    {"augment", "crop_padding", "padding", INT(augment.crop_padding), FROM_TO(0, 1024), .fallback = "0",
     .help = "pixels put around the image before the random crop"},
    {"augment", "padding_mode", "", ENUM(augment.padding_mode, paddings), .fallback = "constant",
     .help = "what they show: augment.fill, the edge pixel, or the image mirrored without or with its edge pixel"},
    {"augment", "fill", "", LIST(augment.fill), FROM_TO(0, 1), .fallback = "[0]",
     .help = "what rotation, translation and constant padding leave empty: one number in 0 … 1, or one per channel"},
    {"augment", "crop_area", "", LIST(augment.crop_area), ABOVE_TO(0, 1), .fallback = "[]",
     .help = "random resized crop: share of the image's area from the first to the second of two numbers; []: none"},
    {"augment", "crop_ratio", "", LIST(augment.crop_ratio), ABOVE_TO(0, 100), .fallback = "[0.75, 1.3333333]",
     .help = "random resized crop: width by height, from the first to the second number"},
    {"augment", "interpolation", "", ENUM(augment.interpolation, interpolations), .fallback = "bilinear",
     .help = "how an image is sampled that is rotated, scaled, sheared or resized"},
    {"augment", "brightness", "", REAL(augment.brightness), FROM_TO(0, 10), .fallback = "0",
     .help = "brightness times a random factor in 1 - x … 1 + x"},
    {"augment", "contrast", "", REAL(augment.contrast), FROM_TO(0, 10), .fallback = "0",
     .help = "contrast times a random factor in 1 - x … 1 + x"},
    {"augment", "saturation", "", REAL(augment.saturation), FROM_TO(0, 10), .fallback = "0",
     .help = "saturation times a random factor in 1 - x … 1 + x; of colour images"},
    {"augment", "hue", "", REAL(augment.hue), FROM_TO(0, 0.5), .fallback = "0",
     .help = "hue shifted by up to this share of the colour circle either way; of colour images"},
    {"augment", "grayscale", "greyscale", REAL(augment.grayscale), FROM_TO(0, 1), .fallback = "0",
     .help = "probability of losing all colour"},
    {"augment", "erase", "reprob random_erase", REAL(augment.erase), FROM_TO(0, 1), .fallback = "0",
     .help = "probability that a box is replaced by the mean (0 after normalisation)"},
    {"augment", "erase_area", "", LIST(augment.erase_area), ABOVE_TO(0, 1), .fallback = "[0.02, 0.33]",
     .help = "the box's share of the area, from the first to the second number"},
    {"augment", "erase_ratio", "", LIST(augment.erase_ratio), ABOVE_TO(0, 100), .fallback = "[0.3, 3.3]",
     .help = "the box's height by width, from the first to the second number"},
    {"augment", "mixup", "", REAL(augment.mixup), FROM_TO(0, 2), .fallback = "0",
     .help = "alpha of mixup: each image and label is mixed with another's, by Beta(alpha, alpha); 0: off"},
    {"augment", "cutmix", "", REAL(augment.cutmix), FROM_TO(0, 2), .fallback = "0",
     .help = "alpha of cutmix: a box comes from another image; with mixup: one of the two by chance; 0: off"},
    {"augment", "normalize", "normalise", ENUM(augment.normalize, normalizations), .fallback = "auto",
     .help =
         "auto: mean and std measured on the training images; given: augment.mean and .std (implied by them); none; "
         "image: each image by its own mean and deviation, which evens out light"},
    {"augment", "mean", "", LIST(augment.mean), FROM_TO(0, 1), .fallback = "[]",
     .help = "mean per channel of pixel values scaled to 0 … 1"},
    {"augment", "std", "", LIST(augment.std), ABOVE_TO(0, 1), .fallback = "[]",
     .help = "standard deviation per channel of pixel values scaled to 0 … 1"},

    {"model", "name", "model arch", ENUM(model.name, models), .fallback = "small_cnn",
     .help = "the network; custom: the [[layer]] sections"},
    {"model", "stem", "", ENUM(model.stem, stems), ONLY_WITH("model.name", "resnet18 resnet34 resnet50"),
     .fallback = "auto",
     .help = "first layers of a resnet: cifar keeps the size, imagenet divides it by 4; auto: cifar up to 64 pixels"},
    {"model", "width", "", INT(model.width), FROM_TO(1, 1024), ONLY_WITH("model.name", "small_cnn"), .fallback = "32",
     .help = "filters in the first stage of small_cnn; each further stage doubles them"},
    {"model", "hidden", "", INT(model.hidden), FROM_TO(0, 65536), ONLY_WITH("model.name", "mlp"), .fallback = "256",
     .help = "units in each of the two hidden layers of mlp; 0: none, a linear model"},
    {"model", "dropout", "", REAL(model.dropout), FROM_BELOW(0, 1), .fallback = "0",
     .help = "probability of dropping a unit before the last layer (mlp: after every hidden layer)"},
    {"model", "batch_norm", "", BOOL(model.batch_norm), ONLY_WITH("model.name", "small_cnn"), .fallback = "true",
     .help = "batch normalisation in small_cnn"},
    {"model", "init_scale", "", REAL(model.init_scale), FROM_TO(0, 1000), .fallback = "1",
     .help = "factor on the randomly drawn first weights; PyTorch's and torchvision's rules are 1"},
    {"model", "weights", "pretrained", TEXT(model.weights), .fallback = "\"\"",
     .help = "weights to start from: a .safetensors file under torchvision's names, or a run; a last layer of other "
             "classes is drawn anew; empty: all are drawn at random"},
    {"model", "freeze_before", "freeze", TEXT(model.freeze_before), .fallback = "\"\"",
     .help = "a layer, or the first part of its name (fc, layer4); all before it keep their weights and statistics and "
             "are computed as in evaluation; empty: all are trained"},

    {"optim", "name", "optimizer optimiser optim", ENUM(optim.name, optimizers), .fallback = "adam",
     .help = "how gradients become updates"},
    {"optim", "lr", "learning_rate lr0", REAL(optim.lr), ABOVE_TO(0, 1000), .fallback = "0.001",
     .help = "learning rate before schedule and warm-up"},
    {"optim", "momentum", "", REAL(optim.momentum), FROM_BELOW(0, 1), ONLY_WITH("optim.name", "sgd"), .fallback = "0.9",
     .help = "momentum of sgd"},
    {"optim", "nesterov", "", BOOL(optim.nesterov), .fallback = "false", .help = "Nesterov's form of sgd's momentum"},
    {"optim", "beta1", "", REAL(optim.beta1), FROM_BELOW(0, 1), ONLY_WITH("optim.name", "adam adamw"),
     .fallback = "0.9", .help = "adam, adamw: decay of the gradient's running mean"},
    {"optim", "beta2", "", REAL(optim.beta2), FROM_BELOW(0, 1), ONLY_WITH("optim.name", "adam adamw"),
     .fallback = "0.999", .help = "adam, adamw: decay of the squared gradient's running mean"},
    {"optim", "eps", "", REAL(optim.eps), ABOVE_TO(0, 1), ONLY_WITH("optim.name", "adam adamw"), .fallback = "1e-08",
     .help = "adam, adamw: added to the denominator"},
    {"optim", "weight_decay", "wd", REAL(optim.weight_decay), FROM_TO(0, 100), .fallback = "0",
     .help = "pull of the weights towards 0; adamw, when this is left out: 0.01"},
    {"optim", "decay", "", ENUM(optim.decay, decays), .fallback = "all",
     .help = "what weight_decay applies to: all (PyTorch's way), or the weights alone, not biases and norms"},
    {"optim", "clip_norm", "clip", REAL(optim.clip_norm), FROM_TO(0, 1e6), .fallback = "0",
     .help = "gradients with a larger global norm are scaled down to it; 0: off"},
    {"optim", "ema_decay", "ema", REAL(optim.ema_decay), FROM_BELOW(0, 1), .fallback = "0",
     .help = "decay of the running mean of the weights, which evaluation then uses; 0: off"},
    {"optim", "ema_warmup", "", BOOL(optim.ema_warmup), .fallback = "false",
     .help = "let the decay of the running mean grow from 0 over the first updates"},

    {"schedule", "name", "schedule scheduler lr_schedule", ENUM(schedule.name, schedules), .fallback = "constant",
     .help = "how the learning rate changes; plateau: lowered when the monitored value stops improving"},
    {"schedule", "warmup_epochs", "warmup", REAL(schedule.warmup_epochs), FROM_TO(0, 1e6), .fallback = "0",
     .help = "epochs of linear rise to optim.lr at the beginning; fractions allowed"},
    {"schedule", "warmup_start", "", REAL(schedule.warmup_start), FROM_TO(0, 1), .fallback = "0.01",
     .help = "share of optim.lr at which the rise begins"},
    {"schedule", "gamma", "", REAL(schedule.gamma), ABOVE_TO(0, 1), ONLY_WITH("schedule.name", "step"),
     .fallback = "0.1", .help = "step: the rate is multiplied by this"},
    {"schedule", "step_epochs", "step_size", INT(schedule.step_epochs), FROM_TO(1, MANY),
     ONLY_WITH("schedule.name", "step"), .fallback = "30", .help = "step: every so many epochs"},
    {"schedule", "min_lr", "", REAL(schedule.min_lr), FROM_TO(0, 1000), ONLY_WITH("schedule.name", "cosine plateau"),
     .fallback = "0", .help = "cosine: the rate at the end; plateau: never lowered below"},
    {"schedule", "monitor", "", ENUM(schedule.monitor, monitors), ONLY_WITH("schedule.name", "plateau"),
     .fallback = "val_loss", .help = "plateau: the value that should improve"},
    {"schedule", "mode", "", ENUM(schedule.mode, modes), ONLY_WITH("schedule.name", "plateau"), .fallback = "auto",
     .help = "plateau: min when smaller is better, max when larger is; auto: by the monitor"},
    {"schedule", "factor", "", REAL(schedule.factor), BETWEEN(0, 1), ONLY_WITH("schedule.name", "plateau"),
     .fallback = "0.1", .help = "plateau: the rate is multiplied by this"},
    {"schedule", "patience", "", INT(schedule.patience), FROM_TO(0, MANY), ONLY_WITH("schedule.name", "plateau"),
     .fallback = "10",
     .help = "plateau: epochs without improvement that are let pass; one more lowers the rate (PyTorch's rule)"},
    {"schedule", "threshold", "", REAL(schedule.threshold), FROM_TO(0, 1e6), ONLY_WITH("schedule.name", "plateau"),
     .fallback = "0.0001", .help = "plateau: what an improvement must exceed"},
    {"schedule", "threshold_mode", "", ENUM(schedule.threshold_mode, threshold_modes),
     ONLY_WITH("schedule.name", "plateau"), .fallback = "rel",
     .help = "plateau: rel: threshold is a share of the best value; abs: in units of the value"},
    {"schedule", "cooldown", "", INT(schedule.cooldown), FROM_TO(0, MANY), ONLY_WITH("schedule.name", "plateau"),
     .fallback = "0", .help = "plateau: epochs after a lowering in which none is counted as bad"},
    {"schedule", "eps", "", REAL(schedule.eps), FROM_TO(0, 1), ONLY_WITH("schedule.name", "plateau"),
     .fallback = "1e-08", .help = "plateau: a smaller change of the rate is not made"},

    {"early_stop", "monitor", "", ENUM(early_stop.monitor, monitors), .fallback = "val_loss",
     .help = "the value that should improve, and by which the best checkpoint is chosen"},
    {"early_stop", "mode", "", ENUM(early_stop.mode, modes), .fallback = "auto",
     .help = "min when smaller is better, max when larger is; auto: by the monitor"},
    {"early_stop", "patience", "", INT(early_stop.patience), FROM_TO(0, MANY), .fallback = "0",
     .help = "training stops at the patience-th epoch in a row without improvement; 0: never"},
    {"early_stop", "min_delta", "", REAL(early_stop.min_delta), FROM_TO(0, 1e6), .fallback = "0",
     .help = "an improvement must be larger than this"},
    {"early_stop", "restore_best", "", BOOL(early_stop.restore_best), .fallback = "true",
     .help = "end with the weights of the best epoch, not of the last"},

    {"train", "epochs", "num_epochs max_epochs epoch", INT(train.epochs), FROM_TO(1, MANY), .fallback = "30",
     .help = "passes over the training images"},
    {"train", "batch_size", "batch bs", INT(train.batch_size), FROM_TO(1, 1 << 20), .fallback = "32",
     .help = "images per forward and backward pass"},
    {"train", "accumulate", "", INT(train.accumulate), FROM_TO(1, 1 << 16), .fallback = "1",
     .help = "passes whose gradients are averaged into one update; an update sees batch_size times this many images"},
    {"train", "max_steps", "", INT64(train.max_steps), FROM_TO(0, 1e15), .fallback = "0",
     .help = "stop after so many updates; 0: train.epochs decides"},
    {"train", "min_steps", "", INT64(train.min_steps), FROM_TO(0, 1e9), .fallback = "0",
     .help = "epochs are added until there are so many updates: for batches so large that train.epochs gives too few"},
    {"train", "seed", "", INT64(train.seed), FROM_TO(0, 9007199254740991.0), .fallback = "0",
     .help = "of all random numbers: order, augmentation, first weights, dropout"},
    {"train", "label_smoothing", "smoothing", REAL(train.label_smoothing), FROM_BELOW(0, 1), .fallback = "0",
     .help = "share of the target spread evenly over all classes, in training only"},
    {"train", "balance", "", BOOL(train.balance), .fallback = "false",
     .help = "rare classes count as much as frequent ones: while training, the logarithm of a class's share of the "
             "images is added to its output (Menon et al. 2021); training's loss and accuracy are with it, "
             "validation's without"},
    {"train", "precision", "dtype", ENUM(train.precision, precisions), .fallback = "auto",
     .help = "of activations and weight copies; auto: bf16 where the hardware has it, else fp32; fp16 (cuda alone) "
             "scales the loss by itself"},
    {"train", "tf32", "", BOOL(train.tf32), .fallback = "false",
     .help = "in fp32 on a GPU: convolutions and products may round what they multiply to 10 bits (TF32)"},
    {"train", "deterministic", "", BOOL(train.deterministic), .fallback = "true",
     .help =
         "the same run gives the same bits again; false: libraries of a GPU may also use what is faster without that"},
    {"train", "device", "", TEXT(train.device), .fallback = "\"auto\"",
     .help = "auto, cpu, cuda or cuda:N; `evenkeel devices` lists them"},
    {"train", "threads", "threads", INT(train.threads), FROM_TO(0, 1024), .fallback = "0",
     .help = "threads of the cpu device; 0: all CPUs this process may use"},
    {"train", "bad_steps", "", INT(train.bad_steps), FROM_TO(1, MANY), .fallback = "10",
     .help = "so many steps in a row with a non-finite loss or gradient end the run; with fp16, those that only "
             "halve the loss scale do not count"},

    {"train", "autopilot", "", BOOL(train.autopilot), .fallback = "false",
     .help = "when training diverges, go back to the last good epoch with a fourth of the rate, up to five times (also "
             "train --autopilot)"},

    {"stats", "enabled", "", BOOL(stats.enabled), .fallback = "true",
     .help = "false: of a step only loss, correct images and the gradient's norm are known, and neither layers.csv, "
             "samples.csv nor the noise scale: to see what statistics cost"},
    {"stats", "console_seconds", "", INT(stats.console_seconds), FROM_TO(1, MANY), .fallback = "30",
     .help = "a progress line this often when stderr is no terminal"},
    {"stats", "steps_every", "", INT(stats.steps_every), FROM_TO(1, MANY), .fallback = "1",
     .help = "every so many steps a row goes to steps.csv; above 1 the doctor, autopilot and what is said of the "
             "jitter see fewer"},
    {"stats", "layers_every", "", INT(stats.layers_every), FROM_TO(0, MANY), .fallback = "256",
     .help =
         "every so many steps rows for all layers go to layers.csv, at the price of one more forward pass; 0: never"},
    {"stats", "noise_every", "", INT(stats.noise_every), FROM_TO(0, MANY), .fallback = "256",
     .help =
         "the gradient's noise scale is measured every so many steps, twice as often at first, at the price of one "
         "more "
         "forward and backward pass each; with train.accumulate eight times as often at next to no price; 0: never"},
    {"stats", "noise_least", "", INT(stats.noise_least), FROM_TO(0, MANY), .fallback = "0",
     .help = "a run whose epochs are too short for so many measurements of the noise scale is measured more often, up "
             "to "
             "every step; the scale needs 8; 0: stats.noise_every alone decides"},
    {"stats", "tensorboard", "", BOOL(stats.tensorboard), .fallback = "false",
     .help = "also write an event file that TensorBoard shows"},

    {"run", "dir", "", TEXT(run.dir), .fallback = "\"runs\"", .help = "the folder that holds the run directories"},
    {"run", "name", "", TEXT(run.name), .fallback = "\"\"",
     .help = "of the run directory; empty: the config file's name without .ini"},
    {"run", "checkpoint_epochs", "", INT(run.checkpoint_epochs), FROM_TO(1, MANY), .fallback = "1",
     .help = "save every so many epochs"},
    {"run", "checkpoint_steps", "", INT64(run.checkpoint_steps), FROM_TO(0, 1e15), .fallback = "0",
     .help = "also save every so many updates; 0: only at the end of epochs"},
};
const int schema_key_count = COUNT_OF(schema_keys);
static_assert(COUNT_OF(schema_keys) <= SCHEMA_KEYS_MAX, "SCHEMA_KEYS_MAX");
static_assert(sizeof(enum model_kind) == sizeof(int), "enums are stored as int");

bool word_in(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at && *at && length;) {
        size_t one = strcspn(at, " ");
        if (one == length && memcmp(at, word, length) == 0)
            return true;
        at += one + (at[one] == ' ');
    }
    return false;
}

int schema_sections(const char *names[static SECTIONS_MAX])
{
    int count = 0;
    for (int i = 0; i < schema_key_count; i++)
        if (i == 0 || strcmp(schema_keys[i].section, schema_keys[i - 1].section) != 0)
            names[count++] = schema_keys[i].section;
    assert(count <= SECTIONS_MAX);
    return count;
}

static bool key_answers_to(const struct key *key, const char *name)
{
    return strcmp(key->name, name) == 0 || word_in(key->aliases, name);
}

int schema_find(const char *section, const char *name)
{
    for (int i = 0; i < schema_key_count; i++)
        if (strcmp(schema_keys[i].section, section) == 0 && key_answers_to(&schema_keys[i], name))
            return i;
    return -1;
}

int schema_find_full(const char *full)
{
    char section[32];
    const char *dot = strchr(full, '.');
    if (!dot || (size_t)(dot - full) >= sizeof section)
        return -1;
    memcpy(section, full, (size_t)(dot - full));
    section[dot - full] = 0;
    return schema_find(section, dot + 1);
}

int schema_find_bare(const char *name, int found[static SECTIONS_MAX])
{
    int count = 0;
    for (int i = 0; i < schema_key_count; i++)
        if (word_in(schema_keys[i].aliases, name)) {
            found[0] = i; /* an alias names one key and no other */
            return 1;
        }
    for (int i = 0; i < schema_key_count && count < SECTIONS_MAX; i++)
        if (strcmp(schema_keys[i].name, name) == 0)
            found[count++] = i;
    return count;
}

/* config: every knob of a run, from one schema table. The same table feeds parsing, help, defaults, suggestions,
 * completion and the resolved copy.
 * Level 3: includes backend (for optimizer and interpolation kinds). */
#ifndef CONFIG_H
#define CONFIG_H
#include "backend.h"
#include <stdio.h>

enum { CONFIG_TEXT = 1024, CONFIG_LAYERS = 256, CONFIG_KEY = 96 };

enum model_kind { MODEL_SMALL_CNN, MODEL_MLP, MODEL_RESNET18, MODEL_RESNET34, MODEL_RESNET50, MODEL_CUSTOM };
enum stem_kind { STEM_AUTO, STEM_CIFAR, STEM_IMAGENET }; /* auto: cifar for inputs up to 64 pixels */
enum on_error { ON_ERROR_STOP, ON_ERROR_SKIP };
enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_STEP, SCHEDULE_COSINE, SCHEDULE_PLATEAU };
enum monitor_kind { MONITOR_VAL_LOSS, MONITOR_VAL_ACCURACY, MONITOR_TRAIN_LOSS };
enum precision_kind { PRECISION_AUTO, PRECISION_FP32, PRECISION_BF16, PRECISION_FP16 };
enum monitor_mode { MODE_AUTO, MODE_MIN, MODE_MAX }; /* auto: min for a loss, max for an accuracy */
enum threshold_mode { THRESHOLD_REL, THRESHOLD_ABS };
enum decay_kind { DECAY_WEIGHTS, DECAY_ALL };
enum policy_kind { POLICY_NONE, POLICY_LIGHT, POLICY_STANDARD, POLICY_STRONG }; /* presets of augment.* */
enum normalize_kind {
    NORMALIZE_AUTO,
    NORMALIZE_GIVEN,
    NORMALIZE_NONE,
    NORMALIZE_IMAGE
}; /* auto: measured on the
      training set */

/* One [[layer]] section of one's own network, in file order. Unset integers are -1. */
struct config_layer {
    int line;
    char type[24]; /* conv, linear, norm, relu, max_pool, avg_pool, global_pool, dropout, add, flatten */
    char name[64]; /* given, or "<type><number>" */
    char
        from[64]; /* add: name of the earlier layer to add; others: input taken from that layer; "": the layer before */
    int filters, units, kernel, stride, pad, groups;
    bool bias, bias_set, relu;
    float rate;
};

struct config {
    char name[128]; /* run.name, or the file's base name without .ini, or "run" */
    char file[CONFIG_TEXT];
    struct {
        char train[CONFIG_TEXT], val[CONFIG_TEXT], leave_out[CONFIG_TEXT];
        double val_fraction; /* of train, when val is empty */
        int resize;
        bool shuffle;
        char cache[CONFIG_TEXT];
        int memory;          /* MiB; 0: half of what is free */
        double device_share; /* of the device's free memory, for images */
        enum on_error on_error;
        int threads;
    } data;
    struct {
        enum policy_kind policy;
        double hflip, vflip, rotate, translate, shear, scale[4];
        int scale_count;
        int crop, crop_padding;
        enum padding padding_mode;
        double fill[4], crop_area[4], crop_ratio[4];
        int fill_count, crop_area_count, crop_ratio_count; /* crop_area_count 0: crops are not resized */
        enum interpolation interpolation;
        double brightness, contrast, saturation, hue, grayscale;
        double erase, erase_area[4], erase_ratio[4];
        int erase_area_count, erase_ratio_count;
        double mixup, cutmix;
        enum normalize_kind normalize;
        double mean[4], std[4];
        int mean_count, std_count;
    } augment;
    struct {
        enum model_kind name;
        enum stem_kind stem;
        int width;
        int hidden;
        double dropout, init_scale;
        bool batch_norm;
        char weights[CONFIG_TEXT];       /* what training starts from; "": weights drawn at random */
        char freeze_before[CONFIG_TEXT]; /* layers before it are held still; "": none */
    } model;
    struct config_layer *layers;
    int layer_count;
    struct {
        enum optimizer_kind name;
        double lr, momentum, beta1, beta2, eps, weight_decay, clip_norm, ema_decay;
        bool nesterov, ema_warmup;
        enum decay_kind decay;
    } optim;
    struct {
        enum schedule_kind name;
        double warmup_epochs, warmup_start, gamma, min_lr;
        int step_epochs;
        enum monitor_kind monitor; /* plateau */
        enum monitor_mode mode;
        enum threshold_mode threshold_mode;
        double factor, threshold, eps;
        int patience, cooldown;
    } schedule;
    struct {
        enum monitor_kind monitor;
        enum monitor_mode mode;
        int patience; /* 0: off */
        double min_delta;
        bool restore_best;
    } early_stop;
    struct {
        int epochs, batch_size, accumulate, bad_steps, threads;
        int64_t max_steps, min_steps; /* 0: none */
        bool autopilot;
        int64_t seed;
        double label_smoothing;
        bool balance;
        enum precision_kind precision;
        bool tf32, deterministic;
        char device[32];
    } train;
    struct {
        bool enabled;        /* steps measure what training itself does not need */
        int console_seconds; /* a plain line at least this often when stderr is no terminal */
        int steps_every;     /* rows of steps.csv */
        int layers_every;    /* steps between two sets of rows of layers.csv; 0: none */
        int noise_every;     /* steps between two measurements of the gradient noise scale; 0: none */
        int noise_least;     /* measurements of a short run, which is measured more often for them */
        bool tensorboard;    /* an event file too */
    } stats;
    struct {
        char dir[CONFIG_TEXT];    /* runs are folders in it */
        char name[128];           /* "": the config's name */
        int64_t checkpoint_steps; /* also save every so many steps; 0: only at the end of epochs */
        int checkpoint_epochs;
    } run;
    const int *origin; /* where each key was set, as mistakes.h counts; NULL: nowhere */
    struct arena arena;
};

/* Defaults, then the file (NULL: none), then overrides "section.key=value", or "key=value" where one key alone has that
 * name or alias (lr, bs, wd, epochs …). What was left out and follows from the rest is filled in: run.name from the
 * file, normalize = given when mean and std are there, adamw's weight decay. data.train may be empty: not every command
 * needs it. ERR_CONFIG: all mistakes have been printed to errors ("file:line: error: section.key: what; expected …",
 * overrides as "command line: error: …"), fail_text is their summary. ERR_NO_INPUT: the file cannot be read.
 * config_free accepts a zeroed struct and what a failed load left. */
int config_load(struct config *config, const char *file, const char *const *overrides, int override_count,
                FILE *errors);
void config_free(struct config *config);

/* Whether training images are changed at random. */
bool config_augments(const struct config *config);
/* The largest share of units that a layer drops while it trains, whether model.dropout or a [[layer]] says so; 0: none
 * does. */
double config_dropout(const struct config *config);
/* Makes that 0. */
void config_drop_nothing(struct config *config);
/* The place in layers of the rectifier that the network's answers pass through: the last layer that computes is one, or
 * ends with one. -1: there is none. */
int config_rectified_answer(const struct config *config);
/* Keys that change training images, each by itself, and keys that mix them or soften their labels; NULL ends them.
 * Without augment.crop, which is the side of the network's input as well. */
extern const char *const config_augmentations[], *const config_mixtures[];
/* The default of "section.key", as a file has it; NULL: no such key. */
const char *config_fallback(const char *name);
/* Whether one of keys (NULL ends them) is not at its default. */
bool config_sets_any(const struct config *config, const char *const *keys);

/* Writes every key and layer, as a file that loads to the same config (its file and layers' lines aside). Errors of the
 * stream: ERR_IO. */
int config_write(const struct config *config, FILE *stream);

/* One line per key: name, type, default, range, help. */
void config_print_defaults(FILE *stream, bool markdown);
/* "section.key" of every key, one per line, and values of enums as "section.key=value"; for completion. */
void config_print_keys(FILE *stream);
/* Value of "section.key" as it would be written. false: no such key. */
bool config_get(const struct config *config, const char *key, char *text, size_t bytes);
/* The same without the quotes of a word; "": no such key. Returns text. */
const char *config_word(const struct config *config, const char *key, char *text, size_t bytes);
/* "section.key" of what an override may call "lr". false: no key, or one of several. */
bool config_find_key(const char *name, char key[static CONFIG_KEY]);

/* Says one sentence for each setting that is allowed and still cannot do what it was probably set for (early stopping
 * that ends a run before its plateau schedule acts, …). Returns how many. */
int config_advise(const struct config *config,
                  void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))));
/* The same of what shows where the steps of an epoch are known. */
int config_advise_steps(const struct config *config, int64_t steps_per_epoch,
                        void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2))));
#endif

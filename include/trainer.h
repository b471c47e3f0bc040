/* trainer: a whole run from config to verdict, its evaluation and prediction.
 * Level 6: includes everything below. */
#ifndef TRAINER_H
#define TRAINER_H
#include "check.h"
#include "checkpoint.h"
#include "config.h"
#include "data.h"
#include "loader.h"
#include "mistakes.h"
#include "run.h"
#include "samples.h"
#include "schedule.h"

#include <signal.h>

/* ---- a session: config, data and network bound to a device ---- */

/* What a trained model expects and answers. Kept in the metadata of every model.safetensors, so that a model can be
 * used without the data and the config it was trained with. */
struct model_card {
    struct shape image; /* stored images, {1, h, w, c} */
    int class_count;
    const char **class_names;
    double mean[4], std[4]; /* per channel, of values in 0..1 */
    bool by_image;          /* each image is normalised by its own; these are of all training images */
};

/* A data set, and where the device reads it. */
struct source {
    struct dataset data;
    const void *pixels, *labels; /* placed; pixels NULL where streamed */
    bool streamed;               /* the device does not hold the images: they come batch by batch */
};
/* A choice of samples of a source. */
struct part {
    struct subset subset;
    const struct source *source; /* NULL: there is none (no validation images) */
    int32_t *order;              /* device memory [subset.count]: position -> sample */
};

/* Everything held open, in the order it was opened. Parts point into the session: it must not be moved. */
struct session {
    const struct config *config; /* the caller's */
    struct arena arena;
    const struct backend *backend;
    struct device *device;
    struct source train_source, val_source; /* val_source is empty when the split is from train_source */
    struct part train, val;
    struct model_card card;
    const char *const *metadata; /* of checkpoints: key, value, …, NULL */
    const char *started_from;    /* in words: the file of the first weights, and which were drawn; NULL: all */
    enum dtype dtype;
    struct graph graph;
    struct plan plan;
    const void *class_offsets;       /* device memory, for train.balance; NULL: not wanted so far */
    struct loader *loader;           /* NULL: no source is streamed */
    const struct source *batches_of; /* of the last batches_begin */
};

/* Device, data, normalisation, network with drawn weights, plan: ready for the first step. What of the config cannot be
 * had with the images has been told on stderr, all of it, before they are read (ERR_CONFIG). On failure what was opened
 * stays for session_close, which accepts a zeroed or half-built struct. */
int session_open(struct session *session, const struct config *config);
/* Data and normalisation alone, without device or network. errors: as for mistakes_tell. */
int session_open_data(struct session *session, const struct config *config, FILE *errors);
/* The first part of it: which images there are, and what of the config cannot be had with them; device: and with the
 * device, which is opened. A session that has found images and device before, for a config whose [data] and device are
 * the same, judges this config beside those. */
int session_look(struct session *session, const struct config *config, bool device, FILE *errors);
/* What check_images should look at, all of it; points into the session. */
void session_check_input(const struct session *session, struct check_input *input);
/* Network with drawn weights and plan anew, for another config on the same device and data: what it says of data and
 * device is not looked at. */
int session_rebind(struct session *session, const struct config *config);
/* Puts the weights that model.weights names over the drawn ones; the file must be there. None is named: nothing. */
int session_start_weights(struct session *session);
/* Device, network and training plan for images of this shape, without data or weights. */
int session_open_bare(struct session *session, const struct config *config, struct shape image, int class_count);
/* The same as session_open, with so many training images of noise for data. */
int session_open_noise(struct session *session, const struct config *config, struct shape image, int class_count,
                       int64_t count);
/* For evaluation only: network and weights of a checkpoint folder, no data. batch: rows of the plan. */
int session_open_model(struct session *session, const struct config *config, const char *checkpoint, int batch);
/* Adds data to such a session as session->val: path, or NULL for the run's own validation set. */
int session_open_val(struct session *session, const char *path);
void session_close(struct session *session);
/* What train.precision means on a device: auto is bf16 only where that is in hardware. ERR_UNSUPPORTED: the device
 * cannot compute in what was named. */
int session_dtype(enum precision_kind precision, const struct backend *backend, const struct device *device,
                  enum dtype *dtype);

/* What the config, which must have been judged, does to the images of a card, in training (random) or evaluation. */
void augmentation_make(struct augment *augment, const struct config *config, const struct model_card *card,
                       bool random);
/* One number for all channels, or one for each. */
void augmentation_numbers(double to[static 4], const double *given, int count, int channels);

/* Fills session->metadata from its card. */
void card_make_metadata(struct session *session);
/* Reads the card of a checkpoint folder; names and numbers live in the arena. */
int card_read(struct model_card *card, struct arena *arena, const char *checkpoint);
/* dataset_adopt_classes for data to use a model on. */
void card_adopt_classes(const struct model_card *card, struct dataset *data);
/* Data to use a model on must have its classes and image shape; source names the model in errors. */
int card_match(const struct model_card *card, const char *source, const struct dataset *data);
int card_match_shape(struct shape image, const char *source, const struct dataset *data);

/* ---- batches: wherever the images lie ---- */

/* From here on the plan's batches are the positions [first, end) of an order of the source's samples,
 * plan.options.batch at a time: order in device memory, host_order the same in host memory, which must stay as it is
 * until the next batches_begin or batches_rest. */
int batches_begin(struct session *session, const struct source *source, const int32_t *order, const int32_t *host_order,
                  int64_t first, int64_t end);
/* Reads no image more: host_order is the caller's again, to be filled anew or given back. */
void batches_rest(struct session *session);
/* Before each plan_train_batch and plan_eval_batch, in order: control says where the batch's images lie. Waits for
 * images that are not there yet; the error names one that cannot be read any more. */
int batch_next(struct session *session, struct step_control *control);
/* After it. */
int batch_queued(struct session *session, const struct step_control *control);
/* Like batch_next, for a batch that was run before, by its control. The order goes on as if nothing had been. */
int batch_again(struct session *session, const int32_t *host_order, struct step_control *control);
/* Seconds spent waiting for images so far. */
double batches_waited(const struct session *session);

/* ---- evaluation ---- */

struct evaluation {
    double loss, accuracy, accuracy5; /* shares 0..1; loss is unsmoothed cross-entropy, the mean over samples */
    double loss_error;                /* standard error of that mean: of drawing these images */
    int64_t samples, nonfinite;
};
enum { EVALUATE_DONE, EVALUATE_STOPPED };
/* Every sample of the part once, with the plan's weights. judgements: [part->subset.count], in its order, or NULL.
 * stop: looked at between batches, may be NULL; EVALUATE_STOPPED leaves *evaluation untouched. */
int evaluate_part(struct session *session, const struct part *part, struct judgement *judgements,
                  const volatile sig_atomic_t *stop, struct evaluation *evaluation);
/* Class probabilities of images as a data set would hold them. pixels: [count][h][w][c]; probabilities:
 * [count][class_count]. */
int evaluate_images(struct session *session, const uint8_t *pixels, int count, float *probabilities);

/* ---- training ---- */

struct train_request {
    const char *file;   /* config file of a new run, or NULL */
    const char *resume; /* run directory to go on with, or NULL */
    const char *const *overrides;
    int override_count;
    int argc; /* the command line, for env.json */
    char **argv;
};
struct train_result {
    char path[PATH_BYTES]; /* run directory; "" before there is one */
    int stopped_by;        /* signal that ended the run early, or 0 */
    int64_t epoch;         /* epochs done */
    int64_t best_epoch;    /* from 1; 0: none */
    struct evaluation best;
};
/* Trains until the epochs, max_steps or early stopping end it, a signal stops it (state saved), or it fails.
 * ERR_TRAINING: diverged; the run directory says FAILED and why. */
int train_run(const struct train_request *request, struct train_result *result);

/* Loads the resolved config of a run directory. Relative paths of images that are not here are taken from the folder
 * where the run was trained. ERR_NO_INPUT: not a run. */
int train_load_config(struct config *config, const char *run, const char *const *overrides, int override_count);
/* Checkpoint folder of a run: which is "best", "last", or NULL for best where early_stop.restore_best says so and it
 * exists. */
int train_find_checkpoint(const struct config *config, const char *run, const char *which,
                          char path[static PATH_BYTES]);

/* ---- signals ---- */
/* The signal that asked for an end, or 0. */
extern volatile sig_atomic_t signal_caught;
/* saves: there is something that notices them, and a second SIGINT ends the process at once. Else they end it at once
 * with the status they would have with it: nothing needs saving before the first step. */
void signals_begin(bool saves);
void signals_end(void); /* also where they were never begun */
#endif

/* plan: a graph bound to a device. All device memory is taken here, a step takes none. Also the order of one step.
 * Level 3: includes backend, graph. */
#ifndef PLAN_H
#define PLAN_H
#include "backend.h"
#include "graph.h"
#include <stdio.h>

struct plan_options {
    int batch;
    enum dtype dtype;
    bool training;            /* false: forward only; no gradients, moments, EMA */
    bool deterministic, tf32; /* as in op_desc */
    bool accumulate;          /* gradients of several batches are summed before an update */
    bool ema;
    bool private_buffers; /* no two activations share memory: slower, larger, for finding what sharing broke */
    bool apart;           /* no two operations are joined: slower, for finding what joining broke */
    bool decay_all;       /* weight decay on biases and norms too (torch's default); else only on weights of rank > 1 */
    int64_t samples;      /* of the data set, each of which is remembered in SLAB_SAMPLES; 0: none is */
    bool survey;          /* plan_survey_* will be called */
    bool unmeasured; /* what a step says of itself is what training cannot do without: the loss, what was right, the
                        gradient's norm; no sketches, samples, survey, plan_half_batch */
    float weight_decay;
    float smoothing;
    const float *class_offsets; /* device memory [classes], the caller's: added to the logits while training; NULL: none
                                 */
    struct update_args
        update;         /* kind, momentum, nesterov, betas, epsilon, clip_norm, grad_scale; the plan fills the rest */
    struct shape image; /* stored images */
    struct augment augment_train, augment_eval;
};

/* One allocation, by purpose. */
enum slab_kind {
    SLAB_PARAM,
    SLAB_LOW,
    SLAB_GRAD,
    SLAB_GRAD_SUM,
    SLAB_MOMENT1,
    SLAB_MOMENT2,
    SLAB_EMA,
    SLAB_STATE,
    SLAB_STATE_EMA,
    SLAB_ACTIVATION, /* the network's input, activations, their gradients, what operations save; shared by liveness */
    SLAB_SCRATCH,
    SLAB_BATCH,
    SLAB_SURVEY,  /* of plan_survey_begin: weights and states before a step, sums of each layer */
    SLAB_SAMPLES, /* struct sample_stats by sample number */
    SLAB_SKETCH,  /* of gradients and updates: update_args.sketches */
    SLAB_COUNT
};
struct slab {
    void *memory;
    size_t bytes;
};
extern const char *const slab_names[SLAB_COUNT];

/* Where a graph value lies. */
struct plan_value {
    int node, weight;     /* weights: the node that owns it and its number there */
    int64_t first, count; /* weights: elements of the flat arrays (parameters or states), in the backend's own layout */
    bool low;             /* weights: operations read the low-precision copy */
    size_t offset, bytes; /* activations: in SLAB_ACTIVATION */
    bool wants_grad;      /* something that is trained lies before it */
    size_t grad_offset;   /* activations that want a gradient */
};

/* A value read by several nodes: the first in backward order writes the gradient, each further one adds to it
 * (plan_join.adds), or writes here and is added; or, where it takes the value's normalisation, reads what was there and
 * leaves the whole here. */
struct plan_sum {
    int node, slot, value;
    bool met;
    size_t offset;
};

/* Which normalisations a node does work of, which rectifier and which pooling (op_needs); -1: none. */
struct plan_join {
    int gives_sums_to, takes, makes, remakes, rectifies, pools;
    bool adds; /* it adds its first input's gradient to that of a reader before it in backward order */
};

/* Steps whose records are kept: those under way, and as many that nobody has read yet. */
enum { PLAN_RECORDS = 8 * BACKEND_LEAD };

/* What the queued work of a batch depends on besides memory: each is recorded for itself. */
enum batch_kind {
    BATCH_EVAL,
    BATCH_MIDDLE,
    BATCH_FIRST,
    BATCH_LAST,
    BATCH_WHOLE,
    BATCH_HALF,
    BATCH_AHEAD,
    BATCH_SETTLE,
    BATCH_KINDS
};

struct plan {
    const struct graph *graph;
    const struct backend *backend;
    struct device *device;
    struct plan_options options;
    bool sizes_only; /* by plan_measure: nothing can be run */
    struct arena arena;
    struct slab slabs[SLAB_COUNT];
    void **states;                  /* per node: what the operation prepared */
    struct op_call *calls;          /* per node */
    struct plan_join *joins;        /* per node */
    struct plan_value *values;      /* per graph value */
    struct plan_sum *gradient_sums; /* in backward order */
    int gradient_sum_count;
    int input_channels;               /* of the network's input in memory: op_needs.in_channels */
    int64_t param_count, state_count; /* elements of the flat arrays, padding included */
    int64_t held_count;               /* parameters at their beginning that are of layers held still */
    struct update_args update;
    struct gather_args gather;
    struct image_source source; /* by plan_set_data, plan_set_feed */
    struct loss_args loss;
    struct step_control *control;        /* device memory, in SLAB_BATCH like all below */
    struct loss_sums *sums, *aside_sums; /* aside_sums: of plan_half_batch and plan_look_ahead */
    struct step_record *records;         /* shared memory [PLAN_RECORDS], by step; NULL without training */
    struct recording *recordings[BATCH_KINDS];
    struct sample_stats *val_seen; /* [val_images] what evaluation saw of validation's images: the host's, kept in */
    int64_t val_images;            /* checkpoints with what training saw of its own; 0: it is not kept */
};

int plan_build(struct plan *plan, const struct graph *graph, const struct backend *backend, struct device *device,
               const struct plan_options *options);
/* Whether this node is computed as in training, and its weights, if it has any, are trained. */
bool plan_trains(const struct plan *plan, int node);
void plan_free(struct plan *plan); /* accepts a zeroed struct */

/* Prints slabs with bytes and, verbose, every value's place. */
void plan_print(const struct plan *plan, FILE *stream, bool verbose);
size_t plan_bytes(const struct plan *plan);
/* Device memory that such a plan takes at most; takes none itself. */
int plan_measure(const struct graph *graph, const struct backend *backend, struct device *device,
                 const struct plan_options *options, size_t *bytes);

/* Which images the next batches come from: device memory; order is the position -> sample table. */
void plan_set_data(struct plan *plan, const uint8_t *pixels, const int32_t *labels, const int32_t *order);
/* The same with images that come through a feed, whose slots hold a batch each: control->slot says which. */
void plan_set_feed(struct plan *plan, const struct feed *feed, const int32_t *labels, const int32_t *order);

/* Queues one training batch: gather, forward, loss, backward[, sum]. With last: norm, update, commit, record. No
 * waiting but for steps long past (backend.pace), no allocation after each kind of batch has been there a few times.
 * Running statistics follow every good batch: of a step that is refused for a later batch, those before it have been
 * taken over. */
int plan_train_batch(struct plan *plan, const struct step_control *control, bool first, bool last);
/* Before such a batch, with the same control, whose noise is NOISE_OF_HALF: forward and backward for the gradient of
 * its first half alone, so that the step can say how noisy its gradient is. Weights, states and what is remembered of
 * samples stay as they are. */
int plan_half_batch(struct plan *plan, const struct step_control *control);
/* Before the first batch of a step whose control has ahead, after plan_half_batch: a forward pass of a batch of the
 * next step, with its control, so that the record has the loss that it has before this step. first: of the next step's
 * batches. Leaves everything else as it is. */
int plan_look_ahead(struct plan *plan, const struct step_control *next, bool first);
/* Between two steps: a forward pass of a training batch that running statistics follow, and nothing else does. They lag
 * behind weights that move; after n batches with the weights held still, 0.9^n of the lag is left (momentum 0.1). */
int plan_settle_batch(struct plan *plan, const struct step_control *control);
/* The statistics of each layer about one step. begin, before the step's first batch and with its control: a forward
 * pass more, whose activations are surveyed, and a copy of the weights; end, after its last batch. Both queue work and
 * leave the step as it would be. */
int plan_survey_begin(struct plan *plan, const struct step_control *control);
int plan_survey_end(struct plan *plan);
/* Of one node. NaN: it has no weights, is no normalisation, is held still, or the step was refused. */
struct layer_stats {
    float weight_norm, grad_norm, update_norm; /* over all its parameters; the gradient before clipping */
    float mean, deviation, positive;           /* of its output; positive: share of values above 0 */
    float dead;                                /* share of channels without a value above 0 in the whole batch */
    float mean_gap;     /* normalisation: RMS over channels of (batch mean - running mean) / running deviation */
    float variance_gap; /* RMS of log(batch variance / running variance); both NaN with accumulated batches */
};
/* layers: [node_count]; record: the step's. Waits. */
int plan_survey_read(struct plan *plan, const struct step_record *record, struct layer_stats *layers);
size_t plan_survey_bytes(const struct plan *plan); /* of the slab */
/* The record of one of the last PLAN_RECORDS steps, if it is there yet; after backend.wait it is. Does not wait. */
bool plan_record(const struct plan *plan, int64_t step, struct step_record *record);
/* Queues one evaluation batch: gather, forward, unsmoothed loss added to sums. Weights stay as they are. */
int plan_eval_batch(struct plan *plan, const struct step_control *control);
/* Parts of a step, for those who set input and labels themselves (tests, probes): every node forward, from what lies in
 * gather.out; every node backward, from the logits' gradient. */
int plan_forward(struct plan *plan, bool training);
int plan_backward(struct plan *plan);
int plan_clear_sums(struct plan *plan);
int plan_read_sums(struct plan *plan, struct loss_sums *sums); /* waits */

/* What the last batch was taken for, row by row; each may be NULL. probabilities: [batch][classes]. Waits. */
int plan_read_batch(struct plan *plan, int32_t *samples, int32_t *predictions, float *losses, float *probabilities);

/* A weight in host memory, canonical layout, from or to one of PARAM, GRAD, MOMENT1, MOMENT2, EMA (params), STATE,
 * STATE_EMA (states). Both wait. Writing PARAM also renews the low-precision copy. */
int plan_read_weight(struct plan *plan, enum slab_kind slab, int value, float *canonical);
int plan_write_weight(struct plan *plan, enum slab_kind slab, int value, const float *canonical);
/* A whole slab in host memory, as it lies on the device: what only the same backend can read again. Both wait. */
int plan_read_slab(struct plan *plan, enum slab_kind slab, void *to);
int plan_write_slab(struct plan *plan, enum slab_kind slab, const void *from);
/* Draws all weights from the seed (init rules of the values); zeroes moments; begins step_kept anew; EMA starts as a
 * copy. */
int plan_init_weights(struct plan *plan, uint64_t seed);
/* As the last record has it: when a run goes on. */
int plan_set_kept(struct plan *plan, struct step_kept kept);
/* Exchanges parameters and states with their EMA. Twice is nothing. */
int plan_swap_ema(struct plan *plan);

/* After a refused step: runs that batch again, node by node, and names the first tensor that is not finite
 * ("the output of layer2.0.bn1 (forward; 3 of 512 values)"). Returns 1 then; 0 where there is none, as when only the
 * sum over accumulated batches overflowed, and text is left alone. Weights and states stay as they are; plan_read_batch
 * then tells of that batch. */
int plan_find_nonfinite(struct plan *plan, const struct step_control *control, char *text, size_t bytes);
#endif

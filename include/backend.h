/* backend: the seam between the host and a device. A backend is one const table; each operation is one const table.
 * Level 2: includes op, augment, random. Vendor-free.
 *
 * Pointers called "device memory" come from alloc or place and are never read by the host. Calls are queued in order on
 * the device's one queue and may return before the work is done; wait() is the only call that waits, and it is never
 * called inside a training step. Memory is in the device's hands until the work queued on it is done. All functions
 * return a status unless void. */
#ifndef BACKEND_H
#define BACKEND_H
#include "augment.h"
#include "op.h"
#include "random.h"

#ifdef __cplusplus
extern "C" {
#endif

struct device;    /* opaque; one ordered queue of work */
struct recording; /* opaque; calls that are queued again and again, see repeat */

/* Where a batch's images come from: device memory. pixels, resident: uint8 [count][h][w][c], by sample number. Fed: the
 * feed's slots, each [slot_rows][h][w][c]; those of the batch's rows lie in control->slot. Where augment mixes, after
 * them comes the image of the first row's partner, and the order has two places at least. Everything else, as what
 * augmentation is keyed by, is the same for both. */
struct image_source {
    const uint8_t *pixels;
    const int32_t *labels; /* by sample number */
    const int32_t *order;  /* position -> sample number */
    int32_t slot_rows;     /* of a feed, batch or more; 0: the images are resident */
};

/* What the device keeps from step to step by itself. */
struct step_kept {
    int64_t updates;        /* done so far, refused steps left out: Adam's bias correction */
    int32_t scale_exponent; /* the loss is multiplied by 2 to this power; 0 but in fp16 */
    int32_t scale_good;     /* steps not refused since that last changed */
};
enum { LOSS_SCALE_START = 16 }; /* 65536 */

/* Why a step's update was refused. */
enum refusal {
    REFUSED_NOT,
    REFUSED_NONFINITE, /* loss or gradient is not finite */
    REFUSED_SCALE      /* a gradient is not, and the loss scale was above its least: it has been halved */
};

/* NOISE_OF_HALF: the first half of the batch, in a pass of its own before the step; NOISE_OF_PARTS: the accumulated
 * batches. */
enum noise_kind { NOISE_NONE, NOISE_OF_HALF, NOISE_OF_PARTS };

/* Numbers that change from step to step. In device memory; the host uploads the first part before each batch, the
 * second where a step begins; the third is the device's own. */
struct step_control {
    /* written by the host */
    struct image_source source; /* by the plan */
    uint64_t seed;
    int64_t step;   /* optimizer step, from 0; keys dropout */
    int64_t first;  /* position in the order of the batch's first sample */
    uint32_t epoch; /* keys augmentation */
    int32_t valid;  /* rows of the batch that count; the rest (evaluation's last batch) have label -1 */
    int32_t micro;  /* index within an accumulated batch; keys dropout together with step */
    int32_t slot;   /* of the feed, where the batch's images lie; where they are not resident */
    float lr;
    int32_t noise;      /* enum noise_kind: what the gradient's noise is measured by in this step */
    int32_t parts;      /* batches accumulated in the step */
    int32_t ahead;      /* non-zero: plan_look_ahead has left the loss of the next step's batches */
    double ema_decay;   /* 0: copy. double: 1 - decay is taken of it */
    int32_t ema_warmup; /* non-zero: a shorter average at first (ema_weight) */
    /* written by the device, reset where a step begins */
    int32_t bad;           /* non-zero: loss or gradient is not finite; commit, update and blend return at once */
    float clip_scale;      /* factor that clipping applies to the gradient */
    struct step_kept kept; /* record counts the step's own */
};

/* What a step leaves behind. Written by the device into a ring that the host reads later, while the device goes on.
 * float NaN: not computed. Formulas and units: docs/statistics.md. */
struct step_record {
    int64_t step;
    struct step_kept kept; /* this step included */
    int32_t epoch;
    int32_t samples;   /* that counted */
    int32_t correct;   /* top-1 */
    int32_t nonfinite; /* non-finite values found in losses and gradients */
    int32_t bad;       /* enum refusal */
    float loss_scale;  /* that the step was taken with; NaN: none */
    float lr;
    float loss;                            /* mean over the batch, as trained on (smoothed) */
    float loss_variance;                   /* of the per-sample losses within the batch, n-1 in the denominator */
    float loss_median, loss_p90, loss_max; /* of the per-sample losses */
    float grad_norm;                       /* global L2 norm before clipping */
    float update_norm;                     /* global L2 norm of the change of the parameters */
    float weight_norm;                     /* global L2 norm of the parameters after the update */
    float grad_dot_update; /* inner product of the gradient, before clipping, and the change: below 0 downhill */
    float grad_cosine;     /* between this gradient and that of the last good step; a sketch's estimate */
    float grad_dot_last;   /* inner product of this gradient and the last good step's change; a sketch's estimate */
    float noise_grad;      /* estimate of |G|^2, the squared norm of the gradient without sampling noise */
    float noise_trace;     /* estimate of tr(Sigma), the sum of the variances of a sample's gradient */
    int32_t noise_parts;   /* parts of the batch whose gradients these two came of; 0: not measured */
    float loss_next;       /* of the next step's batch, with the weights of before this step */
    int64_t sequence;      /* step + 1, written after all the rest: until then this is not that step's record */
};

/* A step's norms and inner products, in device memory: as in step_record. */
struct step_norms {
    float grad, grad_cosine, grad_dot_last; /* by grad_norm */
    float update, weight, grad_dot_update;  /* by update */
    double part_squares;                    /* by part_norm: of the parts' gradients, sum of the squared norms */
    double part_cosine;                     /* by grad_norm: between the last part's gradient and the whole one */
};

/* Bins of a histogram of losses: kernels/common/quantile.h. */
enum { LOSS_OCTAVES = 24, LOSS_BINS_OCTAVE = 16, LOSS_BINS = LOSS_OCTAVES * LOSS_BINS_OCTAVE };

/* Sums over evaluated samples; device memory, zeroed by the host before an evaluation. */
struct loss_sums {
    double loss, loss_squares;
    float loss_max;
    int32_t nonfinite;
    int64_t samples, correct, correct5;
    int32_t histogram[LOSS_BINS]; /* of the finite losses */
};

/* What training has seen of a sample of the data set; device memory, one entry a sample. Sums are over the times seen,
 * of the images as they were augmented and the weights as they were then. Classes beyond 65535 have no entries. */
struct sample_stats {
    float loss;        /* sum of -log p(label), whatever the smoothing */
    float margin;      /* sum of the label's logit less the largest other one */
    float probability; /* sum of p(label) */
    uint16_t seen;
    uint16_t correct;         /* times the label was predicted */
    uint16_t forgotten;       /* times it was not, just after it had been */
    uint16_t prediction;      /* the last */
    uint16_t majority, votes; /* the class predicted most often, if one has more than half; its lead over the rest */
};

/* Sketches of flat arrays: kernels/common/sketch.h. A stretch is what a sketch makes a row of. From step to step some
 * rows are followed as they are. */
enum { SKETCH_STRETCH = 128, SKETCH_LANES = 16, SKETCH_FOLLOWED = 256 };
struct followed_row {
    int32_t row;
    float weight; /* how many rows it stands for, itself among them */
};
HOST_DEVICE int64_t sketch_stretches(int64_t count)
{
    return (count + SKETCH_STRETCH - 1) / SKETCH_STRETCH;
}
HOST_DEVICE int64_t sketch_rows(int64_t count)
{
    return (count + SKETCH_LANES - 1) / SKETCH_LANES;
}
/* Rows that are followed, at most. */
HOST_DEVICE int64_t sketch_followed(int64_t count)
{
    const int64_t rows = sketch_rows(count), most = SKETCH_FOLLOWED;
    return rows < most ? rows : most;
}
/* Floats of update_args.sketches, in order: by turns those of two steps, of each row that is followed the gradient,
 * then the weights; the sketch of the gradient of a part of the batch. */
HOST_DEVICE int64_t sketches_count(int64_t count)
{
    return (4 * sketch_followed(count) + sketch_stretches(count)) * SKETCH_LANES;
}

/* ---- operations ---- */

struct op_desc {
    const union op_params *params;
    struct shape in[OP_MAX_IN], out;
    int in_count;
    enum dtype dtype;        /* of activations */
    bool training;           /* false: forward only, ever */
    bool in_grad[OP_MAX_IN]; /* a gradient of this input will be asked for */
    bool deterministic;      /* results repeat bit for bit, also where another way is faster */
    bool sizes_only;         /* for needs alone: quick, scratch as much as it may come to, never run */
    bool tf32;               /* operands in fp32 may be rounded to TF32 in products and convolutions */
    bool norm_after;         /* a normalisation in training reads out: see op_needs.gives_sums */
    bool norm_before;        /* in[0] is a rectified normalisation's alone: see op_needs.takes_norm, makes_norm */
    bool norm_above;         /* the same, though others may read it too: see op_needs.remakes_norm */
    bool norm_met;           /* in[0] is that of a rectified normalisation with addend, others read it too, and this
                                node's gradient of it comes last: see op_needs.takes_norm */
    bool relu_after;         /* a rectifier alone reads out: see op_needs.rectifies */
    const union op_params *pool_after; /* a maximum pooling alone reads out: see op_needs.pools; NULL: none */
    bool first; /* in[0] is the batch as gathered, for this node alone: see op_needs.in_channels */
};

/* What prepare found out an operation needs. */
struct op_needs {
    size_t scratch_bytes; /* shared by all nodes, contents lost between calls */
    size_t saved_bytes;   /* this node's own: written by forward, read by backward of the same step */
    struct {
        int64_t count;    /* elements in the backend's own layout, >= the canonical count; what is more stays 0 */
        enum dtype dtype; /* what forward and backward read: DT_F32 the master, else the low-precision copy */
    } weight[OP_MAX_WEIGHTS];
    int in_channels; /* that the gathered batch is to have in memory, those past its own being 0; 0: its own */
    /* Work of a normalisation next to it that this node does with its own where it is faster so; the plan tells both
     * sides in op_call. What passes between them lies in this node's saved memory. */
    bool gives_sums; /* forward in training also leaves what norm_after's statistics are computed from */
    bool rectifies;  /* forward leaves what the rectifier after it makes, instead of its own out */
    bool takes_norm; /* backward also does all of norm_before's, or norm_met's, but the last pass over its values;
                        in_grad[0] is then the gradient behind the rectifier */
    bool pools;      /* forward leaves what the pooling after it makes, instead of its own out; backward begins at that
                        one's gradient */
    bool adds_grad;  /* backward can add in_grad[0] to what lies there, the gradient by another reader of that input */
    bool makes_norm; /* in training, both passes make norm_before's result from what that reads, on their way: it is
                        never in memory, in[0] is not read */
    bool remakes_norm; /* the backward pass makes norm_above's result again: in[0] may be gone by then */
};

/* What a pass writes overlaps nothing else that it reads or writes: an input's gradient is never in place of out_grad.
 * The two inputs may be one array; what a pass does not need (op_info.needs) may be gone. */
struct op_call {
    void *state; /* from prepare */
    void *scratch, *saved;
    const void *in[OP_MAX_IN];
    void *out;
    void *in_grad[OP_MAX_IN]; /* overwritten, unless adds_grad; NULL: not wanted */
    const void *out_grad;
    void *weight[OP_MAX_WEIGHTS];       /* states (running statistics) are always fp32 and written by commit only */
    float *weight_grad[OP_MAX_WEIGHTS]; /* overwritten; NULL for states */
    const struct step_control *control; /* device memory */
    int node;                           /* number in the graph */
    bool training;                      /* forward: batch statistics, dropout */
    /* Joined with a neighbour, by op_needs; else NULL. */
    const struct op_call *sums_by;      /* normalisation: the call whose forward left its sums */
    const struct op_call *taken_by;     /* normalisation: the call whose backward does most of its own */
    const struct op_call *takes;        /* and the other side of that: the normalisation's call */
    const void *met_grad;               /* with takes: the gradient of in[0] by its other readers; NULL: it has none */
    const struct op_call *made_by;      /* normalisation: the call that makes its result for itself in training */
    const struct op_call *makes;        /* and the other side of that */
    const struct op_call *remakes;      /* the normalisation's call whose result backward makes again */
    const struct op_call *rectifies;    /* the rectifier's call, whose out forward writes instead of this one's */
    const struct op_call *rectified_by; /* and the other side of that */
    const struct op_call *pools;        /* the pooling's call, which is done within this one */
    const struct op_call *pooled_by;    /* and the other side of that */
    bool adds_grad;                     /* in_grad[0] is added to what lies there */
    bool apart; /* every forward pass writes its own out all the same: somebody looks at what lies between */
};

struct op_impl {
    /* Builds descriptors. *state is owned by the caller until release, which accepts NULL. */
    int (*prepare)(struct device *device, const struct op_desc *desc, void **state, struct op_needs *needs);
    int (*forward)(struct device *device, const struct op_call *call);
    int (*backward)(struct device *device, const struct op_call *call);
    /* Takes what the forward pass saved into the states (running statistics), unless control->bad. NULL: no states. */
    int (*commit)(struct device *device, const struct op_call *call);
    void (*release)(void *state);
    /* Host memory, canonical layout (OIHW, or as a vector) <-> the backend's own. Exact. NULL: the same layout.
     * pack zeroes what is more than the canonical elements. */
    void (*pack)(const void *state, int weight, float *own, const float *canonical);
    void (*unpack)(const void *state, int weight, float *canonical, const float *own);
};

/* ---- the rest of a step ---- */

/* Which images: control->source, first, valid. */
struct gather_args {
    struct shape image; /* n unused; c 1 or 3 */
    struct augment augment;
    enum dtype dtype;
    int batch;
    int channels;         /* of out, 0: as the image; those past the image's are set to 0 */
    void *out;            /* [batch][out_h][out_w][channels] */
    int32_t *out_labels;  /* [batch]; -1 in rows >= control->valid, whose pixels are 0 */
    int32_t *out_samples; /* [batch] sample numbers, -1 likewise */
    /* Mixed samples (mixup, cutmix; NULL where augment never mixes): the other label, -1 likewise, and the share of the
     * row's own, 0.5..1; 1 and the same label twice where a row is not mixed. */
    int32_t *out_partners;
    float *out_shares;
    const struct step_control *control;
};

/* Whether samples are mixed. */
HOST_DEVICE bool augment_blends(const struct augment *augment)
{
    return augment->random && (augment->mixup > 0.0f || augment->cutmix > 0.0f);
}

/* Where in the order of the epoch the partner is that a position's sample is mixed with; there are two at least. */
HOST_DEVICE int64_t augment_partner(int64_t position)
{
    return position > 0 ? position - 1 : 1;
}

/* Which of a slot's images (gather_args) a row's partner is: the one before it; of the first row the additional one at
 * the end. */
HOST_DEVICE int augment_partner_row(int row, int batch)
{
    return row > 0 ? row - 1 : batch;
}

/* Softmax cross-entropy: losses, statistics and gradient in one pass. Rows labelled -1 have loss 0 and gradient 0.
 * Gradient = (softmax - target) * grad_scale * loss scale / valid, or with grad_rows that of the first grad_rows rows'
 * mean and 0 for the others; target = label smoothed by e: 1-e+e/C on the label, e/C elsewhere (torch), or the row of
 * targets smoothed likewise, or share on the label and 1 - share on the partner's, smoothed likewise. What counts as
 * correct is the label, whatever the target. With offsets everything is of logits + offsets. */
struct loss_args {
    const void *logits; /* [batch][classes] */
    void *logits_grad;  /* same; NULL: not wanted */
    enum dtype dtype;
    int batch, classes;
    const int32_t *labels;   /* [batch] */
    const float *targets;    /* [batch][classes] or NULL */
    const int32_t *partners; /* [batch] other labels of mixed samples, or NULL */
    const float *shares;     /* [batch] of the row's own label; with partners */
    const float *offsets;    /* [classes] added to the logits of each row, or NULL */
    float smoothing, grad_scale;
    int grad_rows;                /* 0: all that count */
    bool unmeasured;              /* no histogram */
    const int32_t *samples;       /* [batch] sample numbers, as gathered */
    struct sample_stats *table;   /* by sample number: each row that counts is taken in; NULL: not wanted */
    float *losses;                /* [batch] */
    int32_t *predictions;         /* [batch], arg max, lowest index on a tie */
    float *probabilities;         /* [batch][classes] or NULL */
    struct loss_sums *sums;       /* added to */
    struct step_control *control; /* bad is set (never cleared) when a loss is not finite */
};

/* One array for the statistics of a layer: values[i], less minus[i] where that is given. */
struct survey_sums {
    double sum, squares;
    int64_t positive; /* values above 0 */
    int64_t dead;     /* channels without any */
};
struct survey_args {
    const void *values;
    const float *minus; /* or NULL */
    enum dtype dtype;
    int64_t count;
    int channels;   /* values[i] is of channel i % channels; 0: they are not wanted */
    int32_t *alive; /* [channels] zeros, and zeros afterwards */
    struct survey_sums *sums;
};

enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW };

/* A stretch of the flat arrays with one weight decay. Stretches are in order and cover [0, count). */
struct decay_segment {
    int64_t end; /* first element after it */
    float weight_decay;
};

/* One pass over the flat arrays: unscale (grad_scale, loss scale), clip, decay, moments, low-precision copy, EMA. */
struct update_args {
    enum optimizer_kind kind;
    double momentum; /* SGD; the first update makes the buffer, 0 before, the gradient (torch) */
    bool nesterov;
    double beta1, beta2, epsilon; /* double: 1 - beta is taken of them */
    float clip_norm;              /* 0: none. scale = min(1, clip_norm / (norm + 1e-6)), always multiplied (torch) */
    float grad_scale;             /* multiplied first: 1 / accumulated batches */
    int64_t count;
    float *param, *grad;
    float *moment1, *moment2; /* start at 0; NULL where the kind has none */
    float *ema;               /* or NULL */
    void *low;                /* low-precision copy of param, or NULL */
    enum dtype low_dtype;
    const struct decay_segment *segments; /* device memory */
    int segment_count;
    struct step_control *control;
    struct step_norms *norms;            /* device */
    int32_t *nonfinite;                  /* device: by grad_norm */
    const struct loss_sums *aside;       /* device: with control->ahead, sums of the next step's batches */
    float *sketches;                     /* device: [sketches_count(count)], or NULL: cosine and dot_last are NaN */
    const struct followed_row *followed; /* device: rising, SKETCH_FOLLOWED at most */
    int followed_count;
    bool scale_loss; /* record adapts the loss scale */
    bool unmeasured; /* update leaves out its norms, which are NaN */
};

/* A ring of slots through which images reach the device that are not all held there: the host fills a slot, sends it,
 * queues the batch that reads it, and may fill it again once feed_wait has returned. */
struct feed {
    int slots;
    size_t slot_bytes;
    uint8_t *host;         /* [slots][slot_bytes]: written by the host, by any thread */
    const uint8_t *device; /* the same, for image_source; the CPU's is host */
    void *own;             /* the backend's */
};

enum {
    BACKEND_LEAD = 32,      /* steps that the host may be ahead of the device */
    BACKEND_PLAIN_RUNS = 2, /* that repeat makes before it records, for calls that only the first time makes */
};

struct backend {
    const char *name; /* "cpu", "cuda" */
    bool synchronous; /* the work is done when a call returns */
    /* index: which device; threads: 0 for all (CPU). On failure *device is NULL. */
    int (*open)(struct device **device, int index, int threads);
    void (*close)(struct device *device); /* accepts NULL */
    /* One line for the person: "AMD EPYC, 2 threads, AVX-512 bf16". */
    void (*describe)(const struct device *device, char *text, size_t bytes);
    /* Whether the device computes in this dtype at all, and whether it has it in hardware. */
    bool (*supports)(const struct device *device, enum dtype dtype, bool *in_hardware);

    /* Bytes that can be allocated now; SIZE_MAX: not known. */
    size_t (*available)(const struct device *device);
    int (*alloc)(struct device *device, size_t bytes, void **memory); /* zeroed, aligned to 256 bytes */
    void (*release)(struct device *device, void *memory);             /* accepts NULL */
    /* Makes host memory readable by the device for as long as it is placed; on the CPU the same pointer. */
    int (*place)(struct device *device, const void *host, size_t bytes, const void **memory);
    void (*unplace)(struct device *device, const void *memory);
    /* Takes the memory of slots x slot_bytes; fills *feed. feed_close accepts a zeroed one. */
    int (*feed_open)(struct device *device, struct feed *feed, int slots, size_t slot_bytes);
    void (*feed_close)(struct device *device, struct feed *feed);
    /* Queues what makes a slot's content readable for what is queued after it. Does not wait. */
    int (*feed_send)(struct device *device, struct feed *feed, int slot);
    /* Called once the batch that reads the slot is queued: from here on feed_wait knows what to wait for. */
    int (*feed_taken)(struct device *device, struct feed *feed, int slot);
    /* Waits until the host may write the slot again: its last send is done with host memory, and the batch queued
     * before the last feed_taken has read it. Never waits for more. */
    int (*feed_wait)(struct device *device, struct feed *feed, int slot);
    /* Zeroed host memory that the device can read and write as well, each while the other does: records. */
    int (*share)(struct device *device, size_t bytes, void **memory);
    void (*unshare)(struct device *device, void *memory);                             /* accepts NULL */
    int (*upload)(struct device *device, void *to, const void *from, size_t bytes);   /* from has been read on return */
    int (*download)(struct device *device, void *to, const void *from, size_t bytes); /* readable after wait */
    int (*zero)(struct device *device, void *memory, size_t bytes);
    /* Device memory to device memory, as the device's vendor copies it (the CPU: all threads): what else moves bytes is
     * measured beside this. */
    int (*copy)(struct device *device, void *to, const void *from, size_t bytes);
    int (*wait)(struct device *device);
    /* How often the host has waited until the queue was empty, so that the device stood still: 0 within a step. */
    int64_t (*waits)(const struct device *device);
    /* How often besides that it has waited for something queued earlier (a step by pace, a slot of the feed, room for
     * an upload) while what came after was still queued: the device worked on. */
    int64_t (*held)(const struct device *device);
    /* Called where a step ends: holds the host back until all but the last BACKEND_LEAD steps are done. The device
     * never runs dry of work by that, and records older than these can be read. */
    int (*pace)(struct device *device);

    /* Names what the host queues in between, for a profiler; may be nested. Nothing where none is attached. */
    void (*range_begin)(const char *name);
    void (*range_end)(void);

    /* Moments in the queue, by numbers from 0: mark has the device note the time when it gets there, within repeat too,
     * and then anew whenever what was recorded is queued. mark_seconds: from one to another, both past (wait). A
     * number's first use allocates. Both NULL where synchronous: the host's clock tells. */
    int (*mark)(struct device *device, int number);
    int (*mark_seconds)(struct device *device, int from, int to, double *seconds);

    /* Work that is queued again and again, with the same arguments each time: calls queue(context), which makes the
     * calls, or, once they have been recorded, queues them all at once without it. What must differ from time to time
     * is in memory. *recording is NULL at first and the caller's until forget. Within queue, no call that waits,
     * uploads or allocates. */
    int (*repeat)(struct device *device, struct recording **recording, int (*queue)(void *context), void *context);
    void (*forget)(struct device *device, struct recording *recording); /* accepts NULL */

    int (*gather)(struct device *device, const struct gather_args *args);
    int (*loss)(struct device *device, const struct loss_args *args);
    /* to += from (first: to = from), element-wise. Sums gradients of a value with several readers, and of accumulated
     * batches. */
    int (*accumulate)(struct device *device, void *to, const void *from, int64_t count, enum dtype dtype, bool first);
    /* norms->grad = L2 norm of grad * grad_scale / loss scale, cosine and dot_last; non-finite values counted; sets
     * control->bad (never clears it) where there are any or the norm overflows, and clip_scale. */
    int (*grad_norm)(struct device *device, const struct update_args *args);
    /* Where control->noise: adds the squared norm of a part's gradient to norms->part_squares (first: sets it) and
     * leaves its sketch for grad_norm. */
    int (*part_norm)(struct device *device, const struct update_args *args, const float *grad, bool first);
    int (*survey)(struct device *device, const struct survey_args *args);
    /* Leaves everything as it is where control->bad. */
    int (*update)(struct device *device, const struct update_args *args);
    /* low = param for count elements (after loading weights). */
    int (*lower)(struct device *device, void *low, enum dtype dtype, const float *param, int64_t count);
    /* to = decay * to + (1 - decay) * from, 1 - decay = ema_weight(control), unless control->bad. For EMA of states. */
    int (*blend)(struct device *device, float *to, const float *from, int64_t count,
                 const struct step_control *control);
    /* Exchanges the contents of two arrays (evaluating with the EMA weights). */
    int (*swap)(struct device *device, float *a, float *b, int64_t count);
    /* Ends a step: counts the update in args->control unless it was refused, then fills the step's record, in ring
     * [slots] of shared memory at step % slots. sums holds this step alone. */
    int (*record)(struct device *device, struct step_record *ring, int slots, const struct loss_sums *sums,
                  const struct update_args *args);
    /* Counts non-finite values; waits. Only for naming what went wrong after a bad step. */
    int (*count_nonfinite)(struct device *device, const void *memory, enum dtype dtype, int64_t count, int64_t *found);

    /* Floating-point operations a second that the device's multipliers give at most, operands at hand; 0: not known.
     * Takes a second. NULL: never known. */
    double (*peak)(struct device *device, enum dtype dtype);

    const struct op_impl *ops[OP_COUNT]; /* NULL: unsupported, reported by plan_build */
};

/* Backends compiled in, NULL-terminated, best first. */
extern const struct backend *const backend_list[];
extern const struct backend backend_cpu;
/* "auto", "cpu", "cuda", "cuda:1" -> a backend and an opened device. Closing is the caller's. */
int backend_open(const char *name, int threads, const struct backend **backend, struct device **device);

#ifdef __cplusplus
}
#endif
#endif

/* doctor: why a run's loss fluctuates or does not decrease: the causes there are, and rules over what a run recorded.
 * Level 5: includes config, fluctuation, layers. Rules are pure functions of the evidence; who collects it, and who
 * experiments, is elsewhere. */
#ifndef DOCTOR_H
#define DOCTOR_H
#include "config.h"
#include "fluctuation.h"
#include "layers.h"

/* In groups: data, hyperparameters, architecture, optimizer. */
enum cause {
    CAUSE_HEALTHY,
    CAUSE_INPUT_SCALE,
    CAUSE_ILLUMINATION,
    CAUSE_OUTLIERS,
    CAUSE_LABELS,
    CAUSE_IMBALANCE,
    CAUSE_ORDER,
    CAUSE_LEAKAGE,
    CAUSE_MISMATCH,
    CAUSE_OVERFITTING,
    CAUSE_RATE_HIGH,
    CAUSE_RATE_LOW,
    CAUSE_BATCH_SMALL,
    CAUSE_REGULARISATION,
    CAUSE_FEW_UPDATES,
    CAUSE_CAPACITY,
    CAUSE_INITIALISATION,
    CAUSE_NO_SIGNAL,
    CAUSE_WEIGHT_DECAY,
    CAUSE_ADAM,
    CAUSE_PLAIN_SGD,
    CAUSE_SCHEDULE,
    CAUSE_CLIP,
    CAUSE_EARLY_STOP,
    CAUSE_AVERAGE,
    CAUSE_UNKNOWN, /* something is wrong, and nothing that is known says why */
    CAUSE_COUNT
};
/* A run of which is asked what mends it. */
struct remedy_case {
    const struct config *config;
    bool suspected;     /* the rules suspect this cause */
    bool levelled;      /* the run's loss no longer falls */
    bool stands;        /* as doctor_stands has it */
    bool wider;         /* one made wider once still cannot learn a few images by heart, and more of them */
    bool left_out;      /* its repair leaves out the images that are wrong */
    bool missing;       /* validation has less than 95 % right: there is something that may be held back */
    bool tried, gained; /* a trial of this cause was made; the best of them lowered the loss, by however little */
    int side;           /* of its images, pixels */
    int64_t images;     /* to train on; 0: not known */
    int64_t steps;      /* of the run; 0: not known */
    double kept;        /* share of the images that its repair leaves in; 0: all */
    double lit;         /* brightness of validation's images in that of training's; 0: not known, or no matter */
    double rate_scale;  /* what autopilot came to make of the rate: the remedy goes on from there; 0: nothing */
    bool batch_stays;   /* its repair is another than a larger batch */
    double falls_short; /* the rules found that what the setting brings is so many times too little, or below 1 too
                           much; 0: not known */
};
/* One setting: its word, or its number in the run's config times factor (least at least), or a share of an image's
 * side, or the decay of an average over a share of the run (ten steps at least). at_least_what_is_short: the factor is
 * the power of ten that makes up for falls_short, where that is more. makes_updates: the number that, with the others
 * of its remedy, makes falls_short times the updates, up to twice that where batches of 32 images and more do it: of
 * smaller batches as long as they hold 16 images, then of more epochs. spans_light: the least factor, in tenths, that
 * takes training's images to validation's brightness. as_in_use: and at most the highest rate in common use. most: of
 * the number; 0: any. widens: the factor once more where one is not enough. ends_with_run: times falls_short, of what
 * is planned for more than the run had. counts_epochs: as many times more as an epoch is shorter without the images
 * that are left out, rounded up; of a schedule's setting only where the schedule goes by it. keeps_updates: of these as
 * many more as batches four times as large need, to make 1000 updates or the run's own. */
struct edit {
    const char *key, *word;
    double factor, least, most, side_share, averages;
    bool at_least_what_is_short, makes_updates, spans_light, as_in_use, widens, ends_with_run, counts_epochs,
        keeps_updates;
};
enum { EDITS_MOST = 8, REMEDY_MOST = 16, EDIT_TEXT = 64 };
/* The settings that go together, and the runs that they are for; fits NULL: every run. */
struct remedy {
    bool (*fits)(const struct remedy_case *asked);
    struct edit edits[EDITS_MOST]; /* the first without a key ends them */
    const char *const *taken_away; /* keys that are set back to their defaults, those of them that are not there; NULL
                                      ends them. NULL: none */
    enum layer_change layers;      /* what becomes of the [[layer]] sections */
    bool unlike_most;              /* of these only what is outside common use */
};
/* Whether it changes anything of any run. */
bool remedy_is_any(const struct remedy *remedy);
/* What it sets, each "key=value"; returns how many. */
int remedy_say(const struct remedy *remedy, const struct remedy_case *asked, char text[static REMEDY_MOST][EDIT_TEXT]);

/* What shows while a network is new is tried on new weights and judged on training images; what shows late is tried
 * from the run's own state and judged on validation images. What a network that was taught wrong labels does not forget
 * in a short time is tried on new weights, and judged on validation images, whose labels are others. What is taken away
 * from a run that stands still is tried from its own state at the whole of optim.lr, at which it can go somewhere. */
enum arm_family { ARM_ANEW, ARM_ONWARD, ARM_UNSEEN, ARM_FREED, ARM_FAMILIES };
/* Images that are not drawn. */
enum left_out { LEAVE_NONE, LEAVE_LABELS, LEAVE_OUTLIERS };
struct cause_trial {
    const char *name; /* for people; NULL: there is none */
    enum arm_family family;
    struct remedy remedy;
    int pace;               /* images of an update, in those of the run's; 0 as 1 */
    enum left_out left_out; /* tried where such images are found */
    bool one_cure;          /* one of several: where it does not help, nothing speaks against the cause */
};
enum { TRIALS_MOST = 5, REPAIRS_MOST = 6, ACTIONS_MOST = 4 };

/* All that is known of a cause: to add one, add its row. */
struct cause_info {
    const char *name;   /* for machines: "rate_high" */
    const char *group;  /* "data", "hyperparameters", "architecture", "optimizer"; healthy: "" */
    const char *title;  /* what is said: "the learning rate is too high" */
    const char *action; /* one thing to do, where none of these is for the run */
    struct {
        bool (*fits)(const struct remedy_case *asked);
        const char *words;
    } actions[ACTIONS_MOST];
    struct remedy repairs[REPAIRS_MOST];    /* settings for --apply where no trial has proven any: the first that fits,
                                              else    those of a trial */
    struct cause_trial trials[TRIALS_MOST]; /* that speak for it when they help */
    bool usual; /* tried whatever the config says: weighs less than what it sets unusually */
};
extern const struct cause_info cause_table[CAUSE_COUNT];
/* The one thing to do of a run with this config: never what it has already. */
const char *cause_action(enum cause cause, const struct config *config);
/* Whether the network has a layer that normalises, by what its config says. */
bool config_normalises(const struct config *config);
/* Of batches of so few images or fewer means and deviations are mostly noise: ResNet-50 on ImageNet loses 1 point of
 * accuracy with 8 of them, 4 with 4 (Wu and He, "Group normalization", 2018); twice as many are held to be enough. */
enum { NORMALISED_FEW = 16 };
/* A batch above this is none too small. */
enum { SMALL_BATCH = 16 };

/* What a run can show. A rule sees one of these; what is found in the images can bring about some of them, and is the
 * cause where it explains all that was seen. */
enum effect {
    EFFECT_START = 1,      /* wrong before the first update */
    EFFECT_SETTING = 2,    /* a setting that cannot work, whatever the images are */
    EFFECT_LONG = 4,       /* steps too long */
    EFFECT_SHORT = 8,      /* steps too short, or learning that keeps to the beginning */
    EFFECT_BROKEN = 16,    /* what was learned is lost, units die */
    EFFECT_STANDS = 32,    /* nothing is learned */
    EFFECT_NOISE = 64,     /* batches that do not agree */
    EFFECT_APART = 128,    /* training and validation go different ways */
    EFFECT_MISSING = 256,  /* not everything is learned; shows by itself in the end */
    EFFECT_AT_ONCE = 512,  /* validation is behind from the beginning, or ahead in the end; the same */
    EFFECT_COSTLY = 1024,  /* images that have what was found are learned that much worse than those that have not */
    EFFECT_LATE = 2048,    /* training goes wrong at a rate that trials from new weights do not come to */
    EFFECT_WEIGHED = 4096, /* images that were found cost as much; where that is not known, as EFFECT_MISSING */
    EFFECT_TRAINING = EFFECT_START | EFFECT_SETTING | EFFECT_LONG | EFFECT_SHORT | EFFECT_BROKEN | EFFECT_STANDS |
                      EFFECT_NOISE, /* what trials judged on training images can mend */
    EFFECT_ALL = EFFECT_TRAINING | EFFECT_APART | EFFECT_LATE
};

enum { EVIDENCE_BYTES = 384, DATA_FINDINGS = 15, SYMPTOM_NUMBERS = 6 };
/* What a rule found. */
struct symptom {
    enum cause cause;
    const char *rule;
    int64_t step;            /* where it shows first */
    double strength;         /* measured over threshold: above 1 */
    double falls_short;      /* see remedy_case */
    unsigned effects;        /* enum effect: what was seen; of what was found in images, what it can explain */
    unsigned needs;          /* of what was found in images: what a run must show for it to be the cause; 0: nothing
                              */
    double cost, cost_error; /* of what was found in images: the share of the training loss that goes with it (of single
                                images: at most), its standard error; NaN: not known */
    double cost_loss;        /* the same in nats */
    bool doubtful;           /* does not explain what the run shows, or the run shows nothing to explain */
    bool second;             /* doubtful for the first cause's sake alone: were that not it, this would be */
    bool note;               /* seen where no cause is, and nothing says that it is a fault or can be mended */
    char evidence[EVIDENCE_BYTES]; /* the figures, as a sentence */
    struct {
        char name[16];
        double value;
    } numbers[SYMPTOM_NUMBERS]; /* of what was found in images, as include/check.h has them; else none */
    int number_count;
};

/* Of single layers, as far as they were measured; a layer's name is "" where nothing is known. */
enum { LAYER_BYTES = 64 };
struct layer_evidence {
    char dead_layer[LAYER_BYTES]; /* rectifier with the most channels that are 0 for every image, when it first had them
                                   */
    double dead_share, dead_drawn; /* the largest; the largest before the first update */
    int64_t dead_step;
    char first_layer[LAYER_BYTES], last_layer[LAYER_BYTES]; /* with weights, at grad_step, the last that was measured */
    double first_grad, last_grad;                           /* lengths of their gradients */
    double first_drawn, last_drawn;                         /* the same before the first update; 0: not measured */
    int64_t grad_step;
    double answer_dead; /* share of the last layer's outputs that are 0 for every image, when it was last measured; NaN:
                           it is no rectifier */
    bool measured, normalises; /* layers were measured; one of them is a normalisation */
};

/* What weights call the validation images. Lost are classes that they recognise no more often than chance would and
 * call one other class; all 0: there are none, or it is not known. With labels that do not fit, the best epoch is the
 * first ones, before anything was learned: the last weights tell what they have learned since. */
enum called_weights { CALLED_BEST, CALLED_LAST, CALLED_WEIGHTS };
enum { CALLED_SHOWN = 2 };
struct called_evidence {
    int64_t epoch;         /* whose weights they are, from 0 */
    int64_t images, right; /* 0: not known */
    double blind;          /* right ones, were the same answers dealt out blindly */
    double blind_error;    /* its standard deviation: 0 where all are called one class */
    double floor, floor_z; /* share that is wrong however sure, and its standard errors from 0: host/doctor/floor.h */
    double surest_wrong;   /* of the surest quarter, the share that is wrong */
    double as_usual;       /* whether those go where all mistakes go, in nats each: host/doctor/dealt.h */
    double sure_mistakes;  /* how many those are */
    int lost, targets;     /* such classes; how many different ones they are called */
    int64_t lost_images;   /* of such classes */
    int in_ring; /* those that are called each other, A B and B A or in a longer round: an exchange of labels */
    struct called_class {
        char name[LAYER_BYTES], as[LAYER_BYTES];
        int64_t images, wrong; /* of the class; called the other */
    } shown[CALLED_SHOWN];     /* the first of them, those in a ring before the others */
    struct called_pair {       /* the two classes that are taken for one another the most */
        char a[LAYER_BYTES], b[LAYER_BYTES];
        int64_t images, either, right; /* of both; called one of them; called what they are. 0: there is none */
        int64_t less;                  /* of the two numbers of those called the other, the lesser */
    } pair;
    double one_way;              /* standard errors by which mistakes go one way: host/doctor/one_way.h */
    struct called_class most_so; /* the two classes between which they do the most */
    int64_t back;                /* of the other, called that one */
};

/* Two distributions, or one with a tail: Ashman, Bird and Zepf 1994. */
#define LABELS_TWO_KINDS 2.0
/* A network's word counts against a label where it agrees with so many of those that are right. */
#define LABELS_STRONG 0.7
/* What images contradict of their labels, at the end of a run: see doubts.h. */
struct label_evidence {
    double wrong;                 /* share of the labels, estimated; 0: not known */
    double agrees;                /* share of the images whose last prediction was their label */
    double contradicted;          /* share that was taken for another class */
    double ahead;                 /* by how much that is above what validation was wrong in; 0: not beyond chance */
    double separation, sep_error; /* of the two kinds of margins, in deviations, and its standard error */
};

/* Images of one class that were filed under another in training alone: see host/doctor/filed.h. */
struct filed {
    int under, from;          /* the class that has too many training images, and the one that they are of */
    double shares, mistakes;  /* standard errors: by which the shares differ, and mistakes go that way. 0: none do */
    double too_many;          /* training images of `under` beyond what validation's shares say */
    int64_t there, back;      /* training images of `under` taken for `from`, and of `from` taken for `under` */
    int64_t train[2], val[2]; /* images of `under` and of `from` */
    bool swallowed;           /* they are more than were left: no mistakes tell them, see filed_swallowed */
    double together; /* then, standard errors by which the share of the two together differs from validation's */
    char under_name[LAYER_BYTES], from_name[LAYER_BYTES];
};

/* Two classes that are taken for one another: see host/doctor/mixed.h. */
struct mixed {
    int a, b;
    struct mixed_part {
        int64_t images, either, right; /* of the two; taken for one of them; taken for what they are labelled */
        int64_t others, others_right;  /* of all other classes */
    } train, val;                      /* images 0: not known */
    char a_name[LAYER_BYTES], b_name[LAYER_BYTES];
};

/* A stretch of the training list whose labels are those of other lines: see include/slipped.h. */
struct slipped {
    int64_t first, last; /* numbers in the list */
    int shift;           /* the label of the image so many lines further on; negative: further back */
    int64_t images;      /* of which it is known what they were taken for; 0: there is no such stretch */
    int64_t own, away;   /* of them, those taken for their label, and for the one that slipped from them */
    double errors;       /* standard deviations of the difference by chance */
};

/* Training images asked as validation is, with the weights after a step. */
struct fit_evidence {
    int64_t step, images;  /* images 0: not known */
    double accuracy, loss; /* loss: NaN: not finite */
};

/* All that is known of a run when a rule is asked. Arrays are by step or epoch, from the beginning. NaN: not known, as
 * for a step that has no row (stats.steps_every); epoch and samples are known of every step. */
struct evidence {
    const struct config *config;
    int classes;
    double prior_entropy;  /* of the training labels, nats: the loss of knowing their shares and nothing else */
    double prior_variance; /* of the losses of single images then: 0 where classes are alike */
    double largest_share;  /* of the training labels, that of the most frequent class; 0: not known */
    int64_t train_images, val_images;
    struct symptom images[DATA_FINDINGS]; /* what was found in the images before training, at step 0 */
    int image_count;
    char unrelated[EVIDENCE_BYTES]; /* that no simple figure of the images goes with the labels; "": not known */
    double copies;      /* share of the training images that are a copy of another, of those that were looked at */
    bool input_unusual; /* after normalisation mean or deviation are not about 0 and 1, if not so far off as to be a
                           fault */
    double input_mean, input_deviation; /* then, of the channel that is furthest off; else 0 */
    int64_t planned_steps;              /* of the whole run */
    bool over;                          /* it has come to its end */
    double rate_scale;                  /* what autopilot came to make of optim.lr; 0: nothing */
    int64_t accepted; /* for doctor_diverged: steps before this have been judged; a run cannot go back behind it */
    struct layer_evidence layers;
    struct called_evidence called[CALLED_WEIGHTS];
    struct label_evidence labels;
    struct filed filed;
    struct mixed mixed;
    struct slipped slipped;
    struct fit_evidence fit;
    double rarest;                   /* images of the rarest class over the classes' mean, 0..1 */
    int64_t parameters;              /* of the network; 0: not known */
    int64_t bottleneck;              /* fewest numbers of an image that the answer is made from; 0: not known */
    char bottleneck_at[LAYER_BYTES]; /* what computes them */
    struct estimate noise_scale; /* gradient noise scale, in images: the batch at which noise and gradient are alike */
    int64_t steps;
    const double *epoch;             /* of the step, from 1 */
    const double *loss, *variance;   /* variance of the per-sample losses in the batch */
    const double *samples, *correct; /* images of the step; hits among them */
    const double *grad_norm, *update_norm, *weight_norm, *rate;
    const double *slope;       /* of the loss along the update, where it begins: g.dw */
    const double *end_slope;   /* along the last good step's update, where it ends, by this step's batch */
    const double *grad_cosine; /* between this step's gradient and the last good one's */
    const double *bad;         /* enum refusal: why the update was refused */
    int64_t epochs;            /* finished */
    const double *train_loss, *train_accuracy, *val_loss, *val_accuracy; /* accuracies are shares */
    const double *val_loss_error;                                        /* standard error of val_loss */
    const double *best; /* 1: its weights were kept as the best, by what early_stop.monitor says */
};

struct rule {
    const char *name;
    enum cause cause; /* where the check names no other */
    int64_t steps;    /* needs so many */
    enum effect shows;
    bool (*check)(const struct evidence *evidence, struct symptom *symptom);
};
extern const struct rule doctor_rules[];
extern const int doctor_rule_count;

/* Asks the rules; found gets a symptom for each cause that shows, the first one of a cause only, in the order in which
 * they show, the doubtful ones behind them, and notes last. Returns how many. */
int doctor_examine(const struct evidence *evidence, struct symptom found[static CAUSE_COUNT]);
/* What makes a fault: a loss higher by this share, beyond so many standard errors. */
#define FAULT_WORTH 0.15
/* What learns is below guessing by so much. */
#define LEARNS_BELOW 0.95
#define FAULT_SURE   3.0
/* Of the images that were shown, what must be right for them to be learnt by heart. */
#define LEARNT_BY_HEART 0.95
/* A finding of a rule of include/check.h as a symptom, without its words and numbers; false: it speaks of no cause. */
bool doctor_image(struct symptom *symptom, const char *rule);
/* What is said of a healthy run with a note. */
#define NOTED_TITLE  "no fault found, but validation is behind training"
#define JUMPS_TITLE  "no fault found, but validation jumps from epoch to epoch"
#define FIT_TITLE    "the network is worse in evaluation than in training, on the same images"
#define FEW_TITLE    "no fault found, but some labels are doubtful"
#define PAIR_TITLE   "no fault found, but two classes are not told apart"
#define NOTED_ACTION "look at the note; a larger batch only makes the curve look calmer"
/* A number of what was found in the images; NaN: it has none of that name. */
double symptom_number(const struct symptom *symptom, const char *name);
/* How bright validation's images are in training's, as was found in them (a mismatch of means); 0: nothing was. */
double doctor_lit(const struct symptom *found, int count);
/* Fills in what has been found in the images and needs a cost: what it has cost, from the run's light.csv and what its
 * last checkpoint has seen of each image. Stays unknown where these are missing. */
void doctor_cost(struct evidence *evidence, const char *run);
/* What a run's layers.csv says; zeroed where there is none. ERR_NO_INPUT: it cannot be read. */
int evidence_layers(struct layer_evidence *layers, const char *run);
/* Fills in what the run's best and last weights call the validation images, from predictions.csv and
 * predictions-last.csv, where there are any. */
void doctor_called(struct evidence *evidence, const char *run);
/* Fills in what a run that is over has seen of its images' labels, from samples.csv, where there is one. */
void doctor_labels(struct evidence *evidence, const char *run);
/* Fills in what the last weights of a run that is over make of its training images in evaluation, from log.jsonl. */
void doctor_fit(struct evidence *evidence, const char *run);
/* Fewer losses than these say nothing about a run without findings. */
enum { VERDICT_STEPS = 100 };
bool doctor_too_early(const struct evidence *evidence);
/* Whether it may be the cause: neither doubtful nor a note. */
bool symptom_speaks(const struct symptom *symptom);
/* Whether it says that labels have nothing to do with the images: then no setting mends it. */
bool symptom_is_of_all_labels(const struct symptom *symptom);
/* What to do about it: the action of its cause, unless what was seen says more. */
const char *symptom_action(const struct symptom *symptom, const struct config *config);
/* The note among them, NULL: there is none. */
const struct symptom *doctor_note(const struct symptom *found, int count);
/* What is said of a healthy run with that note; NULL: there is none. */
const char *doctor_noted(const struct symptom *found, int count);
/* Where a run stands in which no fault was found. */
struct standing {
    bool misses;             /* as doctor_misses has it */
    bool of_validation;      /* right is of validation's images, else of training's */
    double right;            /* as doctor_best_right has it */
    double lately;           /* right at the last epoch */
    bool falls;              /* over the last third of the run the loss fell, and validation was at its best */
    bool rate_is_spent;      /* then: the schedule has brought the rate so far down that more steps bring nothing */
    bool at_max_steps;       /* it has ended, by train.max_steps */
    bool at_last_epoch;      /* it has ended, in the last of train.epochs */
    bool at_patience;        /* it has ended, by early_stop.patience alone */
    int64_t window;          /* steps of that third; 0: too few */
    double fall, fall_error; /* over them, by the slope; its standard error from sampling noise alone */
};
struct standing doctor_standing(const struct evidence *evidence);
/* The first line of the verdict, of what doctor_examine has found: that nothing is wrong is said only where nothing is
 * missing. */
enum { HEALTHY_TEXT = 256 };
void doctor_say_healthy(const struct standing *standing, const struct symptom *found, int count,
                        char text[static HEALTHY_TEXT]);
/* Whether validation is behind training at the last epoch, by 3.5 standard errors of the two accuracies. */
bool doctor_behind(const struct evidence *evidence);
/* The training loss of the last epoch's last quarter; INFINITY: there is none. Where training sees harder images or a
 * noisier network than validation does: validation's, if that is lower. */
double doctor_comes_to(const struct evidence *evidence);
/* Whether nothing is left to learn: 95 % of the validation images (without any: of the training images) were right, and
 * the loss it comes to is below a twentieth of guessing. */
bool doctor_learned_all(const struct evidence *evidence);
/* Whether 95 % of the training images were right in the end, in evaluation where they were asked so: what is still
 * missing is missing on validation. */
bool doctor_fitted(const struct evidence *evidence);
/* The largest share of right answers of an epoch: of validation's images, or where there are none of training's; NaN
 * before the first epoch. */
double doctor_best_right(const struct evidence *evidence);
/* The same of the last epoch. */
double doctor_right_lately(const struct evidence *evidence);
/* Whether less than 95 % of the validation images (without any: of the training images) were right at the best epoch,
 * or in the end: at the last epoch and at most of the last quarter of them. */
bool doctor_misses(const struct evidence *evidence);
/* The first of them that is not doubtful; CAUSE_HEALTHY: there is none. */
enum cause doctor_cause(const struct symptom *found, int count);
/* Whether steps too large have spoiled the training: worse than guessing, progress lost for good, or no better than
 * guessing ever since. */
bool doctor_diverged(const struct evidence *evidence, struct symptom *symptom);
/* Whether the last steps (50, or all) were better than guessing by 5 %, and the last few have not lost more than half
 * of what was won. */
bool doctor_learns(const struct evidence *evidence);
/* Whether the noise of small batches takes back what the steps gain, so that a larger batch is due: with the batch as
 * it is now the loss no longer falls (200 steps at least), is above a tenth of guessing, and the batch is below a fifth
 * of the gradient noise scale. */
bool doctor_noise_limited(const struct evidence *evidence, struct symptom *symptom);
/* Whether the loss no longer falls: over the last third of the run (100 steps at least) its slope is less than 2.5
 * standard errors of sampling noise below 0, and a fall by a twentieth of it would have been more. */
bool doctor_levelled(const struct evidence *evidence);
/* Whether it is worth asking if a lower rate would go on from here: the loss has levelled, or in the second half of the
 * epochs (4 at least) neither training's nor validation's came lower than in the first by a twentieth, or autopilot had
 * to lower the rate. */
bool doctor_stands(const struct evidence *evidence);
/* Whether so large a share of right answers, 0..1, is worth less than 5 % on guessing: by the loss it has at best,
 * -a ln a - (1 - a) ln((1 - a) / (classes - 1)), that of one who gives each answer the probability it deserves. */
bool doctor_guesses(double accuracy, int classes);

/* Updates of the shortest trial; of one that is long enough to let learning by heart have all of its time beside it; of
 * the longest. */
enum { TRIAL_UPDATES_LEAST = 40, TRIAL_UPDATES_ENOUGH = 100, TRIAL_UPDATES_MOST = 400 };
/* What it costs a trial to let running statistics settle before it is judged, in updates of the run's size: forward
 * alone is a third of one. 0: the network has none. */
double doctor_settling(const struct config *config);
/* Further in the direction of a rate that helps, or is suspected. */
enum { TRIALS_FURTHER = 2 };
/* What is kept of the budget for one that is made once more, longer, in trials of the usual length. */
enum { TRIALS_LONGER = 2, TRIALS_AHEAD = TRIALS_FURTHER + TRIALS_LONGER };
/* Learning by heart: of so many images, in so many updates of all of them; a fourth is usual. */
enum { MEMORY_IMAGES = 256, MEMORY_UPDATES = 200 };
#define MEMORY_USUAL 0.25
/* What experiments may spend where nothing else is said, of the updates of a run that has enough of them. */
#define DOCTOR_SHARE 0.05
/* What experiments may spend, as one of these that is above 0: a share of the run's updates, updates of its size, or
 * seconds of training, of which no trial is begun that would not end in them at the pace so far. All 0: doctor_budget.
 */
struct budget {
    double share, updates, seconds;
};
/* "5%" or "0.05", "400", "30s". ERR_USAGE. */
int budget_read(const char *text, struct budget *budget);
/* What trials are to take, said before they are made: "9 trials, up to 812 updates, about 35 s at the run's pace".
 * update_seconds NaN: it is not known. */
enum { AHEAD_TEXT = 128 };
void budget_say_ahead(int trials, double updates, double update_seconds, char text[static AHEAD_TEXT]);
/* Updates that experiments may spend on a run of so many steps where no budget is given: DOCTOR_SHARE of them, and at
 * least what lets in every trial that its config has, the shortest, and learning by heart in its usual time. */
double doctor_budget(const struct config *config, int64_t steps);
/* Updates of the run's size that a budget lets experiments spend; INFINITY: the clock alone limits them. A share that
 * is too little for the shortest trials, as of a run that ended early, is the least of doctor_budget, and it is said
 * that it is no share any more. */
double budget_updates(const struct budget *budget, const struct config *config, int64_t steps);
#endif

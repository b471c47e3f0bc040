/* schedule: learning rate, reduce-on-plateau, early stopping, as pure arithmetic on doubles.
 * Level 4: includes config. */
#ifndef SCHEDULE_H
#define SCHEDULE_H
#include "config.h"

/* Learning rate of a step by the closed forms of PyTorch's schedulers; plateau_lr is what plateau has come to and is
 * ignored by the others. Warm-up is linear per step, from warmup_start to 1 times the rate, over warmup_epochs. step
 * and cosine then count epochs from the first that begins after warm-up; cosine ends at min_lr with train.epochs. */
double schedule_lr(const struct config *config, double plateau_lr, int64_t epoch, int64_t step_in_epoch,
                   int64_t steps_per_epoch);

/* PyTorch's ReduceLROnPlateau, exactly. Zeroed by plateau_begin; the whole struct is saved. */
struct plateau {
    double lr; /* current */
    double best;
    int bad_epochs, cooldown_left;
};
struct plateau_rule {
    bool maximize, absolute;
    double factor, threshold, min_lr, eps;
    int patience, cooldown;
};
void plateau_begin(struct plateau *plateau, const struct plateau_rule *rule, double lr);
void plateau_rule_from(struct plateau_rule *rule, const struct config *config);
/* After each validation. true: lr was lowered. NaN is never an improvement. */
bool plateau_step(struct plateau *plateau, const struct plateau_rule *rule, double metric);

/* Early stopping: waits as Keras and Lightning do (patience-th value without improvement), but a NaN is merely no
 * improvement: it neither becomes the best (Keras, first epoch) nor stops at once (Lightning). A first value that is
 * not NaN is an improvement; NaN never is. */
struct early_stop {
    double best;
    int64_t best_epoch; /* -1: none yet */
    int wait;           /* epochs without improvement */
};
struct early_stop_rule {
    bool maximize;
    double min_delta; /* improvement is strict: value better than best by more than this */
    int patience;     /* stop at the patience-th epoch without improvement in a row; 0: never */
};
void early_stop_rule_from(struct early_stop_rule *rule, const struct config *config);
void early_stop_begin(struct early_stop *stop, const struct early_stop_rule *rule);
/* true: improved. */
bool early_stop_step(struct early_stop *stop, const struct early_stop_rule *rule, int64_t epoch, double metric);
bool early_stop_due(const struct early_stop *stop, const struct early_stop_rule *rule);

/* Whether larger values of the monitored number are better. */
bool monitor_maximize(enum monitor_kind monitor, enum monitor_mode mode);
#endif

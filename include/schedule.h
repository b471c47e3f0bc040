/* schedule: learning rate, reduce-on-plateau, early stopping, as pure arithmetic on doubles.
 * Level 4: includes config. */
#ifndef SCHEDULE_H
#define SCHEDULE_H
#include "config.h"

/* Learning rate of a step by the closed forms (plateau: base * scale, where scale is plateau.lr / base). Warm-up is
 * linear per step from warmup_start * base to base over warmup_epochs; step and cosine count whole epochs after
 * warm-up. */
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
/* After each validation. true: lr was lowered. NaN is never an improvement. */
bool plateau_step(struct plateau *plateau, const struct plateau_rule *rule, double metric);

/* Early stopping. A first value that is not NaN is an improvement; NaN never is. */
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
void early_stop_begin(struct early_stop *stop, const struct early_stop_rule *rule);
/* true: improved. */
bool early_stop_step(struct early_stop *stop, const struct early_stop_rule *rule, int64_t epoch, double metric);
bool early_stop_due(const struct early_stop *stop, const struct early_stop_rule *rule);
#endif

/* state: all that a resumed run needs besides weights and moments, as one struct and as JSON text.
 * Level 5: includes backend, fluctuation, schedule. Random numbers and data order are functions of (seed, epoch, step),
 * so no generator state is here. */
#ifndef STATE_H
#define STATE_H
#include "backend.h"
#include "fluctuation.h"
#include "schedule.h"

/* Sums over the steps of the epoch under way; refused steps are counted apart. */
struct epoch_sums {
    double loss; /* sum over samples, as trained on */
    int64_t samples, correct, bad_steps;
};

enum { STATE_BATCH_FACTOR = 64 }; /* the most */

struct train_state {
    uint64_t config_hash;    /* of the settings a resumed run may not change; the trainer's */
    int64_t epoch;           /* the one under way, from 0 */
    int64_t step_in_epoch;   /* the next step of it */
    int64_t step;            /* steps taken, refused ones included */
    struct step_kept kept;   /* by the device, after the last step */
    int64_t batches_tracked; /* batch norm's num_batches_tracked */
    double seconds;          /* since the beginning, interruptions left out */
    struct epoch_sums sums;
    int64_t bad_steps;  /* refused since the beginning */
    int bad_in_row;     /* refused just now, one after the other */
    bool stopped_early; /* early stopping ended the run */
    double rate_scale;  /* what autopilot has made of the rate: 1, or a fourth for each time it went back */
    int rollbacks;
    int64_t good_step; /* of the state that autopilot goes back to */
    int batch_factor;  /* what autopilot has made of train.accumulate: times 1, or times 4 for each time it enlarged it
                        */
    struct plateau plateau;
    struct early_stop early_stop;
    int64_t best_epoch; /* of the checkpoint `best`; -1: none yet */
    double best_loss, best_accuracy;
    struct loss_window window;                     /* the last losses: smoothing and spikes go on where they were */
    int64_t steps_bytes, results_bytes, log_bytes; /* lengths of the run's logs at this point */
};

/* All counters 0, no best; plateau and early stopping are begun by their own functions. */
void state_begin(struct train_state *state);

/* One JSON object, doubles with 17 digits and non-finite ones as text, 64-bit integers in full. In the arena. */
char *state_write(const struct train_state *state, struct arena *arena);

/* Exactly what state_write wrote: a missing, unknown or ill-typed member is ERR_DATA and named; name is the file's. */
int state_read(struct train_state *state, const char *name, const char *json);
#endif

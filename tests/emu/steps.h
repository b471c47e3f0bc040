/* steps: a small network with every kind of operation, trained for some steps on a backend by a recipe, and what came
 * of it. For tests that compare backends, schedules and ways of queueing. Judges nothing. */
#ifndef EMU_STEPS_H
#define EMU_STEPS_H
#include "plan.h"

enum { STEPS_ROWS = 6, STEPS_SAMPLES = 20, STEPS_MOST = 80 };

/* Steps that look ahead at the next one's batches. */
static inline bool steps_ahead(int step)
{
    return step % 5 == 2;
}

struct recipe {
    enum dtype dtype;
    enum optimizer_kind kind;
    int accumulate, steps;
    bool settles; /* plan_settle_batch after some steps */
};

struct outcome {
    struct step_record records[STEPS_MOST];
    struct loss_sums sums; /* of an evaluation afterwards */
    float *weights;        /* parameters, then states; canonical */
    int64_t count;
    int64_t waits; /* of the host, within the steps, as the backend counts them: until the device stood still */
    int64_t held;  /* and for earlier steps */
    int late;      /* steps whose record was not there yet when the next was queued */
};

/* One network on a device with its data: open, queue steps, close. Failures fail the test. */
struct trainee {
    const struct backend *backend;
    struct device *device;
    const struct recipe *recipe;
    struct graph graph;
    struct plan plan;
    const void *pixels, *labels, *order;
};
void trainee_open(struct trainee *trainee, const struct backend *backend, const struct recipe *recipe);
void trainee_step(struct trainee *trainee, int step);
void trainee_evaluate(struct trainee *trainee, struct loss_sums *sums); /* waits */
void trainee_weights(struct trainee *trainee, struct outcome *outcome);
void trainee_close(struct trainee *trainee);

/* All of it. Free outcome->weights with memory_give. */
void steps_run(const struct backend *backend, const struct recipe *recipe, struct outcome *outcome);
#endif

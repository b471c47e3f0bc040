/* trained: see trained.h. */
#include "trained.h"
#include "emu.h"
#include "fixtures.h"

#include <math.h>
#include <stdlib.h>

int trained_begin(void **state)
{
    const int status = fixture_begin(state);
    setenv("XDG_CACHE_HOME", fixture_path("empty"), 1);
    return status;
}

void trained_check(int status)
{
    if (status < 0)
        fail_msg("%s (%s) %s", fail_text(), fail_origin(), emu_message());
}

void trained_open(struct trained *trained, void (*build)(struct graph *graph), const struct backend *backend,
                  enum dtype dtype, int options)
{
    static uint8_t pixels[TRAINED_ROWS * TRAINED_SIDE * TRAINED_SIDE * TRAINED_CHANNELS];
    static int32_t labels[TRAINED_ROWS], order[TRAINED_ROWS];
    for (int i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (uint8_t)(i * 37 + i / 29 * 11);
    for (int i = 0; i < TRAINED_ROWS; i++) {
        labels[i] = i % TRAINED_CLASSES;
        order[i] = i;
    }
    struct augment augment = {.out_h = TRAINED_SIDE, .out_w = TRAINED_SIDE};
    for (int c = 0; c < TRAINED_CHANNELS; c++) {
        augment.mean[c] = 0.5f;
        augment.std[c] = 0.3f;
    }
    const struct plan_options plan_options = {
        .batch = TRAINED_ROWS,
        .dtype = dtype,
        .training = true,
        .deterministic = options & TRAINED_DETERMINISTIC,
        .apart = options & TRAINED_APART,
        .private_buffers = options & TRAINED_PRIVATE_BUFFERS,
        .survey = true,
        .image = {1, TRAINED_SIDE, TRAINED_SIDE, TRAINED_CHANNELS},
        .augment_train = augment,
        .augment_eval = augment,
        .update = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .grad_scale = 1.0f},
    };
    *trained = (struct trained){.backend = backend};
    trained_check(backend->open(&trained->device, 0, 1));
    build(&trained->graph);
    trained_check(plan_build(&trained->plan, &trained->graph, backend, trained->device, &plan_options));
    trained_check(backend->place(trained->device, pixels, sizeof pixels, &trained->pixels));
    trained_check(backend->place(trained->device, labels, sizeof labels, &trained->labels));
    trained_check(backend->place(trained->device, order, sizeof order, &trained->order));
    plan_set_data(&trained->plan, trained->pixels, trained->labels, trained->order);
    trained_check(plan_init_weights(&trained->plan, 3));
}

void trained_close(struct trained *trained)
{
    trained->backend->unplace(trained->device, trained->pixels);
    trained->backend->unplace(trained->device, trained->labels);
    trained->backend->unplace(trained->device, trained->order);
    plan_free(&trained->plan);
    graph_free(&trained->graph);
    trained->backend->close(trained->device);
}

void trained_steps(struct trained *trained, int from, int to)
{
    for (int step = from; step < to; step++)
        trained_check(plan_train_batch(
            &trained->plan, &(struct step_control){.seed = 3, .step = step, .valid = TRAINED_ROWS, .lr = 0.05f}, true,
            true));
    trained_check(trained->backend->wait(trained->device));
}

double trained_distance(struct trained *got, struct trained *wanted, enum slab_kind slab, int v, double scale)
{
    static float a[16384], b[16384];
    const int64_t count = shape_count(got->graph.values[v].shape);
    double apart = 0, whole = slab == SLAB_GRAD ? 1e-12 : 1e-4 * (double)count;
    assert_true(count <= COUNT_OF(a));
    trained_check(plan_read_weight(&got->plan, slab, v, a));
    trained_check(plan_read_weight(&wanted->plan, slab, v, b));
    for (int64_t i = 0; i < count; i++) {
        const double difference = (double)a[i] / scale - (double)b[i];
        apart += difference * difference;
        whole += (double)b[i] * (double)b[i];
    }
    return sqrt(apart / whole);
}

int trained_next(const struct trained *trained, enum slab_kind slab, int v)
{
    while (++v < trained->graph.value_count) {
        const struct value *value = &trained->graph.values[v];
        const bool rounding = slab == SLAB_GRAD && strcmp(value->name, "b3.bias") == 0;
        if (value->role == (slab == SLAB_STATE ? VALUE_STATE : VALUE_PARAM) && !rounding)
            return v;
    }
    return -1;
}

void trained_near(const char *what, struct trained *got, struct trained *wanted, enum slab_kind slab, double most)
{
    for (int v = -1; (v = trained_next(got, slab, v)) >= 0;) {
        const double off = trained_distance(got, wanted, slab, v, 1.0);
        if (!(off <= most))
            fail_msg("%s: %s of %s is off by %g, more than %g", what, slab_names[slab], got->graph.values[v].name, off,
                     most);
    }
}

/* trained: a small network of a test's own, trained some steps on four images, and how far two such are apart. For
 * tests of what is computed together. Failures are cmocka's. */
#ifndef EMU_TRAINED_H
#define EMU_TRAINED_H
#include "plan.h"

enum { TRAINED_ROWS = 4, TRAINED_SIDE = 9, TRAINED_CHANNELS = 3, TRAINED_CLASSES = 5 };

struct trained {
    struct graph graph;
    struct plan plan;
    struct device *device;
    const void *pixels, *labels, *order;
    const struct backend *backend;
};

/* plan_options of these names. */
enum { TRAINED_APART = 1, TRAINED_PRIVATE_BUFFERS = 2, TRAINED_DETERMINISTIC = 4 };

/* fixture_begin, with a cache of plans that is empty. */
int trained_begin(void **state);
void trained_check(int status);
/* build: for images of TRAINED_SIDE x TRAINED_SIDE x TRAINED_CHANNELS and TRAINED_CLASSES. options: of TRAINED_*. */
void trained_open(struct trained *trained, void (*build)(struct graph *graph), const struct backend *backend,
                  enum dtype dtype, int options);
void trained_close(struct trained *trained);
void trained_steps(struct trained *trained, int from, int to);
/* The norm of a weight's difference over its norm; scale: of got. */
double trained_distance(struct trained *got, struct trained *wanted, enum slab_kind slab, int v, double scale);
/* The next value of the slab after v; -1: none. Left out is the gradient of "b3.bias", a bias before a normalisation,
 * which is rounding alone. */
int trained_next(const struct trained *trained, enum slab_kind slab, int v);
void trained_near(const char *what, struct trained *got, struct trained *wanted, enum slab_kind slab, double most);

#endif

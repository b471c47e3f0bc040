/* everything: a network with every kind of node, images for it, and its training. For tests of the plan. Every mistake
 * fails the running test. */
#ifndef TESTS_EVERYTHING_H
#define TESTS_EVERYTHING_H
#include "plan.h"

enum { SIZE = 12, CHANNELS = 3, CLASSES = 4, ROWS = 8, IMAGES = 24 };
enum { NORM3_NODE = 9, LAST_NODE = 14 }; /* of the network */

static const struct backend *const backend = &backend_cpu;
extern struct device *device;
extern uint8_t pixels[IMAGES * SIZE * SIZE * CHANNELS];
extern int32_t labels[IMAGES], order[IMAGES];

/* For cmocka's group setup and teardown: opens the device and draws the images. */
int open_all(void **state);
int close_all(void **state);

void check(int status);
int build_everything(struct graph *graph);
struct plan_options everything_options(void);
void open_plan(struct graph *graph, struct plan *plan, const struct plan_options *options);
/* first: of the nodes that are trained; the others are held still. */
void open_held(struct graph *graph, struct plan *plan, const struct plan_options *options, int first);
void close_plan(struct graph *graph, struct plan *plan);
struct step_control control_of(int step, float lr);
void train(struct plan *plan, int steps, float lr, struct step_record *last);
/* Finite differences through all that is trained: forward, meeting gradients and backward of every kind of node. */
void check_gradients(int first);
#endif

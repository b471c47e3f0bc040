/* drawn_images: a data set drawn by hand, clean, into which tests of the check plant faults. */
#ifndef DRAWN_IMAGES_H
#define DRAWN_IMAGES_H
#include "check.h"
#include "fixtures.h"
#include "random.h"

enum { SIDE = 16, BYTES = SIDE * SIDE * 3, TRAIN = 400, VAL = 100, COUNT = TRAIN + VAL, CLASSES = 4 };

struct world {
    uint8_t pixels[COUNT][BYTES];
    int32_t labels[COUNT], samples[COUNT];
    struct dataset data[2];
    struct subset subset[2];
    struct check_input input;
    struct findings findings;
};
extern struct world world;

/* Noise about a level; classes in turn. */
void world_make(void);
/* Fills findings, which the test frees. */
void world_check(void);
/* The finding of that name, NULL: there is none; whether there is one; the same, where there has to be one. */
const struct finding *finding_of(const char *name);
bool has(const char *name);
const struct finding *get(const char *name);
/* Makes pictures of all images: a slow wave of a phase of its own and grain, so that neighbours go together. */
void draw_waves(void);
/* As world_check; the one finding there is. */
const struct finding *only(const char *name, enum severity severity);
#endif

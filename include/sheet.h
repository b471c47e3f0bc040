/* sheet: a contact sheet of training images as the network is given them, augmented, with their labels.
 * Level 3: includes backend, data. */
#ifndef SHEET_H
#define SHEET_H
#include "backend.h"
#include "data.h"

enum { SHEET_MOST = 256, SHEET_EPOCHS = 8 };

struct sheet_options {
    const struct subset *train;
    struct augment augment; /* as in training */
    uint64_t seed;
    bool shuffle;
    int batch;     /* the first images of epoch 1, as many as a batch has, SHEET_MOST at most */
    int64_t image; /* -1; else a place in the subset: this image alone, in the first SHEET_EPOCHS epochs */
};

/* Writes a PNG, which appears complete or not at all; the same options give the same picture. Augmented on the CPU,
 * which draws as every device does. ERR_USAGE: there is no such image. ERR_UNSUPPORTED: built without cairo. */
int sheet_write(const char *file, const struct sheet_options *options);
#endif

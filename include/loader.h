/* loader: images on their way to a device that does not hold them all: threads decode ahead into a ring of batches, in
 * the order of the epoch whatever their number, and the trainer takes one batch after the other.
 * Level 3: includes backend, data. */
#ifndef LOADER_H
#define LOADER_H
#include "backend.h"
#include "data.h"

struct loader; /* threads, and a feed of the backend's */

struct loader_options {
    const struct backend *backend;
    struct device *device;
    struct shape image;
    int batch, threads; /* threads 0: one per CPU */
    bool partners;      /* samples are mixed: after a slot's rows comes the image of the first row's partner */
};

int loader_open(struct loader **loader, const struct loader_options *options);
void loader_close(struct loader *loader); /* accepts NULL */
/* For plan_set_feed. */
const struct feed *loader_feed(const struct loader *loader);

/* Reads no image more: data and order of loader_begin are the caller's again. What was begun is dropped. */
void loader_rest(struct loader *loader);
/* From here on loader_next gives the batches of order[first], order[first + 1] … order[end - 1], the last maybe short.
 * What was begun before is dropped. order and data must stay as they are until the next loader_begin, loader_rest or
 * loader_close. */
int loader_begin(struct loader *loader, const struct dataset *data, const int32_t *order, int64_t first, int64_t end);
/* Waits until the next batch is there and sends it. slot: for step_control. Fails with the reader's reason where an
 * image of this batch could not be read, always the first in order. */
int loader_next(struct loader *loader, int32_t *slot);
/* The batch that reads the slot is queued. */
int loader_taken(struct loader *loader, int32_t slot);
/* These positions of an order once more, at most a batch: into a slot of their own. Waits for the device. */
int loader_again(struct loader *loader, const struct dataset *data, const int32_t *order, int64_t first, int count,
                 int32_t *slot);
/* Seconds that loader_next has waited for images, all together. */
double loader_waited(const struct loader *loader);
/* Bytes of the ring in host memory, whatever the size of the data. */
size_t loader_bytes(const struct loader *loader);
#endif

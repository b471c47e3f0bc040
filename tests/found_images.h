/* found_images: what a drawn run is taken for where something was found in its images before training. */
#ifndef FOUND_IMAGES_H
#define FOUND_IMAGES_H
#include "drawn_run.h"

extern struct symptom found[CAUSE_COUNT]; /* of the last examine() */
int examine(void);                        /* how many */
/* The verdict, and the rule that shows first. */
void expect(enum cause cause, const char *rule);
/* The verdict, and what is listed last, in doubt. */
void expect_doubtful(enum cause cause, enum cause doubt);
/* Before training a rule of include/check.h found something. */
void find_images(const char *rule);
/* In the last epoch, by training and by validation. */
void learn_all(void);
#endif

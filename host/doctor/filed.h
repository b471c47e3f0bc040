/* filed: images of one class that were filed under another in training alone. Then the one has more images there, by
 * the two classes' shares of validation, the other fewer, and a network that was taught these labels takes images of
 * the first for the second. Classes that are merely rarer in training than in validation are taken the other way: a
 * network that is in doubt names what is frequent. Private to host/doctor. */
#ifndef FILED_H
#define FILED_H
#include "doctor.h"

/* taken[classes][classes]: training images with this label that were taken for a class; val[classes]. The pair of which
 * the lesser of the two standard errors is largest; without names. */
void filed_find(struct filed *found, const int32_t *taken, const int32_t *val, int classes);
#endif

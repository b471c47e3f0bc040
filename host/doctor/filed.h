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
/* Whether it is beyond chance, and what is taken for the other class makes up for a fourth at least of the images that
 * are too many: of wrong labels a network contradicts about half, of images of which there are merely more next to
 * none. By 3.5 standard errors each: of 45 pairs of 10 classes one in 400,000 by chance. Where shares differ by intent
 * mistakes go the other way, to what is frequent. */
#define FILED_SURE 3.5
bool filed_is_sure(const struct filed *filed);
/* Where more images of a class were filed under the other than were left, the network is taught to take them for it,
 * and mistakes go the other way. Counts still tell: the two classes together are as frequent as in validation, and so
 * is each of the others, as hardly any set is in which classes are rare or frequent by intent; and those that were left
 * are taken for the other class, more of them than for their own. Fills found and returns true, or leaves it. Two
 * classes are always as frequent together: three at least. */
bool filed_swallowed(struct filed *found, const int32_t *taken, const int32_t *val, int classes);
#endif

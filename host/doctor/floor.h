/* floor: how many answers are wrong however sure they are. Of images that are merely hard a network is in doubt, so
 * that errors end where answers grow sure; of wrong labels, on images that it was not taught, it is as sure as of right
 * ones. So the share of errors is taken as floor + (1 - floor) / (1 + exp(-(a - b z))), z the logarithm of the odds of
 * an answer by its own confidence: the three-parameter logistic model of item response theory (Birnbaum 1968). Whether
 * a network is too sure or not sure enough in general is in a and b. Private to host/doctor. */
#ifndef FLOOR_H
#define FLOOR_H
#include "base.h"

/* Answers by their confidence, in equal steps of z. Zeroed to begin with. */
enum { FLOOR_BINS = 480 };
struct floor_bins {
    double count[FLOOR_BINS], wrong[FLOOR_BINS];
};
void floor_add(struct floor_bins *bins, double confidence, bool wrong);

struct error_floor {
    double share;  /* of all answers, the most likely one; 0: none */
    double z;      /* standard errors from none: root of twice the logarithm of the likelihoods' ratio */
    double surest; /* wrong ones of the surest quarter of the answers: a share */
};
void floor_fit(struct error_floor *floor, const struct floor_bins *bins);
#endif

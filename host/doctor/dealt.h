/* dealt: where the surest mistakes go. Of classes that are hard to tell the sure ones go where all go, from one class
 * to the few that look like it; wrong labels are dealt out whatever a class looks like, or each class has one that its
 * labels were exchanged with. Private to host/doctor. */
#ifndef DEALT_H
#define DEALT_H
#include "base.h"

struct dealt_answer {
    int label, prediction;
    double confidence;
};
/* Of the wrong ones among the surest quarter of the answers, *mistakes of them, the mean of log P(label | prediction):
 * as the other three quarters' mistakes have it, less as the classes' shares have it; in nats. Below 0: they were dealt
 * out; log(classes - 1): the prediction says what the label is. 0: there are none. Sorts the answers. */
double dealt_as_usual(struct dealt_answer *answers, size_t count, int classes, struct arena *arena, double *mistakes);
#endif

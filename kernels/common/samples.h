/* samples: what training remembers of one sample of the data set. Compiled by the C compiler and by nvcc; each sample
 * is once in a batch, so an entry has one writer. Margin: Pleiss et al. 2020 (area under the margin); forgetting:
 * Toneva et al. 2019; majority: Boyer and Moore 1981. */
#ifndef COMMON_SAMPLES_H
#define COMMON_SAMPLES_H
#include "backend.h"
#include "kernels/common/bf16.h"

/* The numbers of one forward pass; one that is not finite leaves the entry as it is, as the step that it belongs to is
 * refused. An entry is full after 65535. */
HOST_DEVICE void sample_take(struct sample_stats *sample, int label, int prediction, float loss, float margin,
                             float probability)
{
    if (!float_finite(loss) || !float_finite(margin) || sample->seen == UINT16_MAX)
        return;
    bool right = prediction == label, was_right = sample->seen > 0 && sample->prediction == label;
    sample->loss += loss;
    sample->margin += margin;
    sample->probability += probability;
    sample->seen++;
    sample->correct = (uint16_t)(sample->correct + right);
    sample->forgotten = (uint16_t)(sample->forgotten + (was_right && !right));
    sample->prediction = (uint16_t)prediction;
    if (sample->votes == 0)
        sample->majority = (uint16_t)prediction;
    sample->votes = (uint16_t)(sample->majority == prediction ? sample->votes + 1 : sample->votes - 1);
}
#endif

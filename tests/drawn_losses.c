/* drawn_losses: see drawn_losses.h. */
#include "drawn_losses.h"
#include "random.h"

#include <assert.h>
#include <math.h>

double uniform(struct draws *draws)
{
    const struct random_block block = random_words(draws->seed, RANDOM_SPOIL, 0, draws->next++, 0);
    return ((double)block.word[0] + 0.5) / 4294967296.0;
}

double normal(struct draws *draws)
{
    const double radius = sqrt(-2.0 * log(uniform(draws)));
    return radius * cos(6.283185307179586 * uniform(draws));
}

struct series series;

void series_begin(int64_t count)
{
    assert(count <= MOST_STEPS);
    series.rows = (struct loss_series){.count = count,
                                       .step = series.step,
                                       .epoch = series.epoch,
                                       .samples = series.samples,
                                       .loss = series.loss,
                                       .variance = series.variance};
}

void draw_batch(struct draws *draws, int64_t step, int batch, double spread)
{
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < batch; i++) {
        const double loss = spread * (-log(uniform(draws)) - 1.0);
        sum += loss;
        squares += loss * loss;
    }
    series.step[step] = (double)step;
    series.samples[step] = batch;
    series.loss[step] = series.path[step] + sum / batch;
    series.variance[step] = (squares - sum * sum / batch) / (batch - 1);
}

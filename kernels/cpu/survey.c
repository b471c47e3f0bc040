/* survey: sums over one array for the statistics of a layer. Knows nothing of what the array holds. */
#include "kernels/common/survey.h"
#include "cpu.h"
#include "lanes.h"
#include <assert.h>

static void survey_chunk(const struct survey_args *args, int64_t begin, int64_t end, struct survey_sums *sums)
{
    int channel = args->channels > 0 ? (int)(begin % args->channels) : 0;
    for (int64_t i = begin; i < end; i++) {
        const float value = lane_load(args->values, i, args->dtype) - (args->minus ? args->minus[i] : 0.0f);
        survey_take(sums, value);
        if (args->channels == 0)
            continue;
        if (value > 0.0f) {
            /* Written by several threads, always the same. */
#pragma omp atomic write
            args->alive[channel] = 1;
        }
        channel = channel + 1 == args->channels ? 0 : channel + 1;
    }
}

int cpu_survey(struct device *device, const struct survey_args *args)
{
    assert(args->dtype == DT_F32 || args->dtype == DT_BF16);
    const int chunks = chunk_count(args->count);
    struct survey_sums parts[CHUNK_COUNT] = {0}, total = {0};
#pragma omp parallel for schedule(static) num_threads(device->threads)
    for (int chunk = 0; chunk < chunks; chunk++)
        survey_chunk(args, chunk_begin(args->count, chunk), chunk_begin(args->count, chunk + 1), &parts[chunk]);
    for (int chunk = 0; chunk < chunks; chunk++)
        total = survey_merge(total, parts[chunk]);
    for (int channel = 0; channel < args->channels; channel++) {
        total.dead += !args->alive[channel];
        args->alive[channel] = 0;
    }
    *args->sums = total;
    return OK;
}

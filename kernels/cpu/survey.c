/* survey: sums over one array for the statistics of a layer. Knows nothing of what the array holds. */
#include "kernels/common/survey.h"
#include "flat_sums.h"
#include <assert.h>

/* Channels whose liveness fits beside a chunk's work; of more, values are looked at one by one. */
enum { SEEN_CHANNELS = 8192 };

struct survey_lanes {
    struct lane_sums sum, squares;
    int32_t positive[VEC];
};

INLINE void take_vector(enum dtype dtype, const struct survey_args *args, int64_t i, struct survey_lanes *lanes,
                        uint8_t *seen)
{
    float value[VEC];
    struct wide wide;
#pragma omp simd
    for (int lane = 0; lane < VEC; lane++) {
        value[lane] = lane_load(args->values, i + lane, dtype) - (args->minus ? args->minus[i + lane] : 0.0f);
        lanes->positive[lane] += value[lane] > 0.0f;
    }
    widen(&wide, value);
    UNROLL for (int p = 0; p < PARTS; p++) lanes->sum.part[p] += wide.part[p];
    sums_add(&lanes->squares, &wide, &wide);
    for (int lane = 0; seen && lane < VEC; lane++)
        seen[lane] |= value[lane] > 0.0f;
}

/* Whole vectors, each of channels one after another; there are channels in sixteens or none are wanted. */
INLINE void survey_vectors(enum dtype dtype, const struct survey_args *args, int64_t begin, int64_t end,
                           struct survey_sums *sums, uint8_t *seen)
{
    struct survey_lanes lanes = {0};
    int channel = args->channels > 0 ? (int)(begin % args->channels) : 0;
    for (int64_t i = begin; i < end; i += VEC) {
        take_vector(dtype, args, i, &lanes, seen ? seen + channel : NULL);
        channel = channel + VEC == args->channels ? 0 : channel + VEC;
    }
    sums->sum += sums_total(&lanes.sum);
    sums->squares += sums_total(&lanes.squares);
    for (int lane = 0; lane < VEC; lane++)
        sums->positive += lanes.positive[lane];
}

static void survey_values(const struct survey_args *args, int64_t begin, int64_t end, struct survey_sums *sums)
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

static void survey_chunk(const struct survey_args *args, int64_t begin, int64_t end, struct survey_sums *sums)
{
    uint8_t seen[SEEN_CHANNELS];
    const bool whole = args->channels % VEC == 0 && args->channels <= SEEN_CHANNELS;
    const int64_t vectors = whole ? begin + (end - begin) / VEC * VEC : begin;
    memset(seen, 0, whole ? (size_t)args->channels : 0);
    BY_DTYPE(args->dtype, survey_vectors, args, begin, vectors, sums, args->channels > 0 ? seen : NULL);
    for (int c = 0; whole && c < args->channels; c++)
        if (seen[c]) {
            /* Likewise. */
#pragma omp atomic write
            args->alive[c] = 1;
        }
    survey_values(args, vectors, end, sums);
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

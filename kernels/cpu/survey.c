/* survey: sums over one array for the statistics of a layer. Knows nothing of what the array holds. */
#include "kernels/common/survey.h"
#include "flat_sums.h"
#include <assert.h>

/* Channels whose liveness fits beside a chunk's work; of more, values are looked at one by one. */
enum { SEEN_CHANNELS = 8192 };

typedef int32_t vec_count __attribute__((vector_size(VEC * sizeof(int32_t))));
typedef uint8_t vec_flags __attribute__((vector_size(VEC)));

struct survey_lanes {
    struct lane_sums sum, squares;
    vec_count positive; /* counted down */
};

INLINE void take_vector(enum dtype dtype, const struct survey_args *args, int64_t i, struct survey_lanes *lanes,
                        uint8_t *seen)
{
    vec value, minus;
    struct wide wide;
    vec_load(&value, args->values, i, VEC, dtype);
    if (args->minus) {
        vec_load(&minus, args->minus, i, VEC, DT_F32);
        value -= minus;
    }
    widen(&wide, &value);
    lanes->sum.low += wide.low;
    lanes->sum.high += wide.high;
    sums_add(&lanes->squares, &wide, &wide);
    const vec_count above = value > 0.0f;
    lanes->positive += above;
    if (seen) {
        vec_flags flags;
        memcpy(&flags, seen, sizeof flags);
        flags |= __builtin_convertvector(__builtin_convertvector(above, vec_half), vec_flags);
        memcpy(seen, &flags, sizeof flags);
    }
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
        sums->positive -= lanes.positive[lane];
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

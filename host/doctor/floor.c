/* floor: see floor.h. Must not know what is asked. */
#include "floor.h"

#include <math.h>

/* z from the confidence of a guess among 1024 classes to what a float tells from 1. */
#define LOWEST  (-7.0)
#define HIGHEST 17.0
/* Floors that are tried. More than half of all answers wrong for good is no network's word. */
#define STEP 0.005
#define MOST 0.5
#define TINY 1e-9
enum { ROUNDS = 30, HALVINGS = 8 };

static double middle_of(int bin)
{
    return LOWEST + (HIGHEST - LOWEST) * (bin + 0.5) / FLOOR_BINS;
}

void floor_add(struct floor_bins *bins, double confidence, bool wrong)
{
    const double z = log(fmax(confidence, TINY) / fmax(1.0 - confidence, TINY));
    const double place = (z - LOWEST) / (HIGHEST - LOWEST) * FLOOR_BINS;
    const int bin = (int)fmin(fmax(place, 0.0), FLOOR_BINS - 1);
    bins->count[bin]++;
    bins->wrong[bin] += wrong;
}

/* Of the logistic curve; by (z - mean) / deviation, so that both are about 1. */
struct curve {
    double a, b, mean, deviation;
};

static double curve_at(const struct curve *curve, int bin)
{
    return 1.0 / (1.0 + exp(curve->b * (middle_of(bin) - curve->mean) / curve->deviation - curve->a));
}

static double likelihood(const struct floor_bins *bins, const struct curve *curve, double floor)
{
    double sum = 0.0;
    for (int i = 0; i < FLOOR_BINS; i++)
        if (bins->count[i] > 0.0) {
            const double p = fmin(fmax(floor + (1.0 - floor) * curve_at(curve, i), TINY), 1.0 - TINY);
            sum += bins->wrong[i] * log(p) + (bins->count[i] - bins->wrong[i]) * log(1.0 - p);
        }
    return sum;
}

/* One step of Fisher's scoring for a floor; false: nothing is left to gain. b stays positive: a network whose errors
 * grow with its confidence says nothing. */
static bool improve(const struct floor_bins *bins, double floor, struct curve *curve, double *best)
{
    double ga = 0.0, gb = 0.0, aa = 0.0, ab = 0.0, bb = 0.0;
    for (int i = 0; i < FLOOR_BINS; i++) {
        if (!(bins->count[i] > 0.0))
            continue;
        const double s = curve_at(curve, i), x = -(middle_of(i) - curve->mean) / curve->deviation;
        const double p = fmin(fmax(floor + (1.0 - floor) * s, TINY), 1.0 - TINY), slope = (1.0 - floor) * s * (1.0 - s);
        const double pull = slope * (bins->wrong[i] - bins->count[i] * p) / (p * (1.0 - p));
        const double weight = bins->count[i] * slope * slope / (p * (1.0 - p));
        ga += pull;
        gb += pull * x;
        aa += weight;
        ab += weight * x;
        bb += weight * x * x;
    }
    const double determinant = aa * bb - ab * ab;
    if (!(determinant > TINY * aa * bb))
        return false;
    double da = (bb * ga - ab * gb) / determinant, db = (aa * gb - ab * ga) / determinant;
    for (int i = 0; i < HALVINGS; i++, da *= 0.5, db *= 0.5) {
        const struct curve next = {curve->a + da, fmax(curve->b + db, 0.0), curve->mean, curve->deviation};
        const double reached = likelihood(bins, &next, floor);
        if (!(reached > *best + TINY))
            continue;
        *curve = next;
        *best = reached;
        return true;
    }
    return false;
}

static double maximum(const struct floor_bins *bins, double floor, struct curve *curve)
{
    double best = likelihood(bins, curve, floor);
    for (int i = 0; i < ROUNDS && improve(bins, floor, curve, &best); i++)
        ;
    return best;
}

/* Where it begins and what is scaled by; the surest quarter is as many bins from above as hold it. */
static struct curve begin(struct error_floor *floor, const struct floor_bins *bins, double all)
{
    double sum = 0.0, squares = 0.0, wrong = 0.0, surest = 0.0, surest_wrong = 0.0;
    for (int i = FLOOR_BINS - 1; i >= 0; i--) {
        const double z = middle_of(i);
        if (surest < 0.25 * all) {
            surest += bins->count[i];
            surest_wrong += bins->wrong[i];
        }
        sum += bins->count[i] * z;
        squares += bins->count[i] * z * z;
        wrong += bins->wrong[i];
    }
    const double mean = sum / all;
    floor->surest = surest_wrong / surest;
    return (struct curve){log((wrong + 1.0) / (all - wrong + 1.0)), 1.0, mean,
                          sqrt(fmax(squares / all - mean * mean, TINY))};
}

void floor_fit(struct error_floor *floor, const struct floor_bins *bins)
{
    double all = 0.0;
    *floor = (struct error_floor){0};
    for (int i = 0; i < FLOOR_BINS; i++)
        all += bins->count[i];
    if (!(all > 0.0))
        return;
    struct curve curve = begin(floor, bins, all);
    const double none = maximum(bins, 0.0, &curve);
    double best = none;
    for (double share = STEP; share <= MOST; share += STEP) {
        const double reached = maximum(bins, share, &curve);
        if (reached > best) {
            best = reached;
            floor->share = share;
        }
    }
    floor->z = sqrt(2.0 * (best - none));
}

/* odd: training images that stand out from their class or are there twice. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Farther from the class's median than this, in robust deviations. Of a normal distribution that is one image in 500
 * million; what real classes have beyond it is no longer of the same kind. */
#define FAR 6.0
/* Neighbouring pixels are as good as uncorrelated (below 0.2): of a normal distribution with correlation r they differ
 * by 0.8 sqrt(2 (1 - r)) deviations. In a class of pictures, which have half of that, it is noise. */
#define NOISE   1.0
#define PICTURE 0.7
/* Normal noise has 2 / sqrt(pi) = 1.128, evenly distributed noise 1.155; with a correlation of 0.05, which is as much
 * as an image of 24 x 24 pixels tells from none, 1.10. */
#define UNCORRELATED 1.1
/* From here to NOISE: where a class of rough pictures has a tail, more of it lie there than beyond, since a tail falls.
 */
#define ROUGH 0.8
/* Of n images whose logarithms are normal, n (1 - Phi(z)) are z deviations above the median by chance: a class of 60
 * that scatters widely has one at 2.1. Up to this many are none. */
#define CHANCE 0.05
/* Fewer images do not say what is usual for a class. */
enum { CLASS_LEAST = 20 };

struct hunt {
    struct odd_images *odd;
    const struct facts *facts;
    int64_t room;
    double *values, *sorted; /* [facts->count]; sorted is scratch */
    int64_t from, to;        /* the part whose classes are looked at */
    struct image_facts
        *mark; /* [facts->count] where images of both parts are told; NULL: those of training are listed */
    struct arena arena;
};

/* Of training images, or of validation's. */
static void hunt_open(struct hunt *hunt, const struct facts *facts, bool val, struct odd_images *odd)
{
    *hunt = (struct hunt){.odd = odd,
                          .facts = facts,
                          .from = val ? facts->train_count : 0,
                          .to = val ? facts->count : facts->train_count};
    hunt->values = arena_push(&hunt->arena, (size_t)facts->count * sizeof *hunt->values);
    hunt->sorted = arena_push(&hunt->arena, (size_t)facts->count * sizeof *hunt->sorted);
}

static void add(struct hunt *hunt, const struct odd_image *image)
{
    struct odd_images *odd = hunt->odd;
    if (odd->count == hunt->room) {
        const int64_t room = hunt->room ? 2 * hunt->room : 256;
        struct odd_image *larger = arena_push(&odd->arena, (size_t)room * sizeof *larger);
        if (odd->count)
            memcpy(larger, odd->list, (size_t)odd->count * sizeof *larger);
        odd->list = larger;
        hunt->room = room;
    }
    odd->list[odd->count++] = *image;
}

/* Median of the class's values, those that are known; NaN: too few. deviation: robust. */
static double median_of(struct hunt *hunt, int label, double *deviation)
{
    const struct facts *facts = hunt->facts;
    int64_t count = 0;
    for (int64_t i = hunt->from; i < hunt->to; i++)
        if (facts->images[i].label == label && !isnan(hunt->values[i]))
            hunt->sorted[count++] = hunt->values[i];
    if (count < CLASS_LEAST)
        return NAN;
    const double median = facts_median(hunt->sorted, count);
    for (int64_t i = 0; i < count; i++)
        hunt->sorted[i] = fabs(hunt->sorted[i] - median);
    *deviation = 1.4826 * facts_median(hunt->sorted, count);
    return median;
}

static void take_values(struct hunt *hunt, enum oddity what)
{
    const struct facts *facts = hunt->facts;
    for (int64_t i = 0; i < facts->count; i++) {
        const struct image_facts *one = &facts->images[i];
        const float value = what == ODD_LIGHT ? one->mean : what == ODD_CONTRAST ? one->spread : one->roughness;
        const bool aslant = one->kind == KIND_ODD && one->aslant != 0;
        const bool whole = one->kind != KIND_TORN && !aslant && !image_is_flat(facts, i);
        hunt->values[i] = value > 0.0f && whole ? log((double)value) : NAN;
    }
}

/* Images of a part: all that have a value, those between ROUGH and NOISE, and those beyond. */
struct reach {
    double count, rough, noise;
};
enum { TRAIN, VAL, PARTS };

/* What is usual for a class, of logarithms; median NaN: too few images to say. */
struct usual {
    double median, deviation;
    struct reach of[PARTS];
};

static double noise_share(const struct reach *reach)
{
    return reach->count > 0.0 ? reach->noise / reach->count : NAN;
}

static void count_reach(const struct hunt *hunt, struct usual *usual)
{
    const struct facts *facts = hunt->facts;
    for (int64_t i = 0; i < facts->count; i++) {
        struct reach *reach = &usual[facts->images[i].label].of[i < facts->train_count ? TRAIN : VAL];
        reach->count += !isnan(hunt->values[i]);
        reach->rough += hunt->values[i] > log(ROUGH) && hunt->values[i] <= log(NOISE);
        reach->noise += hunt->values[i] > log(NOISE);
    }
}

/* Whether more of the training images look like noise than of validation's, by what is worth a word and four standard
 * errors, whatever they are labelled: wrong labels change no picture. */
static bool has_strangers(const struct usual *usual, int classes)
{
    const double worth = 0.005, sure = 4.0;
    struct reach all[PARTS] = {{0}};
    for (int label = 0; label < classes; label++)
        for (int part = 0; part < PARTS; part++) {
            all[part].count += usual[label].of[part].count;
            all[part].noise += usual[label].of[part].noise;
        }
    const double apart = noise_share(&all[TRAIN]) - noise_share(&all[VAL]);
    const double share = (all[TRAIN].noise + all[VAL].noise) / (all[TRAIN].count + all[VAL].count);
    const double error = sqrt(share * (1.0 - share) * (1.0 / all[TRAIN].count + 1.0 / all[VAL].count));
    return apart > worth && apart > sure * error;
}

/* Then it is one of these, unless validation's images of that class are as rough half as often. */
static bool is_stranger(const struct usual *usual, double value)
{
    return exp(value) > NOISE && usual->of[VAL].count >= CLASS_LEAST &&
           noise_share(&usual->of[VAL]) < 0.5 * noise_share(&usual->of[TRAIN]);
}

static bool is_noise(const struct usual *usual, double value)
{
    return exp(value) > NOISE && exp(usual->median) < PICTURE;
}

static bool is_far(const struct usual *usual, double value, bool texture)
{
    return (texture && is_noise(usual, value)) || fabs(value - usual->median) > FAR * usual->deviation;
}

/* What looks like noise is the end of a class of rough pictures, and no noise: the class reaches there, in validation
 * as in training, and as many are expected so far from its median. */
static bool is_tail(const struct usual *usual, double value)
{
    const double z = (value - usual->median) / usual->deviation;
    const struct reach *train = &usual->of[TRAIN], *val = &usual->of[VAL];
    return fabs(z) <= FAR && train->rough + val->rough > train->noise + val->noise &&
           train->count * 0.5 * erfc(z / sqrt(2.0)) > CHANCE;
}

/* Neighbouring pixels have no correlation at all, and this class of pictures does not reach there. */
static bool is_none_of(const struct usual *usual, double value)
{
    const double usually = 2.0;
    return exp(value) > UNCORRELATED && exp(usual->median + usually * usual->deviation) < UNCORRELATED;
}

/* An image that is as usual for another class belongs there: its label is wrong, the image is not. */
static bool is_of_another(const struct usual *usual, int classes, double value)
{
    for (int label = 0; label < classes; label++)
        if (usual[label].deviation > 0.0 && !is_far(&usual[label], value, true) && !is_none_of(&usual[label], value))
            return true;
    return false;
}

/* Whether the roughness of an image is that of its class, or of another. */
static bool is_known(const struct usual *usual, int classes, int label, double value)
{
    return is_of_another(usual, classes, value) || is_tail(&usual[label], value);
}

/* Images whose logarithm of a measure is far from their class's. Brightness and contrast are alike in most classes, and
 * say nothing of which of them an image belongs to; roughness does. */
static void find_far(struct hunt *hunt, enum oddity what)
{
    const struct facts *facts = hunt->facts;
    const int classes = facts->input->train->data->class_count;
    const bool texture = what == ODD_TEXTURE;
    const int64_t all = hunt->mark ? facts->count : facts->train_count;
    struct usual *usual = arena_push(&hunt->arena, (size_t)classes * sizeof *usual);
    take_values(hunt, what);
    for (int label = 0; label < classes; label++) {
        usual[label].median = median_of(hunt, label, &usual[label].deviation);
        if (isnan(usual[label].median))
            usual[label].deviation = 0.0;
    }
    count_reach(hunt, usual);
    const bool strangers = texture && has_strangers(usual, classes);
    for (int label = 0; label < classes; label++)
        for (int64_t i = 0; i < all && usual[label].deviation > 0.0; i++) {
            const double value = hunt->values[i], median = usual[label].median;
            if (facts->images[i].label != label)
                continue;
            const bool stranger = strangers && is_stranger(&usual[label], value);
            if (!stranger &&
                (!is_far(&usual[label], value, texture) || (texture && is_known(usual, classes, label, value))))
                continue;
            if (hunt->mark) {
                hunt->mark[i].kind = KIND_ODD;
                continue;
            }
            add(hunt, &(struct odd_image){.what = what,
                                          .sample = facts->images[i].sample,
                                          .other = -1,
                                          .noise = stranger || (texture && is_noise(&usual[label], value)),
                                          .value = exp(value),
                                          .usual = exp(median),
                                          .distance = fabs(value - median) / usual[label].deviation});
        }
}

static void find_copies(struct hunt *hunt, enum oddity what, const struct pairs *pairs)
{
    const struct facts *facts = hunt->facts;
    for (int64_t i = 0; i < pairs->count; i++) {
        int32_t one = pairs->list[i].a, other = pairs->list[i].b;
        if (one >= facts->train_count)
            continue; /* both are validation images */
        /* Of two training images the later one is the copy. */
        const bool across = other >= facts->train_count;
        const int32_t copy = across ? one : other;
        add(hunt, &(struct odd_image){.what = what,
                                      .sample = facts->images[copy].sample,
                                      .other = facts->images[across ? other : one].sample,
                                      .other_in_val = across});
    }
}

/* What shows no picture, or a part of one. */
static void find_spoilt(struct hunt *hunt)
{
    const struct facts *facts = hunt->facts;
    for (int64_t i = 0; i < facts->train_count; i++) {
        const struct image_facts *one = &facts->images[i];
        const bool torn = one->kind == KIND_TORN, aslant = one->kind == KIND_ODD;
        if (torn || aslant || image_is_flat(facts, i))
            add(hunt, &(struct odd_image){.what = torn     ? ODD_TORN
                                                  : aslant ? ODD_ASLANT
                                                           : ODD_FLAT,
                                          .sample = one->sample,
                                          .other = -1,
                                          .noise = torn && one->half != HALF_NONE,
                                          .value = torn     ? (double)one->repeated
                                                   : aslant ? (double)one->aslant
                                                            : (double)one->mean});
    }
}

int check_odd_images(struct odd_images *odd, const struct check_input *input)
{
    struct facts facts = {.input = input};
    *odd = (struct odd_images){0};
    int status = facts_measure(&facts);
    if (status == OK)
        status = facts_pair(&facts);
    if (status == OK) {
        struct hunt hunt;
        hunt_open(&hunt, &facts, false, odd);
        find_copies(&hunt, ODD_COPY, &facts.same);
        find_copies(&hunt, ODD_NEAR_COPY, &facts.near);
        find_spoilt(&hunt);
        find_far(&hunt, ODD_LIGHT);
        find_far(&hunt, ODD_CONTRAST);
        find_far(&hunt, ODD_TEXTURE);
        arena_free(&hunt.arena);
    }
    facts_free(&facts);
    return status;
}

void odd_images_free(struct odd_images *odd)
{
    arena_free(&odd->arena);
    *odd = (struct odd_images){0};
}

void facts_mark_odd(struct facts *facts)
{
    struct hunt hunt;
    hunt_open(&hunt, facts, false, NULL);
    hunt.mark = facts->images;
    find_far(&hunt, ODD_TEXTURE);
    arena_free(&hunt.arena);
}

/* Root mean square over the classes, by their images, of the deviation of hunt->values and of their median. */
static void over_classes(struct hunt *hunt, double *deviation, double *median)
{
    const struct facts *facts = hunt->facts;
    double squares = 0.0, medians = 0.0, known = 0.0;
    for (int label = 0; label < facts->input->train->data->class_count; label++) {
        double images = 0.0, apart;
        for (int64_t i = hunt->from; i < hunt->to; i++)
            images += facts->images[i].label == label;
        const double middle = median_of(hunt, label, &apart);
        if (isnan(middle))
            continue;
        squares += images * apart * apart;
        medians += images * middle * middle;
        known += images;
    }
    *deviation = known > 0.0 ? sqrt(squares / known) : NAN;
    *median = known > 0.0 ? sqrt(medians / known) : NAN;
}

double facts_contrast_spread(const struct facts *facts, bool val)
{
    struct hunt hunt;
    double spread, usual;
    hunt_open(&hunt, facts, val, NULL);
    take_values(&hunt, ODD_CONTRAST);
    over_classes(&hunt, &spread, &usual);
    arena_free(&hunt.arena);
    return spread;
}

double facts_brightness_spread(const struct facts *facts, bool val, double *within)
{
    struct hunt hunt;
    double between, unused;
    hunt_open(&hunt, facts, val, NULL);
    for (int64_t i = 0; i < facts->count; i++)
        hunt.values[i] = facts->images[i].kind == KIND_SOUND ? (double)facts->images[i].mean : NAN;
    over_classes(&hunt, &between, &unused);
    for (int64_t i = 0; i < facts->count; i++)
        hunt.values[i] = facts->images[i].kind == KIND_SOUND ? (double)facts->images[i].spread : NAN;
    over_classes(&hunt, &unused, within);
    arena_free(&hunt.arena);
    return between;
}

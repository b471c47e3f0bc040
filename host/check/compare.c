/* compare: figures of image quality, in training against validation. Parts drawn from one set do not differ in any of
 * them beyond chance, so that what does is a fault of one of them, whatever a network makes of it. Judges nothing of a
 * part by itself.
 *
 * Each figure is compared class by class, as classes that are rare in one part would make others of it, and over all
 * images, as wrong labels make a class's images more unlike each other but change no picture: the smaller difference
 * counts. */
#include "facts.h"

#include <math.h>
#include <string.h>

/* Of so many comparisons in standard errors: by chance one data set in 300,000 has any. */
#define SURE 5.0
/* A share of the images that are no pictures, or were read in part: with so many wrong something is missing. */
#define SHARE 0.05
/* Deviation of a factor that is 0.7 to 1.3, as RELIGHT makes it: less is no more than what would mend it. */
#define LIGHT 0.173
/* As of judge_shading: fainter slopes do not matter. */
#define SLOPE 0.05
/* From a normal distribution's mean absolute deviation to its standard deviation. */
#define TO_DEVIATION 1.2533
/* Fewer images do not say what is usual for a class. */
enum { CLASS_LEAST = 20 };

/* SPREAD: how far images are from the median of theirs. SIZE: a figure that is a deviation by itself. */
enum manner { MANNER_SHARE, MANNER_SPREAD, MANNER_SIZE };
static const struct {
    enum manner manner;
    double least;
    enum image_kind kind; /* of a share */
    const char *words;    /* what is worse in a part: "%s images … (%.3g, …)" */
} figures[FIGURES] = {
    [FIGURE_FLAT] = {MANNER_SHARE, SHARE, KIND_FLAT, "are of one colour more often"},
    [FIGURE_TORN] = {MANNER_SHARE, SHARE, KIND_TORN, "were read in part more often"},
    [FIGURE_ODD] = {MANNER_SHARE, SHARE, KIND_ODD, "are noise or test patterns more often"},
    [FIGURE_CONTRAST] = {MANNER_SPREAD, LIGHT, KIND_SOUND, "differ more in contrast from each other (logarithms)"},
    [FIGURE_BRIGHTNESS] = {MANNER_SPREAD, LIGHT, KIND_SOUND, "differ more in brightness from each other (logarithms)"},
    [FIGURE_SLOPE] = {MANNER_SIZE, SLOPE, KIND_SOUND, "have more of a slope of light"},
};

/* Of large parts of the image, 3 patches by 2, which grain hardly changes. */
static double contrast_of(const struct image_facts *one)
{
    enum { ACROSS = 3, DOWN = 2, CELLS = PATCHES / (ACROSS * DOWN) };
    double cell[CELLS] = {0.0}, sum = 0.0, squares = 0.0;
    for (int i = 0; i < PATCHES; i++)
        cell[i / PATCH_COLUMNS / DOWN * (PATCH_COLUMNS / ACROSS) + i % PATCH_COLUMNS / ACROSS] +=
            (double)one->patches[i] / (PATCH_UNIT * ACROSS * DOWN);
    for (int i = 0; i < CELLS; i++) {
        sum += cell[i];
        squares += cell[i] * cell[i];
    }
    const double mean = sum / CELLS, variance = squares / CELLS - mean * mean;
    return variance > 0.0 ? log(sqrt(variance) * (double)one->mean) : NAN;
}

static double value_of(const struct image_facts *one, enum figure figure)
{
    if (figures[figure].manner == MANNER_SHARE)
        return one->kind == figures[figure].kind;
    if (one->kind != KIND_SOUND || !(one->mean > 0.0f))
        return NAN;
    return figure == FIGURE_CONTRAST ? contrast_of(one) : log((double)one->mean);
}

struct room {
    double *values, *sorted; /* [facts->count] */
    struct heap {
        double images, sum, squares;
    } * heaps; /* two a class */
};

/* Turns the values of a class in a part (label -1: of all) into how far they are from their median; NaN: too few. */
static void take_median(const struct facts *facts, struct room *room, int label, bool val)
{
    const int64_t from = val ? facts->train_count : 0, to = val ? facts->count : facts->train_count;
    int64_t known = 0;
    for (int64_t i = from; i < to; i++)
        if ((label < 0 || facts->images[i].label == label) && !isnan(room->values[i]))
            room->sorted[known++] = room->values[i];
    const double median = known >= CLASS_LEAST ? facts_median(room->sorted, known) : NAN;
    for (int64_t i = from; i < to; i++)
        if (label < 0 || facts->images[i].label == label)
            room->values[i] = TO_DEVIATION * fabs(room->values[i] - median);
}

static int take_values(const struct facts *facts, enum figure figure, bool by_class, struct room *room)
{
    const int classes = facts->input->train->data->class_count;
    if (figure == FIGURE_SLOPE) {
        TRY(facts_slopes(facts, false, by_class, room->values));
        return facts_slopes(facts, true, by_class, room->values);
    }
    for (int64_t i = 0; i < facts->count; i++)
        room->values[i] = value_of(&facts->images[i], figure);
    for (int part = 0; figures[figure].manner == MANNER_SPREAD && part < 2; part++)
        for (int label = by_class ? 0 : -1; label < (by_class ? classes : 0); label++)
            take_median(facts, room, label, part);
    return OK;
}

/* Means of both parts, of the classes that are in both, training's weighted as validation has them; error: of their
 * difference, from how much the values of a class differ. */
struct means {
    double part[2], error;
};

static struct means means_of(const struct facts *facts, bool by_class, struct room *room)
{
    const int classes = by_class ? facts->input->train->data->class_count : 1;
    double val = 0.0, squares = 0.0, freedom = 0.0, weights = 0.0;
    struct means means = {{0.0, 0.0}, INFINITY};
    memset(room->heaps, 0, 2 * (size_t)classes * sizeof *room->heaps);
    for (int64_t i = 0; i < facts->count; i++)
        if (!isnan(room->values[i])) {
            struct heap *heap = &room->heaps[2 * (by_class ? facts->images[i].label : 0) + (i >= facts->train_count)];
            heap->images++;
            heap->sum += room->values[i];
            heap->squares += room->values[i] * room->values[i];
        }
    for (int k = 0; k < classes; k++) {
        const struct heap *train = &room->heaps[2 * k], *other = train + 1;
        if (!(train->images > 1.0) || !(other->images > 1.0))
            continue;
        for (int part = 0; part < 2; part++) {
            const struct heap *heap = train + part;
            squares += fmax(0.0, heap->squares - heap->sum * heap->sum / heap->images);
            freedom += heap->images - 1.0;
            means.part[part] += other->images * heap->sum / heap->images;
        }
        val += other->images;
        weights += other->images * other->images / train->images;
    }
    if (!(freedom > 0.0) || !(val > 0.0))
        return means;
    for (int part = 0; part < 2; part++)
        means.part[part] /= val;
    means.error = sqrt(squares / freedom * (1.0 / val + weights / val / val));
    return means;
}

/* By how much of what matters, and of what is sure, the larger of two means is above the other: the lesser of both.
 * Deviations add as squares, and one that has not doubled as such is that of another class, or of a few wrong labels:
 * so within a class, where it is known without what classes differ by. */
static double strength_of(const struct means *means, enum figure figure, bool by_class)
{
    const double low = fmin(means->part[0], means->part[1]), high = fmax(means->part[0], means->part[1]);
    const double least = figures[figure].least;
    const double matters = figures[figure].manner == MANNER_SHARE
                               ? (high - low) / least
                               : sqrt(high * high - low * low) / fmax(least, by_class ? low : 0.0);
    const double sure = (high - low) / (SURE * means->error);
    return high > low ? copysign(fmin(matters, sure), means->part[0] - means->part[1]) : 0.0;
}

static int compare(const struct facts *facts, enum figure figure, struct room *room, struct apart *apart)
{
    double strength[2];
    for (int by_class = 0; by_class < 2; by_class++) {
        TRY(take_values(facts, figure, by_class, room));
        const struct means means = means_of(facts, by_class, room);
        strength[by_class] = strength_of(&means, figure, by_class);
        apart->train = means.part[0];
        apart->val = means.part[1];
    }
    apart->strength =
        strength[0] * strength[1] > 0.0 ? copysign(fmin(fabs(strength[0]), fabs(strength[1])), strength[0]) : 0.0;
    return OK;
}

/* What is usual for a class is what most images have, which are training's: where all of these are spoiled it is
 * validation's that look odd, and light that is bent in one manner evens out another, as a steep slope makes the
 * contrast of all images the same. So where such figures speak for different parts the strongest is right, and the
 * others are its consequences. */
static void keep_strongest(struct apart *apart)
{
    double strongest = 0.0;
    for (int i = FIGURE_ODD; i < FIGURES; i++)
        if (fabs(apart[i].strength) > fabs(strongest))
            strongest = apart[i].strength;
    for (int i = FIGURE_ODD; i < FIGURES; i++)
        if (apart[i].strength * strongest < 0.0)
            apart[i].strength = 0.0;
}

/* Parts two deviations of a pixel apart in brightness were prepared otherwise: light that is measured against the
 * brightness of each compares nothing. */
static int drop_of_unlike_parts(struct facts *facts)
{
    struct parts parts;
    double mean[4], std[4];
    TRY(facts_parts(facts, &parts));
    facts_statistics(facts, false, mean, std);
    for (int c = 0; c < facts->input->train->data->image.c; c++)
        for (int i = FIGURE_CONTRAST; i < FIGURES && fabs(parts.mean[0][c] - parts.mean[1][c]) > 2.0 * std[c]; i++)
            facts->apart[i].strength = 0.0;
    return OK;
}

int facts_compare(struct facts *facts)
{
    const size_t count = (size_t)facts->count, classes = (size_t)facts->input->train->data->class_count;
    struct arena arena = {0};
    struct room room;
    int status = OK;
    if (facts->count == facts->train_count)
        return OK;
    TRY(arena_take(&arena, &room.values, (2 * count + 1) * sizeof *room.values, "what is compared of images"));
    room.sorted = room.values + count;
    room.heaps = arena_push(&arena, 2 * (classes + 1) * sizeof *room.heaps);
    /* Of validation's images that are left then, no figure says how the others are. */
    bool known = true;
    for (int i = 0; i < FIGURES && known && status == OK; i++) {
        status = compare(facts, i, &room, &facts->apart[i]);
        known = i >= FIGURE_ODD || facts->apart[i].strength > -1.0;
    }
    arena_free(&arena);
    TRY(status);
    TRY(drop_of_unlike_parts(facts));
    keep_strongest(facts->apart);
    return OK;
}

void finding_apart(const struct facts *facts, enum figure figure, struct finding *finding)
{
    finding_number(finding, "apart", facts->apart[figure].strength);
}

/* Of images that are normalised each by its own light. */
static bool is_evened_out(const struct facts *facts, enum figure figure)
{
    return facts->input->by_image && (figure == FIGURE_CONTRAST || figure == FIGURE_BRIGHTNESS);
}

const char *facts_val_worse(const struct facts *facts, struct arena *arena, struct finding *finding)
{
    for (int i = 0; i < FIGURES; i++) {
        const struct apart *apart = &facts->apart[i];
        if (apart->strength >= -1.0 || is_evened_out(facts, i))
            continue;
        finding_number(finding, "train_figure", apart->train);
        finding_number(finding, "val_figure", apart->val);
        const bool share = figures[i].manner == MANNER_SHARE;
        finding->action = share ? "look at validation's images and take out what is no picture of its class"
                                : "prepare both parts alike: same source, same processing";
        return share ? arena_format(arena, "validation's images %s than training's: %.3g %% against %.3g %%",
                                    figures[i].words, 100.0 * apart->val, 100.0 * apart->train)
                     : arena_format(arena, "validation's images %s than training's: %.3g against %.3g",
                                    figures[i].words, apart->val, apart->train);
    }
    return NULL;
}

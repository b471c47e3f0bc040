/* shading: lighting that falls off to one side, told from what is in the images. Lighting is smooth: of the differences
 * in brightness between images of a class (what they have in common, as a sky above, is taken off first) it adds to
 * those that run across the whole image. Judges nothing. */
#include "facts.h"
#include "order.h"

#include <math.h>
#include <stdlib.h>

/* Mean of the relative brightness of each patch over a class. */
struct common {
    double patch[PATCHES];
    int64_t count;
};

/* A patch's place, -1..1 about the centre. */
static double across(int patch)
{
    return (2.0 * (patch % PATCH_COLUMNS) + 1.0) / PATCH_COLUMNS - 1.0;
}

static double down(int patch)
{
    return (2.0 * (patch / PATCH_COLUMNS) + 1.0) / PATCH_ROWS - 1.0;
}

/* Of one image: variance of all patches less the class's, and of the plane through them (least squares: across and down
 * are orthogonal). */
static void variances(const struct image_facts *one, const struct common *common, double *whole, double *plane)
{
    double x = 0, y = 0, xx = 0, yy = 0;
    *whole = 0;
    for (int i = 0; i < PATCHES; i++) {
        const double apart = (double)one->patches[i] / PATCH_UNIT - common->patch[i];
        x += apart * across(i), xx += across(i) * across(i);
        y += apart * down(i), yy += down(i) * down(i);
        *whole += apart * apart / PATCHES;
    }
    *plane = (x * x / xx + y * y / yy) / PATCHES;
}

double facts_median(double *values, int64_t count)
{
    sort_doubles(values, count);
    return values[count / 2];
}

/* Black images have no relative brightness; one that was read in part has a slope of its own. */
static bool usable(const struct image_facts *one)
{
    return one->mean > 0.0f && one->kind == KIND_SOUND;
}

/* Of the images [from, to). */
static void sum_up(const struct facts *facts, int64_t from, int64_t to, bool by_class, struct common *classes)
{
    for (int64_t i = from; i < to; i++) {
        const struct image_facts *one = &facts->images[i];
        struct common *common = &classes[by_class ? one->label : 0];
        if (!usable(one))
            continue;
        common->count++;
        for (int k = 0; k < PATCHES; k++)
            common->patch[k] += ((double)one->patches[k] / PATCH_UNIT - common->patch[k]) / (double)common->count;
    }
}

/* Medians over a class's images; false: it has none to compare. */
static bool class_medians(const struct facts *facts, const struct common *common, int label, double *shares,
                          double *depths, struct shading *medians)
{
    int64_t images = 0;
    for (int64_t i = 0; common->count >= 2 && i < facts->train_count; i++) {
        const struct image_facts *one = &facts->images[i];
        double whole, plane;
        if (one->label != label || !usable(one))
            continue;
        variances(one, common, &whole, &plane);
        shares[images] = whole > 0.0 ? plane / whole : 0.0;
        depths[images++] = sqrt(plane);
    }
    if (images > 0)
        *medians = (struct shading){images, facts_median(shares, images), facts_median(depths, images)};
    return images > 0;
}

/* room: two arrays for the images, two for the classes. */
static void over_classes(const struct facts *facts, struct common *classes, double *room, struct shading *shading)
{
    const int class_count = facts->input->train->data->class_count;
    double *depths = room + facts->train_count, *class_shares = depths + facts->train_count,
           *class_depths = class_shares + class_count;
    int known = 0;
    sum_up(facts, 0, facts->train_count, true, classes);
    for (int label = 0; label < class_count; label++) {
        struct shading of_class;
        if (!class_medians(facts, &classes[label], label, room, depths, &of_class))
            continue;
        shading->images += of_class.images;
        class_shares[known] = of_class.share;
        class_depths[known++] = of_class.depth;
    }
    if (known > 0) {
        shading->share = facts_median(class_shares, known);
        shading->depth = facts_median(class_depths, known);
    }
}

int facts_shading(const struct facts *facts, struct shading *shading)
{
    const size_t count = (size_t)facts->train_count, class_count = (size_t)facts->input->train->data->class_count;
    struct common *classes = calloc(class_count, sizeof *classes);
    double *room = malloc(2 * (count + class_count + 1) * sizeof *room);
    *shading = (struct shading){0};
    int status = OK;
    if (!classes || !room)
        status = FAIL(ERR_MEMORY, "out of memory for the brightness of %zu images", count);
    else
        over_classes(facts, classes, room, shading);
    free(classes);
    free(room);
    return status;
}

int facts_slopes(const struct facts *facts, bool val, bool by_class, double *slopes)
{
    const int64_t from = val ? facts->train_count : 0, to = val ? facts->count : facts->train_count;
    struct common *classes = calloc((size_t)facts->input->train->data->class_count, sizeof *classes);
    if (!classes)
        return FAIL(ERR_MEMORY, "out of memory for the brightness of classes");
    sum_up(facts, from, to, by_class, classes);
    for (int64_t i = from; i < to; i++) {
        const struct image_facts *one = &facts->images[i];
        double whole, plane;
        variances(one, &classes[by_class ? one->label : 0], &whole, &plane);
        slopes[i] = usable(one) ? sqrt(plane) : NAN;
    }
    free(classes);
    return OK;
}

/* parts: training and validation compared class by class. Judges nothing. */
#include "facts.h"

#include <math.h>
#include <string.h>

struct heap {
    double images, sum[4];     /* of each channel, in levels times pixels */
    double brightness, square; /* of the images' means, and of their squares */
    double grey;               /* images whose three channels are equal */
    double known, rough,
        rough_square; /* images that are not flat; of these the logarithm of roughness, and its square */
};

/* Their sums and sums of squares are: those of no picture in colour. */
static bool is_grey(const struct image_sums *sums, int channels)
{
    for (int c = 1; c < channels; c++)
        if (sums->sum[c] != sums->sum[0] || sums->squares[c] != sums->squares[0])
            return false;
    return channels == 3;
}

static void take(struct heap *heap, const struct image_facts *one, int channels)
{
    heap->images++;
    for (int c = 0; c < channels; c++)
        heap->sum[c] += (double)one->sums.sum[c];
    heap->brightness += (double)one->mean;
    heap->square += (double)one->mean * (double)one->mean;
    heap->grey += is_grey(&one->sums, channels);
    if (one->roughness > 0.0f) {
        const double rough = log((double)one->roughness);
        heap->known++;
        heap->rough += rough;
        heap->rough_square += rough * rough;
    }
}

/* Of the images' means about that of their class; *freedom: its degrees. */
static double squares_of(const struct heap *heap, double *freedom)
{
    if (!(heap->images > 1.0))
        return 0.0;
    *freedom += heap->images - 1.0;
    return fmax(0.0, heap->square - heap->brightness * heap->brightness / heap->images);
}

/* How rough images are, class by class, as above. */
static void compare_texture(const struct heap *heaps, int classes, struct parts *parts)
{
    double val = 0.0, squares = 0.0, freedom = 0.0, weights = 0.0;
    for (int k = 0; k < classes; k++) {
        const struct heap *train = &heaps[2 * k], *other = &heaps[2 * k + 1];
        if (!(train->known > 1.0) || !(other->known > 1.0))
            continue;
        for (int part = 0; part < 2; part++) {
            const struct heap *heap = part ? other : train;
            squares += fmax(0.0, heap->rough_square - heap->rough * heap->rough / heap->known);
            freedom += heap->known - 1.0;
            parts->rough[part] += other->known * heap->rough / heap->known;
        }
        val += other->known;
        weights += other->known * other->known / train->known;
    }
    for (int part = 0; part < 2; part++)
        parts->rough[part] /= val;
    parts->rough_deviation = sqrt(squares / freedom);
    parts->rough_error = parts->rough_deviation * sqrt(1.0 / val + weights / val / val);
}

static void compare(const struct heap *heaps, int classes, const struct shape image, struct parts *parts)
{
    double val = 0.0, squares = 0.0, freedom = 0.0, weights = 0.0;
    const double pixels = 255.0 * image.h * image.w;
    for (int k = 0; k < classes; k++) {
        const struct heap *train = &heaps[2 * k], *other = &heaps[2 * k + 1];
        squares += squares_of(train, &freedom) + squares_of(other, &freedom);
        if (!(train->images > 0.0) || !(other->images > 0.0))
            continue;
        val += other->images;
        weights += other->images * other->images / train->images;
        parts->grey[0] += other->images * train->grey / train->images;
        parts->grey[1] += other->grey;
        for (int c = 0; c < image.c; c++) {
            parts->mean[0][c] += other->images * train->sum[c] / train->images / pixels;
            parts->mean[1][c] += other->sum[c] / pixels;
        }
    }
    for (int c = 0; c < image.c && val > 0.0; c++) {
        parts->mean[0][c] /= val;
        parts->mean[1][c] /= val;
    }
    if (val > 0.0) {
        parts->grey[0] /= val;
        parts->grey[1] /= val;
        const double share = (parts->grey[0] + parts->grey[1]) / 2.0;
        parts->grey_error = sqrt(share * (1.0 - share) * (1.0 / val + weights / val / val));
    }
    if (val > 0.0 && freedom > 0.0)
        parts->error = sqrt(squares / freedom * (1.0 / val + weights / val / val));
}

/* Single images that are no pictures are findings of their own; where most of a part's are odd, that is how it is. */
static bool is_counted(const struct facts *facts, int64_t image, const bool mostly_odd[static 2])
{
    const enum image_kind kind = facts->images[image].kind;
    return kind == KIND_SOUND || (kind == KIND_ODD && mostly_odd[image >= facts->train_count]);
}

int facts_parts(const struct facts *facts, struct parts *parts)
{
    int64_t odd[2] = {0, 0};
    const struct dataset *data = facts->input->train->data;
    struct heap *heaps;
    *parts = (struct parts){.error = INFINITY};
    TRY(memory_take(&heaps, 2 * ((size_t)data->class_count + 1) * sizeof *heaps, "what is measured of classes"));
    for (int64_t i = 0; i < facts->count; i++)
        odd[i >= facts->train_count] += facts->images[i].kind == KIND_ODD;
    const bool mostly_odd[2] = {2 * odd[0] > facts->train_count, 2 * odd[1] > facts->count - facts->train_count};
    for (int64_t i = 0; i < facts->count; i++)
        if (is_counted(facts, i, mostly_odd))
            take(&heaps[2 * facts->images[i].label + (i >= facts->train_count)], &facts->images[i], data->image.c);
    compare(heaps, data->class_count, data->image, parts);
    compare_texture(heaps, data->class_count, parts);
    memory_give(heaps);
    return OK;
}

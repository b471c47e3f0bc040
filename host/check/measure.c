/* measure: one pass over the images: hashes, brightness, spread, sums. Judges nothing. */
#include "facts.h"
#include "parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct dataset *facts_data(const struct facts *facts, int64_t image)
{
    return image < facts->train_count ? facts->input->train->data : facts->input->val->data;
}

int facts_pixels(const struct facts *facts, int64_t image, uint8_t *buffer, const uint8_t **pixels)
{
    const struct dataset *data = facts_data(facts, image);
    const int64_t sample = facts->images[image].sample;
    *pixels = data->pixels ? data->pixels + sample * shape_count(data->image) : buffer;
    return data->pixels ? OK : dataset_image(data, sample, buffer);
}

/* FNV-1a, 8 bytes at a time, with a last mixing (fmix64 of MurmurHash3). Equal hashes are compared again. */
static uint64_t hash(const uint8_t *bytes, size_t count)
{
    uint64_t state = 0xcbf29ce484222325u, word;
    for (; count >= 8; bytes += 8, count -= 8) {
        memcpy(&word, bytes, 8);
        state = (state ^ word) * 0x100000001b3u;
        state ^= state >> 29;
    }
    for (; count > 0; bytes++, count--)
        state = (state ^ *bytes) * 0x100000001b3u;
    state = (state ^ state >> 33) * 0xff51afd7ed558ccdu;
    return state ^ state >> 33;
}

static int grey(const uint8_t *pixel, int c)
{
    return c == 3 ? (77 * pixel[0] + 150 * pixel[1] + 29 * pixel[2]) >> 8 : pixel[0];
}

/* Mean luminance of a patch of the grid, in 1/256 levels. */
static int64_t patch(const uint8_t *pixels, struct shape image, int column, int line)
{
    const int x0 = column * image.w / PATCH_COLUMNS, y0 = line * image.h / PATCH_ROWS;
    int x1 = (column + 1) * image.w / PATCH_COLUMNS, y1 = (line + 1) * image.h / PATCH_ROWS;
    x1 = x1 > x0 ? x1 : x0 + 1;
    y1 = y1 > y0 ? y1 : y0 + 1;
    int64_t sum = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            sum += grey(pixels + ((int64_t)y * image.w + x) * image.c, image.c);
    return sum * 256 / ((int64_t)(x1 - x0) * (y1 - y0));
}

/* Fills look and patches. */
static void look_at(struct image_facts *one, const uint8_t *pixels, struct shape image)
{
    int64_t mean[PATCHES], sum = 0;
    for (int i = 0; i < PATCHES; i++) {
        mean[i] = patch(pixels, image, i % PATCH_COLUMNS, i / PATCH_COLUMNS);
        sum += mean[i];
        if (i % PATCH_COLUMNS > 0)
            one->look = one->look << 1 | (mean[i] > mean[i - 1]);
    }
    for (int i = 0; i < PATCHES && sum > 0; i++) {
        const int64_t relative = (2 * mean[i] * PATCH_UNIT * PATCHES + sum) / (2 * sum); /* rounded */
        one->patches[i] = (uint8_t)(relative < 255 ? relative : 255);
    }
}

/* Fills ground, ground_share and figure. */
static void find_ground(struct image_facts *one, const uint8_t *pixels, struct shape image)
{
    const int64_t count = (int64_t)image.h * image.w;
    uint32_t counts[256] = {0};
    int most = 0;
    for (int64_t p = 0; p < count; p++)
        counts[grey(pixels + p * image.c, image.c)]++;
    for (int level = 1; level < 256; level++)
        most = counts[level] > counts[most] ? level : most;
    one->ground = (uint8_t)most;
    one->ground_share = (float)counts[most] / (float)count;
    double sum = 0.0, pixels_off = 0.0;
    for (int level = 0; level < 256; level++)
        if (abs(level - most) > FAR_OFF) {
            sum += (double)counts[level] * level;
            pixels_off += (double)counts[level];
        }
    one->figure = (float)(sum / pixels_off);
}

/* Mean absolute difference of neighbours in a row, channel by channel, in levels. Photographs have 0.1 to 0.6 standard
 * deviations, uniform noise 1.15. */
static double neighbours(const uint8_t *pixels, struct shape image)
{
    uint64_t sum = 0;
    for (int y = 0; y < image.h; y++) {
        const uint8_t *row = pixels + (size_t)y * (size_t)image.w * (size_t)image.c;
        for (int64_t i = image.c; i < (int64_t)image.w * image.c; i++)
            sum += (uint64_t)abs(row[i] - row[i - image.c]);
    }
    return (double)sum / fmax(1.0, (double)image.h * (image.w - 1) * image.c);
}

/* How many lines from that one on, in steps of so many bytes, are the same, itself among them. */
static int same_lines(const uint8_t *from, ptrdiff_t step, size_t line, int most)
{
    int lines = 1;
    while (lines < most && memcmp(from + lines * step, from, line) == 0)
        lines++;
    return lines;
}

/* Whether so many equal lines at the lower edge are there because a smaller picture was enlarged: interpolation repeats
 * its first line about as often as its last one, but for rounding, and larger pixels the line above as often too. A
 * first line of one colour may be background. */
static bool is_enlarged(const uint8_t *pixels, struct shape image, int lines)
{
    const size_t line = (size_t)image.w * (size_t)image.c, pixel = (size_t)image.c;
    const ptrdiff_t down = (ptrdiff_t)line;
    const bool plain = memcmp(pixels, pixels + pixel, line - pixel) == 0;
    const int first = same_lines(pixels, down, line, image.h);
    const int above = same_lines(pixels + (image.h - lines - 1) * down, -down, line, image.h - lines);
    return (!plain && first > 1 && 2 * first >= lines) || above == lines;
}

/* Share of the lines, from below, that are the last one over again where a file ended early and a decoder filled up
 * what was missing, with one colour or the last line that it had: a tenth of them at least, and hardly a pixel of the
 * last line is in its column above. Where it is the background of the picture, it is; of a line with more than that its
 * pixels that are not as its first one is count. The lower half of what is above may be filled up in part: files end
 * within a line, or within a row of blocks. */
static float repeated_lines(const uint8_t *pixels, struct shape image)
{
    const double least = 0.1, few = 0.05;
    const size_t line = (size_t)image.w * (size_t)image.c;
    const uint8_t *last = pixels + (size_t)(image.h - 1) * line;
    const int lines = same_lines(last, -(ptrdiff_t)line, line, image.h), above = image.h - lines;
    if (lines < 2 || lines < least * image.h || above == 0 || is_enlarged(pixels, image, lines))
        return 0.0f;
    const size_t pixel = (size_t)image.c;
    const bool plain = memcmp(last, last + pixel, line - pixel) == 0; /* of one colour */
    int64_t looked_at = 0, equal = 0;
    for (int64_t p = 0; p < (int64_t)((above + 1) / 2) * image.w; p++) {
        const uint8_t *below = last + (size_t)(p % image.w) * pixel;
        if (!plain && memcmp(below, last, pixel) == 0)
            continue;
        looked_at++;
        equal += memcmp(pixels + (size_t)p * pixel, below, pixel) == 0;
    }
    return (double)equal < few * (double)looked_at ? (float)lines / (float)image.h : 0.0f;
}

/* Mean difference of pixels with those in the row so many below, so many columns to the right, round the edge; of some
 * rows and columns. */
static double pixels_apart(const uint8_t *pixels, struct shape image, int below, int by)
{
    enum { ROWS = 32, COLUMNS = 64 };
    const int down = (image.h - 1 + ROWS - 1) / ROWS, along = (image.w + COLUMNS - 1) / COLUMNS;
    const size_t line = (size_t)image.w * (size_t)image.c;
    int64_t sum = 0, count = 0;
    for (int y = 0; y + 1 < image.h; y += down)
        for (int x = 0; x < image.w; x += along, count++) {
            const uint8_t *row = pixels + (size_t)y * line + image.c / 2; /* green, of colours */
            const int other = (x + by + image.w) % image.w;
            sum += abs(row[x * image.c] - row[(size_t)below * line + (size_t)(other * image.c)]);
        }
    return count > 0 ? (double)sum / (double)count : 0.0;
}

/* Mean difference of the last pixel of each row with the first of the same row or of the next one, whichever is less.
 */
static double edges_apart(const uint8_t *pixels, struct shape image)
{
    const size_t line = (size_t)image.w * (size_t)image.c, last = line - (size_t)image.c;
    int64_t same = 0, next = 0;
    for (int y = 0; y + 1 < image.h; y++) {
        const uint8_t *row = pixels + (size_t)y * line + image.c / 2;
        same += abs(row[last] - row[0]);
        next += abs(row[last] - row[line]);
    }
    return (double)(same < next ? same : next) / (double)(image.h - 1);
}

/* Read with a wrong length of row, the picture goes on from one edge to the other, and its own edges are a seam that
 * runs aslant through it. A whole picture ends at its edges: what is there is as unlike as pixels far from each other,
 * half a row. So the edges are to be nearer to what neighbours in a row differ by. */
static bool goes_on_round_the_edge(const uint8_t *pixels, struct shape image, double in_row)
{
    return edges_apart(pixels, image) < 0.5 * (in_row + pixels_apart(pixels, image, 0, image.w / 2));
}

/* A file read with a wrong length of row: each row begins some pixels later than the one before. So rows differ more
 * than neighbours in a row do, and as these when they are moved back, all by 1.3 times. Of pictures stripes that run
 * aslant do so too, by two pixels or more, but not all of the picture: not across its edges. */
static int16_t slant_of(const uint8_t *pixels, struct shape image)
{
    const double better = 1.3, as_it_is = pixels_apart(pixels, image, 1, 0);
    const double in_row = pixels_apart(pixels, image, 0, 1);
    double least = as_it_is;
    int best = 0;
    if (!(as_it_is > better * in_row))
        return 0;
    for (int by = 1 - image.w / 2; by <= image.w / 2; by++) {
        const double apart = pixels_apart(pixels, image, 1, by);
        if (apart < least) {
            least = apart;
            best = by;
        }
    }
    const bool moved = abs(best) > 1 && as_it_is > better * least && least < better * in_row;
    return moved && goes_on_round_the_edge(pixels, image, in_row) ? (int16_t)best : 0;
}

static int measure_one(void *context, int64_t i)
{
    struct facts *facts = context;
    struct image_facts *one = &facts->images[i];
    const struct dataset *data = facts_data(facts, i);
    const struct shape image = data->image;
    uint8_t *buffer = malloc((size_t)shape_count(image));
    const uint8_t *at;
    if (!buffer)
        return FAIL(ERR_MEMORY, "out of memory for an image of %d x %d pixels", image.h, image.w);
    const int status = facts_pixels(facts, i, buffer, &at);
    if (status == OK) {
        uint64_t sum = 0, squares = 0;
        image_sums_take(&one->sums, at, image);
        for (int c = 0; c < image.c; c++) {
            sum += one->sums.sum[c];
            squares += one->sums.squares[c];
        }
        const double values = (double)shape_count(image), mean = (double)sum / values;
        one->mean = (float)(mean / 255.0);
        one->spread = (float)(sqrt(fmax(0.0, (double)squares / values - mean * mean)) / 255.0);
        one->roughness = one->spread > 0.0f ? (float)(neighbours(at, image) / 255.0) / one->spread : 0.0f;
        one->content = hash(at, (size_t)shape_count(image));
        one->repeated = repeated_lines(at, image);
        one->aslant = slant_of(at, image);
        one->half = (uint8_t)half_of_noise(at, image, &one->half_rough);
        look_at(one, at, image);
        find_ground(one, at, image);
    }
    free(buffer);
    return status;
}

bool image_is_flat(const struct facts *facts, int64_t image)
{
    const struct shape shape = facts_data(facts, image)->image;
    const uint64_t pixels = (uint64_t)shape.h * (uint64_t)shape.w;
    const struct image_sums *sums = &facts->images[image].sums;
    for (int c = 0; c < shape.c; c++)
        if (sums->squares[c] * pixels != sums->sum[c] * sums->sum[c])
            return false;
    return true;
}

/* At most limit of them, evenly spread. */
static int64_t chosen(int64_t count, int64_t limit)
{
    return limit > 0 && limit < count ? limit : count;
}

static void choose(struct image_facts *images, const struct subset *subset, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        images[i].sample = subset->samples[i * subset->count / count];
        images[i].label = subset->data->labels[images[i].sample];
    }
}

/* Of all images, not only of those looked at. */
static int count_classes(int64_t **counts, const struct subset *subset, int classes)
{
    TRY(memory_take(counts, ((size_t)classes + 1) * sizeof **counts, "what is counted of classes"));
    memset(*counts, 0, ((size_t)classes + 1) * sizeof **counts);
    for (int64_t i = 0; i < subset->count; i++)
        (*counts)[subset->data->labels[subset->samples[i]]]++;
    return OK;
}

static void is_sound(struct image_facts *one)
{
    one->kind = KIND_SOUND;
    one->aslant = 0;
    one->half = HALF_NONE;
}

static bool is_aslant(const struct image_facts *one)
{
    return one->kind == KIND_ODD;
}

static bool is_half_noise(const struct image_facts *one)
{
    return one->kind == KIND_TORN && one->half != HALF_NONE;
}

/* What goes wrong with files comes in all classes; stripes that run aslant, or a rough texture in a half, are of some,
 * of which wrong labels take a few elsewhere. Where most classes have less than half of the share over all it is none.
 */
static void forget_texture(struct facts *facts, int64_t (*counts)[2], int classes,
                           bool (*is)(const struct image_facts *one))
{
    int64_t all = 0, few = 0, present = 0;
    memset(counts, 0, (size_t)classes * sizeof *counts);
    for (int64_t i = 0; i < facts->count; i++) {
        counts[facts->images[i].label][0]++;
        counts[facts->images[i].label][1] += is(&facts->images[i]);
    }
    for (int k = 0; k < classes; k++)
        all += counts[k][1];
    for (int k = 0; k < classes; k++) {
        present += counts[k][0] > 0;
        few += counts[k][0] > 0 && 2 * counts[k][1] * facts->count < all * counts[k][0];
    }
    for (int64_t i = 0; i < facts->count && 2 * few > present; i++)
        if (is(&facts->images[i]))
            is_sound(&facts->images[i]);
}

/* Halves that are as rough as noise beside others that are not may be a set's own way: a background with nothing before
 * it. Then most of them are faint, or beside what is no picture either. */
static bool halves_are_rough(const struct facts *facts)
{
    int64_t rough = 0, noise = 0;
    for (int64_t i = 0; i < facts->count; i++) {
        rough += facts->images[i].half_rough;
        noise += facts->images[i].half != HALF_NONE;
    }
    return 2 * noise < rough;
}

/* What is of one colour, torn, half noise or aslant, unless most images of its class are, in both parts together. */
static int mark_kinds(struct facts *facts)
{
    int64_t(*counts)[KINDS];
    const size_t classes = (size_t)facts->input->train->data->class_count;
    TRY(memory_take(&counts, classes * sizeof *counts, "what is counted of classes"));
    memset(counts, 0, classes * sizeof *counts);
    const bool no_halves = halves_are_rough(facts);
    for (int64_t i = 0; i < facts->count; i++) {
        struct image_facts *one = &facts->images[i];
        one->half = no_halves ? HALF_NONE : one->half;
        one->kind = image_is_flat(facts, i)                          ? KIND_FLAT
                    : one->repeated > 0.0f || one->half != HALF_NONE ? KIND_TORN
                    : one->aslant != 0                               ? KIND_ODD
                                                                     : KIND_SOUND;
        counts[one->label][one->kind]++;
    }
    for (int64_t i = 0; i < facts->count; i++) {
        struct image_facts *one = &facts->images[i];
        const int64_t *of = counts[one->label];
        const int64_t all = of[KIND_SOUND] + of[KIND_FLAT] + of[KIND_TORN] + of[KIND_ODD];
        if (2 * of[one->kind] > all)
            is_sound(one);
    }
    forget_texture(facts, (int64_t(*)[2])counts, (int)classes, is_aslant);
    forget_texture(facts, (int64_t(*)[2])counts, (int)classes, is_half_noise);
    memory_give(counts);
    return OK;
}

int facts_measure(struct facts *facts)
{
    const struct check_input *input = facts->input;
    facts->train_count = chosen(input->train->count, input->limit);
    const int classes = input->train->data->class_count;
    const int64_t val = input->val ? chosen(input->val->count, input->limit) : 0;
    facts->count = facts->train_count + val;
    TRY(memory_take(&facts->images, (size_t)facts->count * sizeof *facts->images, "what is measured of images"));
    TRY(count_classes(&facts->class_counts[0], input->train, classes));
    if (input->val)
        TRY(count_classes(&facts->class_counts[1], input->val, classes));
    choose(facts->images, input->train, facts->train_count);
    if (input->val)
        choose(facts->images + facts->train_count, input->val, val);
    TRY(parallel_for(facts->count, input->threads, measure_one, facts));
    return mark_kinds(facts);
}

void facts_statistics(const struct facts *facts, bool val, double mean[static 4], double std[static 4])
{
    const struct shape image = facts->input->train->data->image;
    const int64_t from = val ? facts->train_count : 0, to = val ? facts->count : facts->train_count;
    const double n = (double)(to - from) * image.h * image.w;
    for (int c = 0; c < image.c; c++) {
        double sum = 0, squares = 0;
        for (int64_t i = from; i < to; i++) {
            sum += (double)facts->images[i].sums.sum[c];
            squares += (double)facts->images[i].sums.squares[c];
        }
        mean[c] = sum / n / 255.0;
        std[c] = sqrt(fmax(0.0, squares / n / 65025.0 - mean[c] * mean[c]));
    }
}

void facts_free(struct facts *facts)
{
    memory_give(facts->images);
    memory_give(facts->class_counts[0]);
    memory_give(facts->class_counts[1]);
    free(facts->same.list);
    free(facts->near.list);
}

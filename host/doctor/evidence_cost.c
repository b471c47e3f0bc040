/* evidence_cost: what has been found in the images before training has cost since: whether images that are lit unlike
 * the others are learned worse, what the loss of odd images and of those of one
 * colour is above that of the others. Must not judge. */
#include "check.h"
#include "checkpoint.h"
#include "doctor.h"
#include "order.h"
#include "samples.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A class of fewer images says nothing of what is usual in it. */
enum { CLASS_LEAST = 20 };

/* The columns of LIGHT_FILE. by_size: an image is lit the worse the larger it is, else the further it is from what is
 * usual. */
enum { CONTRAST = 1 };
static const struct {
    const char *name;
    bool by_size;
} columns[] = {
    {"brightness", false},
    [CONTRAST] = {"contrast", false},
    {"background", false},
    {"slope", true},
};

/* Images that the network takes for one class: by label those with a wrong one would be lit unlike the others of their
 * class, and learned worse for another reason. */
struct group {
    double *loss, *light[COUNT_OF(columns)]; /* [count]; NaN: it cannot be told */
    int64_t count;
};

struct halves {
    double images[2], sum[2], squares[2]; /* of the losses of the well and the badly lit */
};

static double median(const double *values, int64_t count, struct arena *arena)
{
    double *sorted = arena_push(arena, (size_t)count * sizeof *sorted);
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    return median_of_known(sorted, count);
}

/* Adds to badly, for each image, the square of how far it is from what is usual, by what is usual for that. */
static void add_distance(const struct group *group, int column, double *badly, struct arena *arena)
{
    const double *light = group->light[column];
    double *away = arena_push(arena, (size_t)group->count * sizeof *away);
    const double usual = columns[column].by_size ? 0.0 : median(light, group->count, arena);
    for (int64_t i = 0; i < group->count; i++)
        away[i] = fabs(light[i] - usual);
    const double scale = median(away, group->count, arena);
    for (int64_t i = 0; i < group->count; i++)
        if (isfinite(away[i]) && scale > 0.0)
            badly[i] += away[i] / scale * (away[i] / scale);
}

/* By all that is known of its light: an image that is lit badly in one way is not among the well lit by another. */
static struct halves split(const struct group *group, struct arena *arena)
{
    struct halves halves = {0};
    double *badly = arena_push(arena, (size_t)group->count * sizeof *badly);
    for (int column = 0; column < COUNT_OF(columns); column++)
        add_distance(group, column, badly, arena);
    const double middle = median(badly, group->count, arena);
    for (int64_t i = 0; i < group->count; i++) {
        const int half = badly[i] > middle;
        halves.images[half]++;
        halves.sum[half] += group->loss[i];
        halves.squares[half] += group->loss[i] * group->loss[i];
    }
    return halves;
}

/* Of the mean loss of a half, squared. */
static double error_of(const struct halves *halves, int badly)
{
    const double n = halves->images[badly], mean = halves->sum[badly] / n;
    return fmax(0.0, halves->squares[badly] / n - mean * mean) / (n - 1.0);
}

struct cost {
    double share, error; /* of the loss, and its standard error; NaN: not known */
    double loss;         /* of which: the mean of the images looked at */
};

static const struct cost unknown_cost = {NAN, NAN, NAN};

/* By how much the loss would be lower if the badly lit half of each group were learned as the other half is, as a share
 * of it. */
static struct cost weigh(const struct group *groups, int count)
{
    struct arena arena = {0};
    double whole = 0.0, lost = 0.0, error = 0.0, images = 0.0;
    for (int g = 0; g < count; g++) {
        if (groups[g].count < CLASS_LEAST)
            continue;
        const struct halves halves = split(&groups[g], &arena);
        if (halves.images[0] < 2.0 || halves.images[1] < 2.0)
            continue;
        const double badly = halves.images[1];
        whole += halves.sum[0] + halves.sum[1];
        images += halves.images[0] + halves.images[1];
        lost += badly * (halves.sum[1] / badly - halves.sum[0] / halves.images[0]);
        error += badly * badly * (error_of(&halves, 0) + error_of(&halves, 1));
    }
    arena_free(&arena);
    return whole > 0.0 ? (struct cost){lost / whole, sqrt(error) / whole, whole / images} : unknown_cost;
}

struct costs {
    struct cost light, odd, flat, torn;
};

/* What the network took an image for most often, or last. */
static int class_seen(const struct sample_stats *sample)
{
    return sample->votes > 0 ? sample->majority : sample->prediction;
}

struct seen {
    struct arena arena;
    const struct sample_stats *samples;
    int64_t count;
};

/* Of the image of a row of light.csv; NULL: nothing has been seen of it. */
static const struct sample_stats *sample_of(const struct seen *seen, double number, int classes)
{
    if (!(number >= 0.0 && number < (double)seen->count))
        return NULL;
    const struct sample_stats *sample = &seen->samples[(int64_t)number];
    return sample->seen > 0 && class_seen(sample) < classes && isfinite(sample->loss) ? sample : NULL;
}

/* Each group has room for its own images, of which there are as many as rows in all. */
static struct group *make_groups(const double *number, int64_t rows, const struct seen *seen, int classes,
                                 struct arena *arena)
{
    struct group *groups = arena_push(arena, (size_t)classes * sizeof *groups);
    int64_t *room = arena_push(arena, (size_t)classes * sizeof *room);
    for (int64_t i = 0; i < rows; i++) {
        const struct sample_stats *sample = sample_of(seen, number[i], classes);
        if (sample)
            room[class_seen(sample)]++;
    }
    for (int g = 0; g < classes; g++) {
        groups[g].loss = arena_push(arena, (size_t)room[g] * sizeof(double));
        for (int k = 0; k < COUNT_OF(columns); k++)
            groups[g].light[k] = arena_push(arena, (size_t)room[g] * sizeof(double));
    }
    return groups;
}

static struct cost cost_of_light(struct table *light, const struct seen *seen, int classes)
{
    const double *number = table_column_or_nan(light, "sample"), *column[COUNT_OF(columns)] = {NULL};
    struct arena arena = {0};
    struct group *groups = make_groups(number, light->row_count, seen, classes, &arena);
    for (int k = 0; k < COUNT_OF(columns); k++)
        column[k] = table_column_or_nan(light, columns[k].name);
    for (int64_t i = 0; i < light->row_count; i++) {
        const struct sample_stats *sample = sample_of(seen, number[i], classes);
        if (!sample || isnan(column[CONTRAST][i])) /* one colour all over is no matter of light */
            continue;
        struct group *group = &groups[class_seen(sample)];
        for (int k = 0; k < COUNT_OF(columns); k++)
            group->light[k][group->count] = column[k][i];
        group->loss[group->count++] = (double)sample->loss / sample->seen;
    }
    const struct cost cost = weigh(groups, classes);
    arena_free(&arena);
    return cost;
}

/* What stands out among the images looked at. */
enum mark { MARK_ODD, MARK_FLAT, MARK_TORN };

/* All images, and those that stand out: halves[1]; of these the ones that the network has mostly got wrong. */
struct few {
    struct halves halves;
    double wrong, wrong_sum, wrong_squares;
};

static struct few gather(struct table *light, const struct seen *seen, int classes, enum mark mark)
{
    /* What tells them; an image of one colour has no contrast. */
    static const char *const names[] = {[MARK_ODD] = "odd", [MARK_FLAT] = "contrast", [MARK_TORN] = "torn"};
    const double *number = table_column_or_nan(light, "sample"), *told = table_column_or_nan(light, names[mark]);
    struct few few = {0};
    for (int64_t i = 0; i < light->row_count; i++) {
        const struct sample_stats *sample = sample_of(seen, number[i], classes);
        const double stands_out = mark == MARK_FLAT ? (double)isnan(told[i]) : told[i];
        if (!sample || isnan(stands_out))
            continue;
        const double loss = (double)sample->loss / sample->seen;
        const int half = stands_out > 0.0;
        few.halves.images[half]++;
        few.halves.sum[half] += loss;
        few.halves.squares[half] += loss * loss;
        if (half && 2 * sample->correct < sample->seen) {
            few.wrong++;
            few.wrong_sum += loss;
            few.wrong_squares += loss * loss;
        }
    }
    return few;
}

/* By how much the loss that the run has come to would be lower if images that stand out were learned as the others are,
 * as a share of it. What is got wrong is not learned by and by: its loss is still about what it was, while that of the
 * others has fallen. How many there are among those looked at is chance as well. Where they would hold more than there
 * is, they have been learned since, and all is as it was on average. now: NaN: not known. */
static struct cost cost_of_few(const struct few *few, double now)
{
    const struct halves *halves = &few->halves;
    const double whole = halves->sum[0] + halves->sum[1], count = halves->images[1], all = count + halves->images[0];
    if (halves->images[0] < 2.0 || count < 2.0 || !(whole > 0.0))
        return unknown_cost;
    const double held = few->wrong_sum / all, part = few->wrong / all;
    if (held < now) {
        const double lost = held - part * (now - held) / (1.0 - part);
        return (struct cost){lost / now, sqrt(few->wrong_squares) / all / now, now};
    }
    return (struct cost){(halves->sum[1] - count * halves->sum[0] / halves->images[0]) / whole,
                         count * sqrt(error_of(halves, 0) + error_of(halves, 1)) / whole, whole / all};
}

/* What cannot be read is not known: a run that is young, or was made by another version. */
static bool read_seen(const char *run, int classes, struct seen *seen)
{
    char folder[PATH_BYTES], found[PATH_BYTES];
    return path_join(folder, run, "checkpoints/last") == OK && checkpoint_find(found, folder) == OK &&
           samples_read(found, classes, &seen->arena, &seen->samples, &seen->count) == OK;
}

/* Reads LIGHT_FILE; what is not there has cost nobody knows what. now: the training loss that the run has come to. */
static void read_light(const char *run, const struct seen *seen, int classes, double now, struct costs *costs)
{
    char path[PATH_BYTES];
    struct table table = {0};
    *costs = (struct costs){unknown_cost, unknown_cost, unknown_cost, unknown_cost};
    if (path_join(path, run, LIGHT_FILE) == OK && file_exists(path) && table_read(&table, path) == OK) {
        const struct few odd = gather(&table, seen, classes, MARK_ODD), flat = gather(&table, seen, classes, MARK_FLAT);
        const struct few torn = gather(&table, seen, classes, MARK_TORN);
        *costs = (struct costs){.light = cost_of_light(&table, seen, classes),
                                .odd = cost_of_few(&odd, now),
                                .flat = cost_of_few(&flat, now),
                                .torn = cost_of_few(&torn, now)};
    }
    table_free(&table);
}

static void take(struct symptom *image, const struct cost *cost)
{
    image->cost = cost->share;
    image->cost_error = cost->error;
    image->cost_loss = cost->share * cost->loss;
}

void doctor_cost(struct evidence *evidence, const char *run)
{
    struct seen seen = {0};
    bool wanted = false;
    for (int i = 0; i < evidence->image_count; i++) {
        take(&evidence->images[i], &unknown_cost);
        wanted = wanted || evidence->images[i].needs & (EFFECT_COSTLY | EFFECT_WEIGHED);
    }
    if (wanted && read_seen(run, evidence->classes, &seen)) {
        const double now = evidence->epochs > 0 ? evidence->train_loss[evidence->epochs - 1] : NAN;
        struct costs costs;
        read_light(run, &seen, evidence->classes, now, &costs);
        for (int i = 0; i < evidence->image_count; i++) {
            struct symptom *image = &evidence->images[i];
            if (image->needs & (EFFECT_COSTLY | EFFECT_WEIGHED))
                take(image, image->cause == CAUSE_ILLUMINATION     ? &costs.light
                            : strcmp(image->rule, "outliers") == 0 ? &costs.odd
                            : strcmp(image->rule, "torn") == 0     ? &costs.torn
                                                                   : &costs.flat);
        }
    }
    arena_free(&seen.arena);
}

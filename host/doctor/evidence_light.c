/* evidence_light: what light that was found uneven before training has cost since: whether the images that are lit
 * unlike the others are learned worse. Must not judge. */
#include "check.h"
#include "checkpoint.h"
#include "doctor.h"
#include "order.h"
#include "samples.h"
#include "table.h"

#include <math.h>
#include <string.h>

/* A class of fewer images says nothing of what is usual in it. */
enum { CLASS_LEAST = 20 };

/* Which column of LIGHT_FILE a rule speaks of; by_size: an image is lit the worse the larger it is, else the further it
 * is from what is usual. */
static const struct {
    const char *rule, *column;
    bool by_size;
} columns[] = {
    {"illumination", "contrast", false},
    {"brightness", "brightness", false},
    {"background", "background", false},
    {"shading", "slope", true},
};

/* Images that the network takes for one class: by label those with a wrong one would be lit unlike the others of their
 * class, and learned worse for another reason. */
struct group {
    double *loss, *light; /* [count] */
    int64_t count;
};

struct halves {
    double images[2], sum[2], squares[2]; /* of the losses of the well and the badly lit */
};

static struct halves split(const struct group *group, bool by_size, struct arena *arena)
{
    const size_t count = (size_t)group->count;
    struct halves halves = {0};
    double *away = arena_push(arena, count * sizeof *away), *sorted = arena_push(arena, count * sizeof *sorted);
    memcpy(sorted, group->light, count * sizeof *sorted);
    const double usual = by_size ? 0.0 : median_of_known(sorted, group->count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = away[i] = fabs(group->light[i] - usual);
    const double middle = median_of_known(sorted, group->count);
    for (size_t i = 0; i < count; i++) {
        const int badly = away[i] > middle;
        halves.images[badly]++;
        halves.sum[badly] += group->loss[i];
        halves.squares[badly] += group->loss[i] * group->loss[i];
    }
    return halves;
}

/* Of the mean loss of a half, squared. */
static double error_of(const struct halves *halves, int badly)
{
    const double n = halves->images[badly], mean = halves->sum[badly] / n;
    return fmax(0.0, halves->squares[badly] / n - mean * mean) / (n - 1.0);
}

/* By how much the loss would be lower if the badly lit half of each group were learned as the other half is, as a share
 * of it. */
static void weigh(const struct group *groups, int count, bool by_size, struct symptom *symptom)
{
    struct arena arena = {0};
    double whole = 0.0, lost = 0.0, error = 0.0;
    for (int g = 0; g < count; g++) {
        if (groups[g].count < CLASS_LEAST)
            continue;
        const struct halves halves = split(&groups[g], by_size, &arena);
        if (halves.images[0] < 2.0 || halves.images[1] < 2.0)
            continue;
        const double badly = halves.images[1];
        whole += halves.sum[0] + halves.sum[1];
        lost += badly * (halves.sum[1] / badly - halves.sum[0] / halves.images[0]);
        error += badly * badly * (error_of(&halves, 0) + error_of(&halves, 1));
    }
    arena_free(&arena);
    symptom->cost = whole > 0.0 ? lost / whole : NAN;
    symptom->cost_error = whole > 0.0 ? sqrt(error) / whole : NAN;
}

/* What the network took an image for most often, or last. */
static int class_seen(const struct sample_stats *sample)
{
    return sample->votes > 0 ? sample->majority : sample->prediction;
}

static void compare(const struct table *light, const struct sample_stats *samples, int64_t sample_count, int classes,
                    struct symptom *symptom)
{
    int column = 0;
    while (column < COUNT_OF(columns) && strcmp(columns[column].rule, symptom->rule) != 0)
        column++;
    const double *number = table_column(light, "sample");
    const double *value = column < COUNT_OF(columns) ? table_column(light, columns[column].column) : NULL;
    if (!number || !value)
        return;
    struct arena arena = {0};
    struct group *groups = arena_push(&arena, (size_t)classes * sizeof *groups);
    const size_t room = (size_t)light->row_count * sizeof(double);
    for (int g = 0; g < classes; g++)
        groups[g] = (struct group){.loss = arena_push(&arena, room), .light = arena_push(&arena, room)};
    for (int64_t i = 0; i < light->row_count; i++) {
        if (!(number[i] >= 0.0 && number[i] < (double)sample_count) || isnan(value[i]))
            continue;
        const struct sample_stats *sample = &samples[(int64_t)number[i]];
        if (sample->seen == 0 || class_seen(sample) >= classes || !isfinite(sample->loss))
            continue;
        struct group *group = &groups[class_seen(sample)];
        group->loss[group->count] = (double)sample->loss / sample->seen;
        group->light[group->count++] = value[i];
    }
    weigh(groups, classes, columns[column].by_size, symptom);
    arena_free(&arena);
}

/* What cannot be read is not known: a run that is young, or was made by another version. */
static bool read_samples(const char *run, struct arena *arena, const struct sample_stats **samples, int64_t *count)
{
    char folder[PATH_BYTES], found[PATH_BYTES];
    return path_join(folder, run, "checkpoints/last") == OK && checkpoint_find(found, folder) == OK &&
           samples_read(found, arena, samples, count) == OK;
}

void doctor_light_cost(struct evidence *evidence, const char *run)
{
    char path[PATH_BYTES];
    struct table light = {0};
    struct arena arena = {0};
    const struct sample_stats *samples;
    int64_t count;
    bool wanted = false;
    for (int i = 0; i < evidence->image_count; i++)
        wanted = wanted || evidence->images[i].cause == CAUSE_ILLUMINATION;
    if (wanted && path_join(path, run, LIGHT_FILE) == OK && file_exists(path) && table_read(&light, path) == OK &&
        read_samples(run, &arena, &samples, &count))
        for (int i = 0; i < evidence->image_count; i++)
            if (evidence->images[i].cause == CAUSE_ILLUMINATION)
                compare(&light, samples, count, evidence->classes, &evidence->images[i]);
    table_free(&light);
    arena_free(&arena);
}

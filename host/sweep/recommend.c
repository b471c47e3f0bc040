/* recommend: which point of a sweep to take, and why; or why that cannot be said. See include/sweep_table.h.
 * Reads the table only: what the seeds do not tell apart is not chosen between, or it is said. Rules: docs/sweep.md. */
#include "sweep_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A batch size costs twice the images when it is as large as the noise scale (McCandlish et al. 2018, eq. 2.11): there
 * the returns have halved. */
static const double diminished = 2.0;
enum { LEAST_SIZES = 3 };

/* What sets a row apart, in few words. */
static const char *name_of(const struct sweep_row *row, char *text, size_t bytes)
{
    sweep_run_label(row->run, text, bytes);
    char *seed = strstr(text, " seed=");
    if (seed)
        *seed = '\0';
    return text;
}

bool sweep_is_swept(const struct sweep_table *table, const char *key)
{
    const char *first = sweep_value(table->rows[0].run, key);
    for (int i = 1; i < table->sweep->point_count && first; i++)
        if (strcmp(sweep_value(table->rows[i].run, key), first) != 0)
            return true;
    return false;
}

/* What a row ended at: no good where some of its seeds diverged, however the others ended. */
static double val_loss(const struct sweep_row *row)
{
    return row->diverged > 0 ? INFINITY : row->val_loss.median;
}

/* Rows in order of their batch, for each batch the one that ended with the lowest validation loss (among equals the
 * first): a batch size is judged with the learning rate that served it best. */
struct sizes {
    int rows[SWEEP_RUNS], count;
};

static void insert(struct sizes *sizes, const struct sweep_table *table, int row)
{
    int at = 0;
    while (at < sizes->count && table->rows[sizes->rows[at]].images < table->rows[row].images)
        at++;
    if (at < sizes->count && table->rows[sizes->rows[at]].images == table->rows[row].images) {
        if (val_loss(&table->rows[row]) < val_loss(&table->rows[sizes->rows[at]]))
            sizes->rows[at] = row;
        return;
    }
    memmove(sizes->rows + at + 1, sizes->rows + at, (size_t)(sizes->count - at) * sizeof *sizes->rows);
    sizes->rows[at] = row;
    sizes->count++;
}

/* Of a batch size the first row in the plan whose validation losses overlap those of this row, and which fits: the
 * seeds do not tell them apart, and which of them is lowest is chance. others: how many more there are. */
static int first_alike(const struct sweep_table *table, int row, bool (*fits)(const struct sweep_row *, double),
                       double limit, int *others)
{
    const struct sweep_row *best = &table->rows[row];
    int first = row, count = 0;
    for (int i = table->sweep->point_count - 1; i >= 0; i--) {
        const struct sweep_row *other = &table->rows[i];
        if (other->images == best->images && other->diverged == 0 && other->val_loss.low <= best->val_loss.high &&
            fits(other, limit)) {
            first = i;
            count++;
        }
    }
    *others = count > 1 ? count - 1 : 0;
    return first;
}

static void add_others(int others, struct sweep_choice *choice)
{
    const size_t used = strlen(choice->reason);
    if (others > 0)
        snprintf(choice->reason + used, SWEEP_SENTENCE - used,
                 "; %d other%s of that batch lie%s within the seeds' spread", others, others == 1 ? "" : "s",
                 others == 1 ? "s" : "");
}

static void find_sizes(struct sizes *sizes, const struct sweep_table *table)
{
    sizes->count = 0;
    for (int i = 0; i < table->sweep->point_count; i++)
        if (table->rows[i].done > 0 && !isnan(table->rows[i].val_loss.median))
            insert(sizes, table, i);
}

static int least_of(const struct sweep_table *table, const struct sizes *sizes,
                    double (*figure)(const struct sweep_row *))
{
    int least = -1;
    for (int i = 0; i < sizes->count; i++) {
        double value = figure(&table->rows[sizes->rows[i]]);
        if (isfinite(value) && (least < 0 || value < figure(&table->rows[sizes->rows[least]])))
            least = i;
    }
    return least;
}

static double target_images(const struct sweep_row *row)
{
    return row->target_steps.median * row->images;
}

static bool ends_within(const struct sweep_row *row, double loss)
{
    return row->val_loss.low <= loss;
}

static bool reaches_within(const struct sweep_row *row, double images)
{
    return target_images(row) <= images;
}

/* Too few batch sizes in the plan itself: no result can change that. */
static bool too_few(const struct sweep_table *table, struct sweep_choice *choice)
{
    int swept = 0;
    for (int i = 0; i < table->sweep->point_count; i++) {
        int first = 0;
        while (table->rows[first].images != table->rows[i].images)
            first++;
        swept += first == i;
    }
    if (swept < LEAST_SIZES)
        snprintf(choice->reason, SWEEP_SENTENCE, "cannot be said of %d batch sizes; sweep %d or more", swept,
                 LEAST_SIZES);
    return swept < LEAST_SIZES;
}

/* ---- the smallest batch that fluctuation does not hold back ---- */

static void choose_smallest(const struct sweep_table *table, const struct sizes *sizes, struct sweep_choice *choice)
{
    char name[200], best_name[200];
    *choice = (struct sweep_choice){.name = "smallest steady batch", .row = -1};
    if (too_few(table, choice))
        return;
    int best = least_of(table, sizes, val_loss);
    if (best < 0 || sizes->count < LEAST_SIZES) {
        snprintf(choice->reason, SWEEP_SENTENCE, "cannot be said: fewer than %d batch sizes were trained to the end",
                 LEAST_SIZES);
        return;
    }
    const struct sweep_row *top = &table->rows[sizes->rows[best]];
    if (top->done < 2) {
        snprintf(choice->reason, SWEEP_SENTENCE,
                 "cannot be said: with one seed a difference cannot be told from chance%s",
                 top->runs < 2 ? "; sweep with --seeds 3" : "");
        return;
    }
    int at = 0;
    while (at < best && (table->rows[sizes->rows[at]].diverged > 0 ||
                         table->rows[sizes->rows[at]].val_loss.low > top->val_loss.high))
        at++;
    int others;
    choice->row = first_alike(table, sizes->rows[at], ends_within, top->val_loss.high, &others);
    const struct sweep_row *row = &table->rows[choice->row];
    name_of(row, name, sizeof name);
    name_of(top, best_name, sizeof best_name);
    int used = at == best
                   ? snprintf(choice->reason, SWEEP_SENTENCE, "%s ended best, at a validation loss of %.3g", name,
                              row->val_loss.median)
                   : snprintf(choice->reason, SWEEP_SENTENCE,
                              "%s ended at a validation loss of %.3g, within the seeds' spread of the best (%.3g, "
                              "%s), so the larger fluctuation cost nothing",
                              name, row->val_loss.median, top->val_loss.median, best_name);
    const struct sweep_row *below = at > 0 ? &table->rows[sizes->rows[at - 1]] : NULL;
    if (below && below->diverged > 0)
        snprintf(choice->reason + used, SWEEP_SENTENCE - (size_t)used,
                 "; below it, with %g images a step, %d of %d seeds diverged", below->images, below->diverged,
                 below->runs);
    else if (below)
        snprintf(choice->reason + used, SWEEP_SENTENCE - (size_t)used,
                 "; below it %g images a step ended at %.3g, worse with every seed", below->images,
                 below->val_loss.median);
    else
        snprintf(choice->reason + used, SWEEP_SENTENCE - (size_t)used,
                 "; it is the smallest that was tried, smaller ones may do too");
    add_others(others, choice);
}

/* ---- the largest batch before returns diminish ---- */

/* Geometric mean of the noise scales of the points: they measure one thing. */
static double noise_scale(const struct sweep_table *table)
{
    double sum = 0.0;
    int count = 0;
    for (int i = 0; i < table->sweep->point_count; i++)
        if (table->rows[i].noise_scale.median > 0.0 && isfinite(table->rows[i].noise_scale.median)) {
            sum += log(table->rows[i].noise_scale.median);
            count++;
        }
    return count ? exp(sum / count) : NAN;
}

static void add_noise_scale(const struct sweep_table *table, double images, struct sweep_choice *choice)
{
    double scale = noise_scale(table);
    size_t used = strlen(choice->reason);
    if (isnan(scale))
        return;
    bool agrees = images <= 2.0 * scale && images >= scale / 2.0;
    snprintf(choice->reason + used, SWEEP_SENTENCE - used, "; the gradient noise scale, about %.0f images, %s", scale,
             agrees           ? "says the same"
             : images > scale ? "says less"
                              : "says more");
}

static void choose_largest(const struct sweep_table *table, const struct sizes *sizes, struct sweep_choice *choice)
{
    char name[200];
    *choice = (struct sweep_choice){.name = "largest paying batch", .row = -1};
    if (too_few(table, choice))
        return;
    int least = least_of(table, sizes, target_images), reached = 0, at = least;
    for (int i = 0; i < sizes->count; i++)
        reached += isfinite(target_images(&table->rows[sizes->rows[i]]));
    if (reached < LEAST_SIZES) {
        snprintf(choice->reason, SWEEP_SENTENCE,
                 "cannot be said: %d batch size%s came down to the target; give a higher --target, or train longer",
                 reached, reached == 1 ? "" : "s");
        return;
    }
    double images = target_images(&table->rows[sizes->rows[least]]);
    for (int i = least + 1; i < sizes->count; i++)
        if (target_images(&table->rows[sizes->rows[i]]) <= diminished * images)
            at = i;
    int others;
    choice->row = first_alike(table, sizes->rows[at], reaches_within, diminished * images, &others);
    const struct sweep_row *row = &table->rows[choice->row];
    char times[32] = "";
    if (target_images(row) >= 1.05 * images)
        snprintf(times, sizeof times, "%.2g times ", target_images(row) / images);
    else if (target_images(row) > images)
        snprintf(times, sizeof times, "about ");
    snprintf(choice->reason, SWEEP_SENTENCE, "%s took %sthe fewest images to the target%s",
             name_of(row, name, sizeof name), times,
             at == sizes->count - 1 ? "; it is the largest that was tried, larger ones may pay too"
                                    : "; larger ones took more than twice, or did not get there");
    add_noise_scale(table, row->images, choice);
    add_others(others, choice);
}

/* ---- the fastest and the most accurate ---- */

/* The row that is least, of those of which at most so many seeds diverged; -1: none is known. */
static int lowest(const struct sweep_table *table, double (*value)(const struct sweep_row *), int diverged)
{
    int best = -1;
    for (int i = 0; i < table->sweep->point_count; i++)
        if (table->rows[i].diverged <= diverged && isfinite(value(&table->rows[i])) &&
            (best < 0 || value(&table->rows[i]) < value(&table->rows[best])))
            best = i;
    return best;
}

static double target_seconds(const struct sweep_row *row)
{
    return row->target_seconds.median;
}

static double errors(const struct sweep_row *row)
{
    return -row->val_accuracy.median;
}

/* Rows of one speed differ by their steps alone, however little is known of the speed. */
static bool as_fast(const struct sweep_row *other, const struct sweep_row *best)
{
    const bool same =
        other->images == best->images && other->images_per_second.median == best->images_per_second.median;
    return same ? other->target_steps.low <= best->target_steps.high
                : other->target_seconds.low <= best->target_seconds.high;
}

static bool as_accurate(const struct sweep_row *other, const struct sweep_row *best)
{
    return other->val_accuracy.high >= best->val_accuracy.low;
}

/* How many others the seeds do not tell from the chosen one. */
static void add_rivals(const struct sweep_table *table,
                       bool (*rivals)(const struct sweep_row *, const struct sweep_row *), struct sweep_choice *choice)
{
    const struct sweep_row *best = &table->rows[choice->row];
    const size_t used = strlen(choice->reason);
    double least = INFINITY, most = 0.0;
    int count = 0;
    for (int i = 0; i < table->sweep->point_count; i++)
        if (i != choice->row && rivals(&table->rows[i], best)) {
            count++;
            least = fmin(least, table->rows[i].images);
            most = fmax(most, table->rows[i].images);
        }
    char sizes[64] = "";
    if (most > least)
        snprintf(sizes, sizeof sizes, ", of %g to %g images a step,", least, most);
    if (best->done < 2)
        snprintf(choice->reason + used, SWEEP_SENTENCE - used, "; with one seed that may be chance");
    else if (count > 0)
        snprintf(choice->reason + used, SWEEP_SENTENCE - used,
                 "; %d other%s%s lie%s within the seeds' spread, so these seeds do not tell them apart", count,
                 count == 1 ? "" : "s", sizes, count == 1 ? "s" : "");
    else
        snprintf(choice->reason + used, SWEEP_SENTENCE - used, "; better than every other point with every seed");
}

static void choose_fastest(const struct sweep_table *table, struct sweep_choice *choice)
{
    char name[200];
    *choice = (struct sweep_choice){.name = "fastest to the target", .row = lowest(table, target_seconds, SWEEP_RUNS)};
    if (choice->row < 0) {
        snprintf(choice->reason, SWEEP_SENTENCE, "cannot be said: no point came down to the target with most seeds");
        return;
    }
    const struct sweep_row *row = &table->rows[choice->row];
    snprintf(choice->reason, SWEEP_SENTENCE, "%s came down to a training loss of %.3g in %.3g s",
             name_of(row, name, sizeof name), table->target, row->target_seconds.median);
    add_rivals(table, as_fast, choice);
}

static void choose_accurate(const struct sweep_table *table, struct sweep_choice *choice)
{
    char name[200];
    *choice = (struct sweep_choice){.name = "most accurate", .row = lowest(table, errors, 0)};
    if (choice->row < 0) {
        snprintf(choice->reason, SWEEP_SENTENCE,
                 "cannot be said: no point with validation images was trained to the end with every seed");
        return;
    }
    const struct sweep_row *row = &table->rows[choice->row];
    snprintf(choice->reason, SWEEP_SENTENCE, "%s, %.2f %%", name_of(row, name, sizeof name),
             100.0 * row->val_accuracy.median);
    add_rivals(table, as_accurate, choice);
}

bool sweep_region_of(const struct sweep_table *table, const struct sweep_choice choices[SWEEP_ADVICE],
                     struct sweep_region *region)
{
    const bool batches = sweep_is_swept(table, "train.batch_size") || sweep_is_swept(table, "train.accumulate");
    if (!batches || choices[0].row < 0 || choices[1].row < 0)
        return false;
    *region =
        (struct sweep_region){.low = table->rows[choices[0].row].images, .high = table->rows[choices[1].row].images};
    for (int i = 0; i < table->sweep->point_count; i++) {
        region->below |= table->rows[i].images < region->low;
        region->above |= table->rows[i].images > region->high;
    }
    if (region->below && region->above && region->low < region->high)
        snprintf(region->text, sizeof region->text, "%g to %g", region->low, region->high);
    else if (region->below && region->above)
        snprintf(region->text, sizeof region->text, "%g", region->low);
    else if (region->above)
        snprintf(region->text, sizeof region->text, "up to %g", region->high);
    else if (region->below)
        snprintf(region->text, sizeof region->text, "from %g on", region->low);
    else
        snprintf(region->text, sizeof region->text, "any that was tried");
    return region->low <= region->high;
}

int sweep_recommend(const struct sweep_table *table, struct sweep_choice choices[SWEEP_ADVICE])
{
    int count = 0;
    if (sweep_is_swept(table, "train.batch_size") || sweep_is_swept(table, "train.accumulate")) {
        struct arena arena = {0};
        struct sizes *sizes = arena_push(&arena, sizeof *sizes);
        find_sizes(sizes, table);
        choose_smallest(table, sizes, &choices[count++]);
        choose_largest(table, sizes, &choices[count++]);
        arena_free(&arena);
    }
    choose_fastest(table, &choices[count++]);
    choose_accurate(table, &choices[count++]);
    return count;
}

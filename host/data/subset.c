/* subset: choices of samples of a data set: all, a stratified split, the order of an epoch, statistics. Pure arithmetic
 * over labels, pixels and the seed. */
#include "data.h"
#include "random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int subset_take(struct subset *subset, const struct dataset *data, int64_t count)
{
    *subset = (struct subset){.data = data, .count = count};
    return memory_take(&subset->samples, (size_t)count * sizeof *subset->samples, "the list of samples");
}

int subset_all(struct subset *subset, const struct dataset *data)
{
    TRY(subset_take(subset, data, data->count));
    for (int64_t i = 0; i < data->count; i++)
        subset->samples[i] = (int32_t)i;
    return OK;
}

struct ticket {
    uint64_t draw;
    int32_t sample, label;
};

static int compare_tickets(const void *a, const void *b)
{
    const struct ticket *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* Tickets sorted by label, then draw: the first few of each label go to val. Marks them; returns how many. */
static int64_t mark_val(const struct ticket *tickets, int64_t count, double fraction, bool *in_val)
{
    int64_t marked = 0;
    for (int64_t start = 0, end; start < count; start = end) {
        for (end = start; end < count && tickets[end].label == tickets[start].label; end++)
            ;
        int64_t size = end - start, wanted = llround(fraction * (double)size);
        if (wanted < 1 && size >= 2)
            wanted = 1;
        if (wanted > size - 1)
            wanted = size - 1;
        for (int64_t i = start; i < start + wanted; i++)
            in_val[tickets[i].sample] = true;
        marked += wanted;
    }
    return marked;
}

int subset_split(struct subset *train, struct subset *val, const struct dataset *data, double fraction, uint64_t seed)
{
    *train = *val = (struct subset){0};
    if (!(fraction > 0.0 && fraction < 1.0))
        return FAIL(ERR_CONFIG, "%s: cannot split off a share of %g for validation; expected more than 0, less than 1",
                    data->source, fraction);
    size_t count = (size_t)data->count;
    struct ticket *tickets = malloc(count * sizeof *tickets);
    bool *in_val = calloc(count, sizeof *in_val);
    int status = OK;
    if (!tickets || !in_val) {
        status = FAIL(ERR_MEMORY, "%s: out of memory for splitting %zu samples", data->source, count);
    } else {
        for (size_t i = 0; i < count; i++) {
            struct random_block draw = random_words(seed, RANDOM_SPLIT, 0, i, 0);
            tickets[i] = (struct ticket){(uint64_t)draw.word[0] << 32 | draw.word[1], (int32_t)i, data->labels[i]};
        }
        qsort(tickets, count, sizeof *tickets, compare_tickets);
        int64_t val_count = mark_val(tickets, data->count, fraction, in_val);
        status = subset_take(val, data, val_count);
        if (status == OK)
            status = subset_take(train, data, data->count - val_count);
        int64_t t = 0, v = 0;
        for (size_t i = 0; status == OK && i < count; i++)
            *(in_val[i] ? &val->samples[v++] : &train->samples[t++]) = (int32_t)i;
    }
    free(tickets);
    free(in_val);
    return status;
}

void subset_free(struct subset *subset)
{
    memory_give(subset->samples);
    *subset = (struct subset){0};
}

void subset_order(const struct subset *subset, uint64_t seed, uint32_t epoch, bool shuffle, int32_t *order)
{
    memcpy(order, subset->samples, (size_t)subset->count * sizeof *order);
    /* Fisher-Yates from the end. */
    for (int64_t i = subset->count - 1; shuffle && i > 0; i--) {
        struct random_block draw = random_words(seed, RANDOM_ORDER, epoch, (uint64_t)i, 0);
        int64_t j = random_below(draw.word[0], (uint32_t)(i + 1));
        int32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

void subset_statistics(const struct subset *subset, double mean[static 4], double std[static 4])
{
    const struct shape image = subset->data->image;
    uint64_t sum[4] = {0}, squares[4] = {0};
    size_t pixels = (size_t)image.h * (size_t)image.w, bytes = (size_t)shape_count(image);
    for (int64_t s = 0; s < subset->count; s++) {
        struct image_sums sums;
        if (subset->data->sums)
            sums = subset->data->sums[subset->samples[s]];
        else
            image_sums_take(&sums, subset->data->pixels + (size_t)subset->samples[s] * bytes, image);
        for (int c = 0; c < image.c; c++) {
            sum[c] += sums.sum[c];
            squares[c] += sums.squares[c];
        }
    }
    for (int c = 0; c < 4; c++) {
        double count = (double)subset->count * (double)pixels;
        mean[c] = std[c] = 0.0;
        if (c >= image.c || count == 0.0)
            continue;
        double average = (double)sum[c] / count, variance = (double)squares[c] / count - average * average;
        mean[c] = average / 255.0;
        std[c] = variance > 0.0 ? sqrt(variance) / 255.0 : 0.0;
    }
}

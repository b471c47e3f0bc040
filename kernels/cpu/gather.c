/* gather: the batch out of the stored images, augmented, normalised and mixed, each sample read and written once. The
 * arithmetic is in kernels/common/augment*.h, pictures in picture.c.
 *
 * Pixels that are copies of stored bytes can only become 256 values per channel: they are looked up in a table that
 * holds colour and normalisation. Of pictures that are mixed each is made once, for its own row and the next. */
#include "cpu.h"
#include "kernels/common/augment_blend.h"
#include "kernels/common/bf16.h"
#include "picture.h"
#include <assert.h>
#include <string.h>

enum { LEVELS = 256 };

struct table {
    float value[CHANNELS][LEVELS];
    uint16_t half[CHANNELS][LEVELS];
};

/* What all samples share. */
struct batch {
    const struct gather_args *args;
    struct table plain;                                  /* normalisation alone */
    float mean[STRIP * CHANNELS], std[STRIP * CHANNELS]; /* of each value of a strip */
};

/* A picture and how its bytes end, if it is copied. */
struct finished {
    struct picture picture;
    const struct table *table;
    struct table own;
};

/* Of one picture; NULL: of what is normalised alone, as all are. */
static void table_fill(struct table *table, const struct gather_args *args, const struct picture *picture)
{
    const float *mean = picture ? picture->mean : args->augment.mean, *std = picture ? picture->std : args->augment.std;
    const float brightness = picture ? picture->draw.brightness : 1.0f;
    const float contrast = picture ? picture->draw.contrast : 1.0f, grey = picture ? picture->grey : 0.0f;
    for (int channel = 0; channel < args->image.c; channel++)
        for (int level = 0; level < LEVELS; level++) {
            float unit = augment_contrast(augment_brighten((float)level, brightness), contrast, grey);
            float value = augment_normalise(unit, mean[channel], std[channel]);
            table->value[channel][level] = value;
            table->half[channel][level] = bf16_from_float(value);
        }
}

/* row: where it lies in the slot, if the images are fed. */
static void finished_open(struct finished *finished, const struct batch *batch, int row, int32_t number)
{
    const struct gather_args *args = batch->args;
    const size_t bytes = (size_t)args->image.h * args->image.w * args->image.c;
    struct picture *picture = &finished->picture;
    const struct image_source *source = &args->control->source;
    const int64_t place = source->slot_rows ? (int64_t)args->control->slot * source->slot_rows + row : number;
    picture_open(picture, args, source->pixels + (size_t)place * bytes, (uint64_t)number);
    const struct augment_draw *draw = &picture->draw;
    finished->table = &batch->plain;
    if (picture->copied && (draw->brightness != 1.0f || draw->contrast != 1.0f || args->augment.by_image)) {
        table_fill(&finished->own, args, picture);
        finished->table = &finished->own;
    }
}

BY_CHANNELS void look_up_floats(const struct table *table, float *restrict to, const uint8_t *bytes, int count,
                                const int c)
{
    for (int i = 0; i < count; i++)
        for (int channel = 0; channel < c; channel++)
            to[i * c + channel] = table->value[channel][bytes[i * c + channel]];
}

BY_CHANNELS void look_up_halves(const struct table *table, uint16_t *restrict to, const uint8_t *bytes, int count,
                                const int c)
{
    for (int i = 0; i < count; i++)
        for (int channel = 0; channel < c; channel++)
            to[i * c + channel] = table->half[channel][bytes[i * c + channel]];
}

/* The erased box's part of a strip becomes 0. */
static void erase(const struct picture *picture, const struct strip *strip, void *values, size_t pixel_bytes)
{
    const struct augment_box *box = &picture->draw.erase;
    const int stop = strip->x + strip->width, begin = box->left > strip->x ? box->left : strip->x;
    const int end = box->left + box->w < stop ? box->left + box->w : stop;
    for (int row = 0; row < strip->rows && begin < end; row++)
        if ((unsigned)(strip->y + row - box->top) < (unsigned)box->h)
            memset((char *)values + (size_t)(row * strip->width + begin - strip->x) * pixel_bytes, 0,
                   (size_t)(end - begin) * pixel_bytes);
}

/* A strip of the picture as the network would see it, were it not mixed. */
static void finished_values(const struct finished *finished, const struct batch *batch, const struct strip *strip,
                            float *values)
{
    const struct picture *picture = &finished->picture;
    const int c = picture->image.c, count = strip->rows * strip->width;
    if (picture->copied) {
        uint8_t bytes[STRIP * CHANNELS];
        picture_bytes(picture, strip, bytes);
        WITH_CHANNELS(c, look_up_floats, finished->table, values, bytes, count);
    } else {
        picture_units(picture, strip, values);
        if (picture->augment->by_image) {
            const float mean = picture->mean[0], std = picture->std[0];
#pragma omp simd
            for (int i = 0; i < count * c; i++)
                values[i] = augment_normalise(values[i], mean, std);
        } else {
#pragma omp simd
            for (int i = 0; i < count * c; i++)
                values[i] = augment_normalise(values[i], batch->mean[i], batch->std[i]);
        }
    }
    erase(picture, strip, values, (size_t)c * sizeof *values);
}

static void store(const struct gather_args *args, int64_t out, const float *values, int count)
{
    if (args->dtype == DT_F32) {
        memcpy((float *)args->out + out, values, (size_t)count * sizeof *values);
        return;
    }
    uint16_t *restrict to = (uint16_t *)args->out + out;
#pragma omp simd
    for (int i = 0; i < count; i++)
        to[i] = bf16_from_float(values[i]);
}

/* Straight from bytes to the batch in bf16. */
static void write_halves(const struct finished *finished, const struct gather_args *args, const struct strip *strip,
                         int64_t out)
{
    uint8_t bytes[STRIP * CHANNELS];
    picture_bytes(&finished->picture, strip, bytes);
    uint16_t *to = (uint16_t *)args->out + out;
    WITH_CHANNELS(args->image.c, look_up_halves, finished->table, to, bytes, strip->rows * strip->width);
    erase(&finished->picture, strip, to, (size_t)args->image.c * sizeof *to);
}

static void mix(const struct augment_blend *blend, const struct strip *strip, float *mixed, const float *own,
                const float *partner, int c)
{
    const int count = strip->rows * strip->width * c;
    if (blend->box.h == 0) {
#pragma omp simd
        for (int i = 0; i < count; i++)
            mixed[i] = augment_blended(blend, false, own[i], partner[i]);
        return;
    }
    for (int row = 0, at = 0; row < strip->rows; row++)
        for (int i = 0; i < strip->width; i++) {
            const bool in_box = augment_in_box(&blend->box, strip->x + i, strip->y + row);
            for (int channel = 0; channel < c; channel++, at++)
                mixed[at] = augment_blended(blend, in_box, own[at], partner[at]);
        }
}

/* ---- whole pictures, where they are small ---- */

/* What a row is mixed with is the row before it, as a rule: the last two pictures of a thread stay at hand, finished.
 */
struct hand {
    int32_t sample[2]; /* -1: none */
    float values[2][PICTURE_KEPT];
};

/* Finishes the picture of a sample, unless it is at hand; not in place of the one in slot spared (-1: none). Returns
 * its slot. */
static int hand_take(struct hand *hand, const struct batch *batch, int row, int32_t sample, int spared)
{
    const struct augment *augment = &batch->args->augment;
    for (int slot = 0; slot < 2; slot++)
        if (hand->sample[slot] == sample)
            return slot;
    const int slot = spared == 0;
    struct finished finished;
    struct strip strip = strip_first(augment);
    finished_open(&finished, batch, row, sample);
    for (; strip.rows > 0; strip = strip_next(augment, &strip))
        finished_values(&finished, batch, &strip,
                        hand->values[slot] + (strip.y * augment->out_w + strip.x) * batch->args->image.c);
    hand->sample[slot] = sample;
    return slot;
}

/* ---- rows of the batch ---- */

struct row {
    int number;
    int32_t sample, partner;
    int partner_row; /* where it lies in the slot, if the images are fed */
    struct augment_blend blend;
    int64_t out; /* first value */
};

static void write_from_hand(struct hand *hand, const struct batch *batch, const struct row *row)
{
    const struct augment *augment = &batch->args->augment;
    const int c = batch->args->image.c, other = hand_take(hand, batch, row->partner_row, row->partner, -1),
              own = hand_take(hand, batch, row->number, row->sample, other);
    float values[STRIP * CHANNELS];
    struct strip strip = strip_first(augment);
    for (; strip.rows > 0; strip = strip_next(augment, &strip)) {
        const int at = (strip.y * augment->out_w + strip.x) * c;
        mix(&row->blend, &strip, values, hand->values[own] + at, hand->values[other] + at, c);
        store(batch->args, row->out + at, values, strip.rows * strip.width * c);
    }
}

/* partner: NULL unless mixed. */
static void write_strips(const struct batch *batch, const struct row *row, const struct finished *own,
                         const struct finished *partner)
{
    const struct gather_args *args = batch->args;
    const int c = args->image.c;
    const bool direct = !partner && own->picture.copied && args->dtype == DT_BF16;
    float values[STRIP * CHANNELS], others[STRIP * CHANNELS];
    struct strip strip = strip_first(&args->augment);
    for (; strip.rows > 0; strip = strip_next(&args->augment, &strip)) {
        const int64_t out = row->out + ((int64_t)strip.y * args->augment.out_w + strip.x) * c;
        if (direct) {
            write_halves(own, args, &strip, out);
            continue;
        }
        finished_values(own, batch, &strip, values);
        if (partner) {
            finished_values(partner, batch, &strip, others);
            mix(&row->blend, &strip, values, values, others, c);
        }
        store(args, out, values, strip.rows * strip.width * c);
    }
}

static void write_from_images(const struct batch *batch, const struct row *row)
{
    struct finished own, partner;
    const bool mixed = row->blend.share < 1.0f;
    finished_open(&own, batch, row->number, row->sample);
    if (mixed)
        finished_open(&partner, batch, row->partner_row, row->partner);
    write_strips(batch, row, &own, mixed ? &partner : NULL);
}

static void row_gather(const struct batch *batch, struct hand *hand, int number)
{
    const struct gather_args *args = batch->args;
    const struct step_control *control = args->control;
    const struct image_source *source = &control->source;
    const int64_t position = control->first + number;
    const int64_t values = (int64_t)args->augment.out_h * args->augment.out_w * args->image.c;
    struct row row = {.number = number, .sample = source->order[position], .out = number * values};
    row.partner = row.sample;
    row.blend = augment_blend(&args->augment, control->seed, control->epoch, (uint64_t)row.sample);
    if (row.blend.share < 1.0f) {
        row.partner = source->order[augment_partner(position)];
        row.partner_row = augment_partner_row(number, args->batch);
    }
    if (row.blend.share < 1.0f && values <= PICTURE_KEPT)
        write_from_hand(hand, batch, &row);
    else
        write_from_images(batch, &row);
    args->out_samples[number] = row.sample;
    args->out_labels[number] = source->labels[row.sample];
    if (args->out_shares) {
        args->out_partners[number] = source->labels[row.partner];
        args->out_shares[number] = row.blend.share;
    }
}

static void row_clear(const struct gather_args *args, int row)
{
    size_t values = (size_t)args->augment.out_h * args->augment.out_w * args->image.c;
    size_t bytes = values * (args->dtype == DT_F32 ? sizeof(float) : sizeof(uint16_t));
    memset((char *)args->out + (size_t)row * bytes, 0, bytes);
    args->out_samples[row] = args->out_labels[row] = -1;
    if (args->out_shares) {
        args->out_partners[row] = -1;
        args->out_shares[row] = 1.0f;
    }
}

int cpu_gather(struct device *device, const struct gather_args *args)
{
    assert(args->channels == 0 || args->channels == args->image.c);
    assert(args->dtype == DT_F32 || args->dtype == DT_BF16);
    assert(args->image.c == 1 || args->image.c == CHANNELS);
    assert(!augment_blends(&args->augment) || args->out_shares);
    assert(!args->control->source.slot_rows ||
           args->control->source.slot_rows >= args->batch + augment_blends(&args->augment));
    struct batch batch = {.args = args};
    for (int i = 0; i < STRIP * args->image.c; i++) {
        batch.mean[i] = args->augment.mean[i % args->image.c];
        batch.std[i] = args->augment.std[i % args->image.c];
    }
    table_fill(&batch.plain, args, NULL);
#pragma omp parallel num_threads(device->threads)
    {
        struct hand hand;
        hand.sample[0] = hand.sample[1] = -1;
#pragma omp for schedule(static)
        for (int row = 0; row < args->batch; row++) {
            if (row < args->control->valid)
                row_gather(&batch, &hand, row);
            else
                row_clear(args, row);
        }
    }
    return OK;
}

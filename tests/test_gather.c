/* test_gather: the batch that a backend gathers equals the shared arithmetic pixel by pixel, bit for bit, whatever the
 * batch size, the number of threads and the place in the order. */
#include "kernels/common/fp16.h"
#include "mirror.h"
#include "random.h"
#include "render.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

enum { CHANNELS_MOST = 8 };
enum { IMAGES = 40, BATCH_MOST = 64, ROWS = 5 };

/* A data set of IMAGES images and room for one batch. */
struct world {
    struct mirror mirror;
    struct step_control control, sent; /* sent: with places on the device */
    struct gather_args args;           /* places in host memory */
    uint8_t *pixels;
    int32_t labels[IMAGES], order[IMAGES], out_labels[BATCH_MOST], out_samples[BATCH_MOST], out_partners[BATCH_MOST];
    float out_shares[BATCH_MOST];
    void *out;
    size_t out_bytes; /* of one row */
};

static const struct augment none = {.mean = {0.5f, 0.4f, 0.3f, 0.2f}, .std = {0.25f, 0.3f, 0.35f, 0.4f}};

static void world_open(struct world *world, struct shape image, struct augment augment, int batch, int threads)
{
    memset(world, 0, sizeof *world);
    mirror_open(&world->mirror, threads);
    size_t bytes = (size_t)image.h * image.w * image.c;
    world->pixels = malloc(bytes * IMAGES);
    for (size_t i = 0; i < bytes * IMAGES; i += 4) {
        struct random_block block = random_words(1, RANDOM_TILE, 0, i, 0);
        for (size_t k = 0; k < 4 && i + k < bytes * IMAGES; k++)
            world->pixels[i + k] = (uint8_t)block.word[k];
    }
    for (int i = 0; i < IMAGES; i++) {
        world->labels[i] = i % 7;
        world->order[i] = (i * 17 + 3) % IMAGES;
    }
    world->out_bytes = (size_t)augment.out_h * augment.out_w * image.c * sizeof(float);
    const size_t room = (size_t)augment.out_h * augment.out_w * CHANNELS_MOST * sizeof(float) * (size_t)batch;
    world->out = malloc(room);
    memset(world->out, 0xFF, room);
    world->control =
        (struct step_control){.source = {.pixels = world->pixels, .labels = world->labels, .order = world->order},
                              .seed = 7,
                              .epoch = 2,
                              .valid = batch};
    world->args = (struct gather_args){.image = image,
                                       .augment = augment,
                                       .dtype = DT_F32,
                                       .batch = batch,
                                       .out = world->out,
                                       .out_labels = world->out_labels,
                                       .out_samples = world->out_samples,
                                       .out_partners = world->out_partners,
                                       .out_shares = world->out_shares,
                                       .control = &world->sent};
    mirror_add(&world->mirror, world->pixels, bytes * IMAGES);
    mirror_add(&world->mirror, world->labels, sizeof world->labels);
    mirror_add(&world->mirror, world->order, sizeof world->order);
    mirror_add(&world->mirror, world->out, room);
    mirror_add(&world->mirror, world->out_labels, sizeof world->out_labels);
    mirror_add(&world->mirror, world->out_samples, sizeof world->out_samples);
    mirror_add(&world->mirror, world->out_partners, sizeof world->out_partners);
    mirror_add(&world->mirror, world->out_shares, sizeof world->out_shares);
    mirror_add(&world->mirror, &world->sent, sizeof world->sent);
}

static void world_close(struct world *world)
{
    mirror_close(&world->mirror);
    free(world->pixels);
    free(world->out);
}

static int gather_work(struct mirror *mirror, const void *what)
{
    const struct world *world = what;
    struct gather_args args = world->args;
    struct step_control sent = world->control;
    sent.source.pixels = mirror_at(mirror, sent.source.pixels);
    sent.source.labels = mirror_at(mirror, sent.source.labels);
    sent.source.order = mirror_at(mirror, sent.source.order);
    args.out = mirror_at(mirror, args.out);
    args.out_labels = mirror_at(mirror, args.out_labels);
    args.out_samples = mirror_at(mirror, args.out_samples);
    args.out_partners = mirror_at(mirror, args.out_partners);
    args.out_shares = mirror_at(mirror, args.out_shares);
    args.control = mirror_at(mirror, args.control);
    TRY(mirror->backend->upload(mirror->device, (void *)args.control, &sent, sizeof sent));
    return mirror->backend->gather(mirror->device, &args);
}

static void world_gather(struct world *world)
{
    mirror_run(&world->mirror, gather_work, world);
}

static struct augment augment_full(int out_h, int out_w)
{
    struct augment augment = none;
    augment.random = true;
    augment.out_h = out_h, augment.out_w = out_w;
    augment.pad = 3;
    augment.flip_share = 0.5f;
    augment.rotate_degrees = 20.0f;
    augment.brightness = 0.3f;
    augment.contrast = 0.3f;
    return augment;
}

/* ---- against the plain loop ---- */

/* Of the batch: the value at a place is want, rounded. */
static bool value_is(const struct world *world, int64_t place, float want)
{
    if (world->args.dtype == DT_F32)
        return ((float *)world->out)[place] == want;
    return ((uint16_t *)world->out)[place] ==
           (world->args.dtype == DT_BF16 ? bf16_from_float(want) : fp16_from_float(want));
}

static void sample_render(const struct world *world, float *values, int32_t sample)
{
    const struct gather_args *args = &world->args;
    struct shape image = args->image;
    struct augment_draw draw =
        augment_draw(&args->augment, image.h, image.w, world->control.seed, world->control.epoch, (uint64_t)sample);
    render_sample(values, world->pixels + (size_t)sample * image.h * image.w * image.c, image, &args->augment, &draw);
}

static void rows_check(const struct world *world, const char *what)
{
    const struct gather_args *args = &world->args;
    struct shape image = args->image;
    int64_t values = (int64_t)(world->out_bytes / sizeof(float));
    float *want = malloc(world->out_bytes), *other = malloc(world->out_bytes);
    for (int row = 0; row < args->batch; row++) {
        int32_t sample = world->order[world->control.first + row];
        assert_int_equal(world->out_samples[row], sample);
        assert_int_equal(world->out_labels[row], world->labels[sample]);
        struct augment_blend blend =
            augment_blend(&args->augment, world->control.seed, world->control.epoch, (uint64_t)sample);
        int64_t position = world->control.first + row;
        int32_t partner = blend.share < 1.0f ? world->order[augment_partner(position)] : sample;
        assert_int_equal(world->out_partners[row], world->labels[partner]);
        assert_true(world->out_shares[row] == blend.share);
        sample_render(world, want, sample);
        if (partner != sample) {
            sample_render(world, other, partner);
            render_blend(want, other, image.c, &args->augment, &blend);
        }
        const int64_t channels = args->channels ? args->channels : image.c, pixels = values / image.c;
        for (int64_t i = 0; i < pixels * channels; i++) {
            const bool own = i % channels < image.c;
            const float value = own ? want[i / channels * image.c + i % channels] : 0.0f;
            if (!value_is(world, row * pixels * channels + i, value))
                fail_msg("%s: row %d, value %d is not %g", what, row, (int)i, (double)value);
        }
    }
    free(want);
    free(other);
}

static const struct {
    struct shape image;
    int out_h, out_w;
} sizes[] = {
    {{1, 16, 16, 3}, 16, 16}, {{1, 17, 15, 3}, 17, 15}, {{1, 28, 28, 1}, 28, 28}, {{1, 1, 1, 3}, 1, 1},
    {{1, 9, 31, 1}, 13, 17},  {{1, 12, 13, 3}, 5, 7},   {{1, 3, 300, 3}, 4, 297}, {{1, 2, 600, 1}, 2, 513},
    {{1, 32, 33, 3}, 40, 45}, {{1, 64, 64, 3}, 64, 64},
};

/* Bits of kind: flip, rotate, brightness, contrast, linear interpolation, each image's own light. */
static void kind_check(int size, int kind, enum dtype dtype)
{
    struct augment augment = augment_full(sizes[size].out_h, sizes[size].out_w);
    if (!(kind & 1))
        augment.flip_share = 0;
    if (!(kind & 2))
        augment.rotate_degrees = 0;
    if (!(kind & 4))
        augment.brightness = 0;
    if (!(kind & 8))
        augment.contrast = 0;
    augment.interpolation = kind & 16 ? INTERPOLATE_BILINEAR : INTERPOLATE_NEAREST;
    augment.by_image = kind & 32;
    struct world world;
    char what[80];
    world_open(&world, sizes[size].image, augment, ROWS, 2);
    if (mirror_supports(&world.mirror, dtype)) {
        world.args.dtype = dtype;
        /* As a GPU's first convolution may want them. */
        if (!mirror_is_cpu(&world.mirror) && dtype != DT_F32)
            world.args.channels = (int[]){0, 4, CHANNELS_MOST}[(size + kind) % 3];
        world.control.first = size;
        world_gather(&world);
        snprintf(what, sizeof what, "%dx%dx%d kind %d, %s", sizes[size].image.h, sizes[size].image.w,
                 sizes[size].image.c, kind, dtype_name(dtype));
        rows_check(&world, what);
    }
    world_close(&world);
}

/* On an emulated device each kind has one type; under the race detector two sizes have the kinds that differ most. */
static bool takes_too_long(const struct mirror *mirror, int size, int kind, enum dtype dtype)
{
    bool chosen = size % 5 == 0 && (kind == 0 || kind == 8 || kind % 16 == 15);
    return (mirror_is_emulated(mirror) && (size + kind) % 3 != (int)dtype) || (mirror_detects_races(mirror) && !chosen);
}

/* Every kind alone and all together, both interpolations, all types, odd sizes, grey and colour, rows longer than
 * what is processed at a time. */
static void test_equals_plain_loop(void **state)
{
    (void)state;
    struct mirror mirror;
    mirror_open(&mirror, 1);
    for (int size = 0; size < COUNT_OF(sizes); size++)
        for (int kind = 0; kind < 64; kind++)
            for (int dtype = DT_F32; dtype <= DT_F16; dtype++)
                if (!takes_too_long(&mirror, size, kind, (enum dtype)dtype))
                    kind_check(size, kind, (enum dtype)dtype);
    mirror_close(&mirror);
}

/* ---- the other kinds, each alone and all together ---- */

enum kind {
    VFLIP,
    TRANSLATE,
    SCALE,
    SHEAR,
    FILL,
    EDGE,
    REFLECT,
    SYMMETRIC,
    RESIZED_CROP,
    SATURATION,
    HUE,
    GRAYSCALE,
    ERASE,
    MIXUP,
    CUTMIX,
    KIND_COUNT
};

static void kind_add(struct augment *augment, enum kind kind)
{
    switch (kind) {
    case VFLIP: augment->vflip_share = 0.5f; break;
    case TRANSLATE: augment->translate = 0.3f; break;
    case SCALE: augment->scale[0] = 0.7f, augment->scale[1] = 1.4f; break;
    case SHEAR: augment->shear_degrees = 15.0f; break;
    case FILL: memcpy(augment->fill, (uint8_t[]){10, 200, 77, 3}, 4); break;
    case EDGE: augment->padding = PADDING_EDGE; break;
    case REFLECT: augment->padding = PADDING_REFLECT; break;
    case SYMMETRIC: augment->padding = PADDING_SYMMETRIC; break;
    case RESIZED_CROP:
        augment->crop_area[0] = 0.1f, augment->crop_area[1] = 1.0f;
        augment->crop_ratio[0] = 0.75f, augment->crop_ratio[1] = 1.33f;
        break;
    case SATURATION: augment->saturation = 0.5f; break;
    case HUE: augment->hue = 0.5f; break;
    case GRAYSCALE: augment->grayscale_share = 0.5f; break;
    case ERASE:
        augment->erase_share = 0.8f;
        augment->erase_area[0] = 0.02f, augment->erase_area[1] = 0.33f;
        augment->erase_ratio[0] = 0.3f, augment->erase_ratio[1] = 3.3f;
        break;
    case MIXUP: augment->mixup = 0.4f; break;
    case CUTMIX: augment->cutmix = 1.0f; break;
    case KIND_COUNT: break;
    }
}

/* kinds: bits. */
static void kinds_check(int size, unsigned kinds, bool others, enum interpolation interpolation, enum dtype dtype)
{
    struct augment augment = others ? augment_full(sizes[size].out_h, sizes[size].out_w) : none;
    augment.random = true;
    augment.out_h = sizes[size].out_h, augment.out_w = sizes[size].out_w;
    augment.pad = 3;
    augment.interpolation = interpolation;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (kinds >> kind & 1)
            kind_add(&augment, (enum kind)kind);
    struct world world;
    char what[80];
    world_open(&world, sizes[size].image, augment, ROWS, 2);
    if (mirror_supports(&world.mirror, dtype)) {
        world.args.dtype = dtype;
        world.control.first = size % 3;
        world_gather(&world);
        snprintf(what, sizeof what, "%dx%dx%d kinds %x%s, %s", sizes[size].image.h, sizes[size].image.w,
                 sizes[size].image.c, kinds, others ? " and others" : "", dtype_name(dtype));
        rows_check(&world, what);
    }
    world_close(&world);
}

static void test_other_kinds(void **state)
{
    (void)state;
    struct mirror mirror;
    mirror_open(&mirror, 1);
    const unsigned all = (1u << KIND_COUNT) - 1 - (1u << EDGE) - (1u << REFLECT);
    for (int size = 0; size < COUNT_OF(sizes); size++)
        for (int kind = 0; kind <= KIND_COUNT; kind++)
            for (int way = 0; way < 4; way++) {
                enum dtype dtype = (size + kind + way) % 2 ? DT_F32 : mirror_is_emulated(&mirror) ? DT_F16 : DT_BF16;
                bool skipped = mirror_is_emulated(&mirror) && (size + kind) % 4 != way;
                bool left_out = mirror_detects_races(&mirror) && (size % 5 != 0 || kind < ERASE);
                if (!skipped && !left_out)
                    kinds_check(size, kind < KIND_COUNT ? 1u << kind : all, way & 1,
                                way & 2 ? INTERPOLATE_BILINEAR : INTERPOLATE_NEAREST, dtype);
            }
    mirror_close(&mirror);
}

/* Images that come through a ring's slot are augmented as the sample they are, wherever they lie. */
static void fed_check(float mixup)
{
    enum { SIDE = 12, VALID = ROWS - 1, SLOT = 2 };
    struct world world;
    struct augment augment = augment_full(SIDE, SIDE);
    augment.mixup = mixup;
    const size_t slot_rows = ROWS + (mixup > 0.0f);
    world_open(&world, (struct shape){1, SIDE, SIDE, 3}, augment, ROWS, 2);
    const size_t bytes = SIDE * SIDE * 3, rows = world.out_bytes * ROWS;
    uint8_t *stored = malloc(bytes * IMAGES);
    float *resident = malloc(rows);
    world.control.valid = VALID;
    world.control.first = 3;
    world_gather(&world);
    memcpy(resident, world.out, rows);
    memcpy(stored, world.pixels, bytes * IMAGES);
    assert_true((SLOT + 1) * slot_rows <= IMAGES);
    memset(world.pixels, 0xAA, bytes * IMAGES);
    for (int row = 0; row < VALID; row++)
        memcpy(world.pixels + (SLOT * slot_rows + (size_t)row) * bytes, stored + (size_t)world.order[3 + row] * bytes,
               bytes);
    if (mixup > 0.0f) /* the partner of the first row */
        memcpy(world.pixels + (SLOT * slot_rows + ROWS) * bytes, stored + (size_t)world.order[2] * bytes, bytes);
    memset(world.out, 0xFF, rows);
    world.control.source.slot_rows = (int32_t)slot_rows;
    world.control.slot = SLOT;
    world_gather(&world);
    assert_memory_equal(world.out, resident, rows);
    for (int row = 0; row < VALID; row++)
        assert_int_equal(world.out_samples[row], world.order[3 + row]);
    free(resident);
    free(stored);
    world_close(&world);
}

static void test_fed(void **state)
{
    (void)state;
    fed_check(0.0f);
    fed_check(0.5f);
}

static void test_evaluation(void **state)
{
    (void)state;
    struct world world;
    struct augment augment = augment_full(10, 11);
    augment.random = false;
    world_open(&world, (struct shape){1, 13, 16, 3}, augment, 5, 2);
    world_gather(&world);
    rows_check(&world, "evaluation");
    /* 3 and 5 left over: 2 (1.5 to even) and 2 (2.5 to even) before the crop. */
    float *out = world.out;
    for (int y = 0; y < 10; y++)
        for (int x = 0; x < 11; x++) {
            float byte = world.pixels[((world.order[0] * 13 + y + 2) * 16 + x + 2) * 3];
            assert_true(out[(y * 11 + x) * 3] == (byte / 255.0f - 0.5f) / 0.25f);
        }
    world_close(&world);
}

/* ---- independence ---- */

static void test_batch_and_threads_do_not_matter(void **state)
{
    (void)state;
    struct world whole, part;
    struct shape image = {1, 24, 24, 3};
    struct augment augment = augment_full(24, 24);
    for (int kind = RESIZED_CROP; kind < KIND_COUNT; kind++)
        kind_add(&augment, (enum kind)kind);
    world_open(&whole, image, augment, IMAGES, 1);
    if (mirror_detects_races(&whole.mirror)) {
        world_close(&whole);
        skip();
    }
    world_gather(&whole);
    static const int batches[] = {1, 2, 8, 40};
    int most = mirror_is_cpu(&whole.mirror) ? 5 : 1;
    for (int b = 0; b < COUNT_OF(batches); b++)
        for (int threads = 1; threads <= most; threads += 2) {
            world_open(&part, image, augment, batches[b], threads);
            for (int first = 0; first < IMAGES; first += batches[b]) {
                part.control.first = first;
                world_gather(&part);
                assert_memory_equal(part.out, (char *)whole.out + (size_t)first * whole.out_bytes,
                                    part.out_bytes * (size_t)batches[b]);
                assert_memory_equal(part.out_samples, whole.out_samples + first, (size_t)batches[b] * 4);
                assert_memory_equal(part.out_partners, whole.out_partners + first, (size_t)batches[b] * 4);
                assert_memory_equal(part.out_shares, whole.out_shares + first, (size_t)batches[b] * 4);
            }
            world_close(&part);
        }
    /* Another order moves the samples but does not change them, but for what they are mixed with. */
    world_close(&whole);
    augment.mixup = augment.cutmix = 0.0f;
    world_open(&whole, image, augment, IMAGES, 1);
    world_gather(&whole);
    world_open(&part, image, augment, IMAGES, 2);
    for (int i = 0; i < IMAGES; i++)
        part.order[i] = i;
    world_gather(&part);
    for (int row = 0; row < IMAGES; row++)
        assert_memory_equal((char *)whole.out + (size_t)row * whole.out_bytes,
                            (char *)part.out + (size_t)whole.order[row] * part.out_bytes, part.out_bytes);
    /* Another epoch does. */
    part.control.epoch = 3;
    world_gather(&part);
    int same = 0;
    for (int row = 0; row < IMAGES; row++)
        same += memcmp((char *)whole.out + (size_t)row * whole.out_bytes,
                       (char *)part.out + (size_t)whole.order[row] * part.out_bytes, part.out_bytes) == 0;
    assert_int_equal(same, 0);
    world_close(&part);
    world_close(&whole);
}

/* ---- rows that do not count ---- */

static void test_rows_beyond_valid(void **state)
{
    (void)state;
    for (int dtype = DT_F32; dtype <= DT_BF16; dtype++) {
        struct world world;
        struct augment augment = augment_full(8, 8);
        augment.mixup = 0.4f;
        world_open(&world, (struct shape){1, 8, 8, 3}, augment, 5, 2);
        world.args.dtype = (enum dtype)dtype;
        world.control.first = IMAGES - 3;
        world.control.valid = 3;
        world_gather(&world);
        size_t row_bytes = world.out_bytes / (dtype == DT_F32 ? 1 : 2);
        for (size_t i = 3 * row_bytes; i < 5 * row_bytes; i++)
            assert_int_equal(((uint8_t *)world.out)[i], 0);
        for (int row = 0; row < 5; row++) {
            assert_int_equal(world.out_samples[row], row < 3 ? world.order[IMAGES - 3 + row] : -1);
            assert_int_equal(world.out_labels[row], row < 3 ? world.labels[world.out_samples[row]] : -1);
            if (row >= 3)
                assert_true(world.out_partners[row] == -1 && world.out_shares[row] == 1.0f);
        }
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_plain_loop),
        cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_fed),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_batch_and_threads_do_not_matter),
        cmocka_unit_test(test_rows_beyond_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

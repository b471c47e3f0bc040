/* slab: see slab.h. */
#include "slab.h"

#include "followed.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdlib.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static void *take(struct slab *slab, size_t bytes)
{
    void *memory = calloc(1, bytes);
    assert_non_null(memory);
    mirror_add(&slab->mirror, memory, bytes);
    return memory;
}

void slab_open(struct slab *slab, int64_t count, int threads)
{
    *slab = (struct slab){.control = {.lr = 0.01f, .ema_decay = 0.9}};
    mirror_open(&slab->mirror, threads);
    mirror_add(&slab->mirror, &slab->control, sizeof slab->control);
    mirror_add(&slab->mirror, slab->segments, sizeof slab->segments);
    mirror_add(&slab->mirror, slab->followed, sizeof slab->followed);
    mirror_add(&slab->mirror, &slab->norms, sizeof slab->norms);
    mirror_add(&slab->mirror, &slab->nonfinite, sizeof slab->nonfinite);
    slab->segments[0] = (struct decay_segment){count / 3, 0.0f};
    slab->segments[1] = (struct decay_segment){count / 3 + count / 2, 0.1f};
    slab->segments[2] = (struct decay_segment){count, 0.01f};
    const int64_t second = count / 3 / SKETCH_LANES * SKETCH_LANES;
    const struct flat_tensor tensors[] = {{0, second}, {second, count - second}};
    slab->args = (struct update_args){.kind = OPTIMIZER_ADAMW,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .epsilon = 1e-8,
                                      .grad_scale = 1.0f,
                                      .count = count,
                                      .param = take(slab, (size_t)count * 4),
                                      .grad = take(slab, (size_t)count * 4),
                                      .moment1 = take(slab, (size_t)count * 4),
                                      .moment2 = take(slab, (size_t)count * 4),
                                      .ema = take(slab, (size_t)count * 4),
                                      .low = take(slab, (size_t)count * 2),
                                      .low_dtype = DT_BF16,
                                      .segments = slab->segments,
                                      .segment_count = 3,
                                      .followed = slab->followed,
                                      .followed_count = followed_rows(slab->followed, tensors, COUNT_OF(tensors)),
                                      .control = &slab->control,
                                      .norms = &slab->norms,
                                      .nonfinite = &slab->nonfinite,
                                      .sketches = take(slab, (size_t)sketches_count(count) * 4)};
    vectors_det(slab->args.param, "update.param", count, -1, 1);
    vectors_det(slab->args.grad, "update.grad", count, -2, 2);
    vectors_det(slab->args.ema, "update.ema", count, -1, 1);
}

void slab_close(struct slab *slab)
{
    mirror_close(&slab->mirror);
    free(slab->args.param);
    free(slab->args.grad);
    free(slab->args.moment1);
    free(slab->args.moment2);
    free(slab->args.ema);
    free(slab->args.low);
    free(slab->args.sketches);
}

struct update_args slab_on_device(const struct mirror *mirror, const struct update_args *host)
{
    struct update_args args = *host;
    args.param = mirror_at(mirror, args.param);
    args.grad = mirror_at(mirror, args.grad);
    args.moment1 = mirror_at(mirror, args.moment1);
    args.moment2 = mirror_at(mirror, args.moment2);
    args.ema = mirror_at(mirror, args.ema);
    args.low = mirror_at(mirror, args.low);
    args.segments = mirror_at(mirror, args.segments);
    args.control = mirror_at(mirror, args.control);
    args.norms = mirror_at(mirror, args.norms);
    args.nonfinite = mirror_at(mirror, args.nonfinite);
    args.sketches = mirror_at(mirror, args.sketches);
    args.followed = mirror_at(mirror, args.followed);
    return args;
}

static int step_work(struct mirror *mirror, const void *what)
{
    const struct update_args args = slab_on_device(mirror, what);
    TRY(mirror->backend->grad_norm(mirror->device, &args));
    return mirror->backend->update(mirror->device, &args);
}

void slab_step(struct slab *slab)
{
    mirror_run(&slab->mirror, step_work, &slab->args);
}

static int blend_work(struct mirror *mirror, const void *what)
{
    const struct update_args args = slab_on_device(mirror, what);
    return mirror->backend->blend(mirror->device, args.ema, args.param, args.count, args.control);
}

void slab_blend(struct slab *slab)
{
    mirror_run(&slab->mirror, blend_work, &slab->args);
}

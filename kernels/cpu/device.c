/* device: opens and describes the CPU as a device, hands out its memory, and lists what the backend can do. Knows
 * nothing of what operations compute. */
#include "tile.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

enum { ALIGNMENT = 256, HUGE_PAGE = 2 << 20, MODEL_BYTES = 96 };

struct chunk_sums chunk_total(const struct device *device, int chunks)
{
    struct chunk_sums total = {0};
    for (int i = 0; i < chunks; i++) {
        for (int k = 0; k < COUNT_OF(total.sum); k++)
            total.sum[k] += device->chunk[i].sum[k];
        total.nonfinite += device->chunk[i].nonfinite;
    }
    return total;
}

static void device_close(struct device *device)
{
    free(device);
}

/* From now on numbers below the smallest normal one are zeros, in this thread and those that compute for it. What Adam
 * keeps of a gradient that has become 0 would else stay among them for good (0.9 times the four smallest of them is
 * four again), and where they are, a multiplication takes a hundred times as long. Threads started later inherit it. */
static void flush_subnormals(int threads)
{
#ifdef __SSE2__
    enum { FLUSH_RESULTS = 0x8000, FLUSH_OPERANDS = 0x40 };
#pragma omp parallel num_threads(threads)
    _mm_setcsr(_mm_getcsr() | FLUSH_RESULTS | FLUSH_OPERANDS);
#else
    (void)threads;
#endif
}

static int device_open(struct device **device, int index, int threads)
{
    const struct tile_set *set;
    *device = NULL;
    TRY(tile_best_set(&set));
    if (index != 0)
        return FAIL(ERR_DEVICE, "cpu:%d: there is one CPU device; use cpu", index);
    struct device *opened = calloc(1, sizeof *opened);
    if (!opened)
        return FAIL(ERR_MEMORY, "cpu: out of memory for the device; close other programs");
    opened->set = set;
    opened->vector = tile_vector_of(set);
    opened->threads = threads > 0 ? threads : cpu_count();
    flush_subnormals(opened->threads);
    *device = opened;
    return OK;
}

/* The processor's name from /proc/cpuinfo, "CPU" if it has none. */
static void cpu_model_name(char name[static MODEL_BYTES])
{
    snprintf(name, MODEL_BYTES, "CPU");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file)
        return;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        char *text = colon + 1;
        while (isspace((unsigned char)*text))
            text++;
        text[strcspn(text, "\n")] = '\0';
        snprintf(name, MODEL_BYTES, "%.*s", MODEL_BYTES - 1, text);
        break;
    }
    fclose(file);
}

static void device_describe(const struct device *device, char *text, size_t bytes)
{
    char name[MODEL_BYTES];
    cpu_model_name(name);
    snprintf(text, bytes, "%s, %d thread%s, %s", name, device->threads, device->threads == 1 ? "" : "s",
             device->set->name);
}

/* Every CPU can keep numbers in bf16; those without the instructions multiply them in fp32, which takes longer. */
static bool device_supports(const struct device *device, enum dtype dtype, bool *in_hardware)
{
    *in_hardware = dtype == DT_F32 || (dtype == DT_BF16 && device->set->multiplies_bf16);
    return dtype == DT_F32 || dtype == DT_BF16;
}

static size_t device_available(const struct device *device)
{
    (void)device;
    return SIZE_MAX;
}

static int device_alloc(struct device *device, size_t bytes, void **memory)
{
    (void)device;
    size_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    size_t whole = bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
    *memory = whole >= bytes ? aligned_alloc(unit, whole) : NULL;
    if (!*memory)
        return FAIL(ERR_MEMORY, "cpu: cannot take %zu MiB of memory; use a smaller train.batch_size", bytes >> 20);
    /* Only a wish: large arrays are read end to end, and fewer pages make that faster. */
    if (unit == HUGE_PAGE)
        madvise(*memory, whole, MADV_HUGEPAGE);
    memset(*memory, 0, whole);
    return OK;
}

static void device_release(struct device *device, void *memory)
{
    (void)device;
    free(memory);
}

static int device_place(struct device *device, const void *host, size_t bytes, const void **memory)
{
    (void)device, (void)bytes;
    *memory = host;
    return OK;
}

static void device_unplace(struct device *device, const void *memory)
{
    (void)device, (void)memory;
}

static int device_copy(struct device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memcpy(to, from, bytes);
    return OK;
}

static int device_zero(struct device *device, void *memory, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memset(memory, 0, bytes);
    return OK;
}

/* Every call here is done when it returns. */
static int device_wait(struct device *device)
{
    (void)device;
    return OK;
}

/* Nothing is ever queued: there is nothing to wait for, and recording would gain nothing. */
static int64_t device_waits(const struct device *device)
{
    (void)device;
    return 0;
}

static int device_pace(struct device *device)
{
    (void)device;
    return OK;
}

static void device_range_begin(const char *name)
{
    (void)name;
}

static void device_range_end(void) {}

static int device_repeat(struct device *device, struct recording **recording, int (*queue)(void *context),
                         void *context)
{
    (void)device, (void)recording;
    return queue(context);
}

static void device_forget(struct device *device, struct recording *recording)
{
    (void)device, (void)recording;
}

const struct backend backend_cpu = {
    .name = "cpu",
    .synchronous = true,
    .open = device_open,
    .close = device_close,
    .describe = device_describe,
    .supports = device_supports,
    .available = device_available,
    .alloc = device_alloc,
    .release = device_release,
    .place = device_place,
    .unplace = device_unplace,
    .feed_open = cpu_feed_open,
    .feed_close = cpu_feed_close,
    .feed_send = cpu_feed_ready,
    .feed_taken = cpu_feed_ready,
    .feed_wait = cpu_feed_ready,
    .share = device_alloc,
    .unshare = device_release,
    .upload = device_copy,
    .download = device_copy,
    .zero = device_zero,
    .copy = cpu_copy,
    .wait = device_wait,
    .waits = device_waits,
    .held = device_waits,
    .pace = device_pace,
    .range_begin = device_range_begin,
    .range_end = device_range_end,
    .repeat = device_repeat,
    .forget = device_forget,
    .gather = cpu_gather,
    .loss = cpu_loss,
    .accumulate = cpu_accumulate,
    .grad_norm = cpu_grad_norm,
    .part_norm = cpu_part_norm,
    .survey = cpu_survey,
    .update = cpu_update,
    .lower = cpu_lower,
    .blend = cpu_blend,
    .swap = cpu_swap,
    .record = cpu_record,
    .count_nonfinite = cpu_count_nonfinite,
    .peak = cpu_peak,
    .ops =
        {
            [OP_CONV2D] = &cpu_conv2d,
            [OP_LINEAR] = &cpu_linear,
            [OP_NORM] = &cpu_norm,
            [OP_RELU] = &cpu_relu,
            [OP_POOL] = &cpu_pool,
            [OP_ADD] = &cpu_add,
            [OP_DROPOUT] = &cpu_dropout,
        },
};

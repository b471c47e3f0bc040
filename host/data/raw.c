/* raw: images that lie in files as they are, one record after the other (IDX, CIFAR): read into memory where they
 * fit, else by their place in the file whenever one is wanted. Knows not what a record holds besides its pixels. */
#include "file.h"
#include "formats.h"
#include "parallel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct raw *raw_begin(struct dataset *dataset, int files, int64_t skip, bool planes)
{
    struct raw *raw = arena_push(&dataset->arena, sizeof *raw);
    *raw = (struct raw){.skip = skip, .planes = planes};
    raw->files = arena_push(&dataset->arena, (size_t)files * sizeof *raw->files);
    for (int f = 0; f < files; f++)
        raw->files[f] = (struct raw_file){.descriptor = -1};
    dataset->raw = raw;
    return raw;
}

int raw_add(struct dataset *dataset, const char *path, int64_t header, int64_t first)
{
    struct raw *raw = dataset->raw;
    struct raw_file *file = &raw->files[raw->file_count];
    int descriptor;
    size_t bytes;
    TRY(file_open(path, &descriptor, &bytes));
    *file = (struct raw_file){arena_text(&dataset->arena, path), header, first, descriptor};
    raw->file_count++;
    return OK;
}

void raw_close(struct dataset *dataset)
{
    struct raw *raw = dataset->raw;
    for (int f = 0; raw && f < raw->file_count; f++)
        if (raw->files[f].descriptor >= 0)
            close(raw->files[f].descriptor);
    if (raw)
        memory_give(raw->unpacked);
    dataset->raw = NULL;
}

static int64_t record_bytes(const struct dataset *dataset)
{
    return dataset->raw->skip + shape_count(dataset->stored);
}

/* The pixels of a record as they lie there. */
static int read_stored(const struct dataset *dataset, int64_t sample, uint8_t *pixels)
{
    const struct raw *raw = dataset->raw;
    const int64_t bytes = shape_count(dataset->stored);
    if (raw->unpacked) {
        memcpy(pixels, raw->unpacked + sample * bytes, (size_t)bytes);
        return OK;
    }
    int f = raw->file_count - 1;
    while (raw->files[f].first > sample)
        f--;
    const struct raw_file *file = &raw->files[f];
    const int64_t at = file->header + (sample - file->first) * record_bytes(dataset) + raw->skip;
    for (int64_t done = 0; done < bytes;) {
        const ssize_t got = pread(file->descriptor, pixels + done, (size_t)(bytes - done), at + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return FAIL(ERR_IO, "%s: image %lld cannot be read: %s", file->path, (long long)(sample - file->first),
                        got < 0 ? strerror(errno) : "the file has become shorter");
        done += got;
    }
    return OK;
}

/* [c][h][w] to [h][w][c]. */
static void interleave(uint8_t *to, const uint8_t *planes, struct shape image)
{
    const int64_t plane = (int64_t)image.h * image.w;
    for (int64_t p = 0; p < plane; p++)
        for (int c = 0; c < image.c; c++)
            *to++ = planes[c * plane + p];
}

int raw_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels)
{
    const struct shape stored = dataset->stored, image = dataset->image;
    const bool planes = dataset->raw->planes, fits = shape_equal(stored, image);
    if (fits && !planes)
        return read_stored(dataset, sample, pixels);
    const size_t bytes = (size_t)shape_count(stored);
    uint8_t *read = malloc(2 * bytes);
    if (!read)
        return FAIL(ERR_MEMORY, "%s: out of memory for an image", dataset->source);
    uint8_t *whole = planes ? read + bytes : read;
    int status = read_stored(dataset, sample, read);
    if (status == OK && planes)
        interleave(fits ? pixels : whole, read, stored);
    if (status == OK && !fits)
        status = image_fit(whole, stored.h, stored.w, stored.c, image.h, image.h, image.w, pixels);
    free(read);
    return status;
}

/* ---- all of them, once ---- */

static int read_one(void *context, int64_t sample)
{
    const struct dataset *dataset = context;
    const size_t bytes = (size_t)shape_count(dataset->image);
    if (dataset->pixels)
        return raw_image(dataset, sample, (uint8_t *)dataset->owned + (size_t)sample * bytes);
    uint8_t *pixels = malloc(bytes);
    if (!pixels)
        return FAIL(ERR_MEMORY, "%s: out of memory for an image", dataset->source);
    const int status = raw_image(dataset, sample, pixels);
    if (status == OK)
        image_sums_take(&dataset->sums[sample], pixels, dataset->image);
    free(pixels);
    return status;
}

int raw_load(struct dataset *dataset, const struct dataset_options *options)
{
    struct raw *raw = dataset->raw;
    const double needed = (double)dataset->count * (double)shape_count(dataset->image);
    const bool held = options->memory == 0 || needed <= (double)options->memory;
    if (raw->unpacked && !raw->planes && shape_equal(dataset->stored, dataset->image)) {
        dataset->pixels = dataset->owned = raw->unpacked;
        raw->unpacked = NULL;
        raw_close(dataset);
        return OK;
    }
    uint8_t *pixels;
    if (held)
        TRY(dataset_take(dataset, dataset->count, &pixels));
    else
        TRY(arena_take(&dataset->arena, &dataset->sums, (size_t)dataset->count * sizeof *dataset->sums,
                       dataset->source));
    TRY(parallel_for(dataset->count, options->threads, read_one, dataset));
    if (held)
        raw_close(dataset);
    return OK;
}

/* encoded: data sets of PNG and JPEG files, wherever those lie: their size, decoding all of them once at the beginning,
 * and one at a time later where the pixels are not held. Knows not how they were found. */
#include "file.h"
#include "formats.h"
#include "parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REASON_BYTES = 2048 };

static int sample_name(char name[static PATH_BYTES], const struct dataset *dataset, int64_t sample)
{
    const char *file = dataset->files[sample];
    return path_join(name, file[0] == '/' ? "" : dataset->encoded.root, file);
}

/* A stretch of a file; cut off meanwhile, it is an error. */
static int read_place(const char *name, const struct place *place, void **bytes)
{
    int status = memory_take(bytes, (size_t)place->bytes, name);
    const int descriptor = open(place->archive, O_RDONLY | O_CLOEXEC);
    int64_t done = 0;
    while (status == OK && descriptor >= 0 && done < place->bytes) {
        const ssize_t got =
            pread(descriptor, (char *)*bytes + done, (size_t)(place->bytes - done), place->offset + done);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            break;
        done += got > 0 ? got : 0;
    }
    if (status == OK && done < place->bytes)
        status = FAIL(ERR_IO, "%s: cannot be read from %s: %s", name, place->archive,
                      descriptor < 0 ? strerror(errno) : "the file ends too early");
    if (descriptor >= 0)
        close(descriptor);
    if (status != OK) {
        memory_give(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* The encoded bytes, given back with memory_give. */
static int fetch(const struct dataset *dataset, int64_t sample, const char *name, void **bytes, size_t *count)
{
    const struct place *place = dataset->encoded.places ? &dataset->encoded.places[sample] : NULL;
    if (!place)
        return file_read(name, IMAGE_BYTES_MAX, bytes, count);
    *count = (size_t)place->bytes;
    return read_place(name, place, bytes);
}

/* turned: what dataset.turned is to have; NULL: it is not asked. */
static int decode_file(const struct dataset *dataset, int64_t sample, uint8_t **pixels, int *height, int *width,
                       bool *turned)
{
    char name[PATH_BYTES];
    void *bytes;
    size_t count;
    TRY(sample_name(name, dataset, sample));
    TRY(fetch(dataset, sample, name, &bytes, &count));
    if (turned)
        *turned = jpeg_is_turned(bytes, count);
    int status = image_decode(name, bytes, count, pixels, height, width);
    memory_give(bytes);
    return status;
}

/* A sample as its file has it: RGB, given back with memory_give. A failure names the line of the list too. */
static int decode(const struct dataset *dataset, int64_t sample, uint8_t **pixels, int *height, int *width,
                  bool *turned)
{
    char reason[REASON_BYTES];
    *pixels = NULL;
    const int status = decode_file(dataset, sample, pixels, height, width, turned);
    if (status == OK || !dataset->encoded.where)
        return status;
    snprintf(reason, sizeof reason, "%s", fail_text());
    return FAIL(status, "%s: %s", dataset->encoded.where[sample], reason);
}

static int take_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels, bool *turned)
{
    const struct shape image = dataset->image;
    uint8_t *decoded;
    int height, width, status = OK;
    TRY(decode(dataset, sample, &decoded, &height, &width, turned));
    if (dataset->encoded.resize)
        status = image_fit(decoded, height, width, 3, dataset->encoded.resize, image.h, image.w, pixels);
    else if (height == image.h && width == image.w)
        memcpy(pixels, decoded, (size_t)shape_count(image));
    else
        status =
            FAIL(ERR_CONFIG,
                 "%s: images differ in size: %s is %dx%d but %s is %dx%d (width x height); set data.resize=N to "
                 "bring all to NxN",
                 dataset->source, dataset->encoded.measured, image.w, image.h, dataset->files[sample], width, height);
    memory_give(decoded);
    return status;
}

int encoded_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels)
{
    return take_image(dataset, sample, pixels, NULL);
}

/* ---- all of them, once ---- */

struct decoding {
    const struct dataset *dataset;
    uint8_t *pixels; /* NULL: they are not kept */
    char **reasons;  /* [count] why a sample cannot be used; NULL: it can */
    int *statuses;
};

static int decode_one(void *context, int64_t i)
{
    const struct decoding *decoding = context;
    const struct dataset *dataset = decoding->dataset;
    const size_t bytes = (size_t)shape_count(dataset->image);
    uint8_t *own = decoding->pixels ? NULL : malloc(bytes);
    uint8_t *pixels = decoding->pixels ? decoding->pixels + (size_t)i * bytes : own;
    if (!pixels)
        return FAIL(ERR_MEMORY, "%s: out of memory for decoding", dataset->source);
    int status = take_image(dataset, i, pixels, &dataset->turned[i]);
    if (status == OK)
        image_sums_take(&dataset->sums[i], pixels, dataset->image);
    free(own);
    /* Of another size: the setting is wrong, not the file. */
    if (status == OK || status == ERR_CONFIG || status == ERR_MEMORY)
        return status;
    decoding->statuses[i] = status;
    decoding->reasons[i] = strdup(fail_text());
    return decoding->reasons[i] ? OK : FAIL(ERR_MEMORY, "%s: out of memory for a list of problems", dataset->source);
}

void encoded_find_size(struct dataset *dataset, const struct dataset_options *options)
{
    const int resize = dataset->encoded.resize = options->resize;
    dataset->image = (struct shape){1, resize, resize, 3};
    for (int64_t i = 0; !resize && i < dataset->count; i++) {
        uint8_t *pixels;
        const int status = decode(dataset, i, &pixels, &dataset->image.h, &dataset->image.w, NULL);
        memory_give(pixels);
        dataset->encoded.measured = dataset->files[i];
        if (status == OK)
            return;
        dataset->image.h = dataset->image.w = 0;
    }
}

void encoded_keep(struct dataset *dataset, const bool *keep)
{
    const size_t bytes = (size_t)shape_count(dataset->image);
    uint8_t *pixels = dataset->owned;
    int64_t kept = 0;
    for (int64_t i = 0; i < dataset->count; i++) {
        if (!keep[i])
            continue;
        dataset->labels[kept] = dataset->labels[i];
        dataset->files[kept] = dataset->files[i];
        if (dataset->encoded.places)
            dataset->encoded.places[kept] = dataset->encoded.places[i];
        if (dataset->encoded.where)
            dataset->encoded.where[kept] = dataset->encoded.where[i];
        if (dataset->sums)
            dataset->sums[kept] = dataset->sums[i];
        if (dataset->turned)
            dataset->turned[kept] = dataset->turned[i];
        if (pixels && kept != i)
            memmove(pixels + (size_t)kept * bytes, pixels + (size_t)i * bytes, bytes);
        kept++;
    }
    dataset->count = kept;
}

static int decode_all(struct dataset *dataset, const struct dataset_options *options, struct decoding *decoding,
                      struct problems *problems)
{
    TRY(parallel_for(dataset->count, options->threads, decode_one, decoding));
    bool *keep;
    TRY(arena_take(&dataset->arena, &keep, (size_t)dataset->count * sizeof *keep, dataset->source));
    for (int64_t i = 0; i < dataset->count; i++) {
        keep[i] = !decoding->reasons[i];
        if (!keep[i])
            problems_add(problems, decoding->statuses[i], decoding->reasons[i]);
    }
    encoded_keep(dataset, keep);
    return OK;
}

int encoded_load(struct dataset *dataset, const struct dataset_options *options, struct problems *problems)
{
    const int64_t count = dataset->count;
    /* None can be decoded: any size will do, each is named as a problem. */
    if (dataset->image.h == 0)
        dataset->image.h = dataset->image.w = 1;
    struct decoding decoding = {.dataset = dataset};
    const double needed = (double)count * (double)shape_count(dataset->image);
    if (options->memory == 0 || needed <= (double)options->memory)
        TRY(dataset_take(dataset, count, &decoding.pixels));
    TRY(arena_take(&dataset->arena, &dataset->sums, (size_t)count * sizeof *dataset->sums, dataset->source));
    TRY(arena_take(&dataset->arena, &dataset->turned, (size_t)count * sizeof *dataset->turned, dataset->source));
    decoding.reasons = calloc((size_t)count + 1, sizeof *decoding.reasons);
    decoding.statuses = calloc((size_t)count + 1, sizeof *decoding.statuses);
    int status = decoding.reasons && decoding.statuses
                     ? decode_all(dataset, options, &decoding, problems)
                     : FAIL(ERR_MEMORY, "%s: out of memory for a list of problems", dataset->source);
    for (int64_t i = 0; decoding.reasons && i < count; i++)
        free(decoding.reasons[i]);
    free(decoding.reasons);
    free(decoding.statuses);
    return status;
}

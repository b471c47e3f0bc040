/* dataset: opens whatever a path names, finds out which format it is, brings all images to one size. Knows the formats
 * only through their table. */
#include "pack.h"
#include "parallel.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Said before the kernel's killer says it: all images are held in memory. */
static int check_memory(const struct dataset *dataset, int64_t count)
{
    double needed = (double)count * (double)shape_count(dataset->image);
    double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    char image[48];
    if (needed < there)
        return OK;
    return FAIL(ERR_MEMORY,
                "%s: %lld images of %s bytes need %.1f GiB of memory, this machine has %.1f; use a smaller "
                "data.resize or fewer images",
                dataset->source, (long long)count, shape_text(image, dataset->image), needed / 0x1p30, there / 0x1p30);
}

int dataset_take(struct dataset *dataset, int64_t count, uint8_t **pixels)
{
    if (count > INT32_MAX)
        return FAIL(ERR_DATA, "%s: holds %lld images; at most %d can be used", dataset->source, (long long)count,
                    INT32_MAX);
    TRY(check_memory(dataset, count));
    dataset->count = count;
    TRY(memory_take(pixels, (size_t)count * (size_t)shape_count(dataset->image), dataset->source));
    dataset->owned = *pixels;
    dataset->pixels = *pixels;
    dataset->held = count * shape_count(dataset->image);
    if (dataset->labels)
        return OK;
    return memory_take(&dataset->labels, (size_t)count * sizeof *dataset->labels, dataset->source);
}

void dataset_number_classes(struct dataset *dataset, int count)
{
    dataset->class_count = count;
    dataset->class_names = arena_push(&dataset->arena, (size_t)count * sizeof *dataset->class_names);
    for (int i = 0; i < count; i++)
        dataset->class_names[i] = arena_format(&dataset->arena, "%d", i);
}

/* In the order they are asked; the last takes any folder. */
static const struct format formats[] = {
    {pack_recognise, pack_load}, {idx_recognise, idx_load},   {cifar_recognise, cifar_load},
    {tar_recognise, tar_load},   {list_recognise, list_load}, {folder_recognise, folder_load},
};

static int load(struct dataset *dataset, const char *path, const struct listing *listing,
                const struct dataset_options *options, struct problems *problems)
{
    for (int i = 0; i < COUNT_OF(formats); i++)
        if (formats[i].recognise(path, listing))
            return formats[i].load(dataset, path, listing, options, problems);
    char here[PATH_BYTES];
    if (!file_exists(path) && *path != '/' && getcwd(here, sizeof here))
        return FAIL(ERR_NO_INPUT, "%s: no such file or folder in %s; data.train and data.val name the images", path,
                    here);
    if (!file_exists(path))
        return FAIL(ERR_NO_INPUT, "%s: no such file or folder; data.train and data.val name the images", path);
    return FAIL(
        ERR_DATA,
        "%s: is a file of no known kind; expected a folder of class folders, a folder of IDX or CIFAR files, a list of "
        "paths and labels (.txt, .csv, .tsv) or tar shards",
        path);
}

/* A class that lost all its images would be in no figure. */
static int check_classes(const struct dataset *dataset)
{
    if (dataset->count == 0 && dataset->skipped_count)
        return FAIL(ERR_DATA, "%s: no image is left: %lld cannot be used; the first: %s", dataset->source,
                    (long long)dataset->skipped_count, dataset->skipped[0]);
    if (dataset->count == 0)
        return FAIL(ERR_DATA, "%s: holds no image", dataset->source);
    for (int class = 0; class < dataset->class_count && dataset->skipped_count; class ++) {
        int64_t i = 0;
        while (i < dataset->count && dataset->labels[i] != class)
            i++;
        if (i == dataset->count)
            return FAIL(ERR_DATA,
                        "%s: no image of class '%s' is left: %lld cannot be used; mend them or remove the class; the "
                        "first: %s",
                        dataset->source, dataset->class_names[class], (long long)dataset->skipped_count,
                        dataset->skipped[0]);
    }
    return OK;
}

static int find_any(struct dataset *dataset, const char *path, const struct dataset_options *options)
{
    struct listing listing;
    bool folder = folder_exists(path);
    dataset->problems = arena_push(&dataset->arena, sizeof *dataset->problems);
    dataset->problems->arena = &dataset->arena;
    if (folder)
        TRY(listing_read(&listing, &dataset->arena, path));
    TRY(load(dataset, path, folder ? &listing : NULL, options, dataset->problems));
    if (dataset->encoded.root)
        encoded_find_size(dataset, options);
    dataset->stored = dataset->image;
    if (options->resize)
        dataset->image.h = dataset->image.w = options->resize;
    return OK;
}

static int read_all(struct dataset *dataset, const struct dataset_options *options)
{
    if (dataset->encoded.root)
        TRY(encoded_load(dataset, options, dataset->problems));
    else if (dataset->pack)
        TRY(pack_hold(dataset, options));
    else
        TRY(raw_load(dataset, options));
    TRY(problems_settle(dataset->problems, dataset, options->skip));
    return check_classes(dataset);
}

int dataset_find(struct dataset *dataset, const char *path, const struct dataset_options *options)
{
    *dataset = (struct dataset){0};
    char packed[PATH_BYTES];
    bool found;
    int status = cache_find(packed, path, options, &found);
    dataset->source = arena_text(&dataset->arena, path);
    if (status == OK)
        status = find_any(dataset, found ? packed : path, options);
    if (status != OK)
        dataset_close(dataset);
    return status;
}

bool dataset_has_problems(const struct dataset *dataset)
{
    return dataset->problems && dataset->problems->count > 0;
}

int dataset_read(struct dataset *dataset, const struct dataset_options *options)
{
    int status = read_all(dataset, options);
    if (status != OK)
        dataset_close(dataset);
    return status;
}

int dataset_open(struct dataset *dataset, const char *path, const struct dataset_options *options)
{
    TRY(dataset_find(dataset, path, options));
    return dataset_read(dataset, options);
}

int dataset_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels)
{
    const size_t bytes = (size_t)shape_count(dataset->image);
    assert(sample >= 0 && sample < dataset->count);
    if (dataset->pixels)
        memcpy(pixels, dataset->pixels + (size_t)sample * bytes, bytes);
    else if (dataset->pack)
        return pack_image(dataset, sample, pixels);
    else if (dataset->raw)
        return raw_image(dataset, sample, pixels);
    else
        return encoded_image(dataset, sample, pixels);
    return OK;
}

void dataset_close(struct dataset *dataset)
{
    raw_close(dataset);
    memory_give(dataset->owned);
    memory_give(dataset->labels);
    if (dataset->mapping)
        munmap(dataset->mapping, dataset->mapping_bytes);
    arena_free(&dataset->arena);
    *dataset = (struct dataset){0};
}

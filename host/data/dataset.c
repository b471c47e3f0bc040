/* dataset: opens whatever a folder holds, finds out which format it is, brings all images to one size; single images
 * for prediction; whether two data sets have the same classes. Knows the formats only through formats.h. */
#include "file.h"
#include "formats.h"
#include "log.h"
#include "parallel.h"

#include <assert.h>
#include <math.h>
#include <string.h>
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

int dataset_take(struct dataset *dataset, int64_t count)
{
    void *memory;
    if (count > INT32_MAX)
        return FAIL(ERR_DATA, "%s: holds %lld images; at most %d can be used", dataset->source, (long long)count,
                    INT32_MAX);
    TRY(check_memory(dataset, count));
    dataset->count = count;
    TRY(memory_take(&memory, (size_t)count * (size_t)shape_count(dataset->image), dataset->source));
    dataset->pixels = memory;
    TRY(memory_take(&memory, (size_t)count * sizeof *dataset->labels, dataset->source));
    dataset->labels = memory;
    return OK;
}

void dataset_number_classes(struct dataset *dataset, int count)
{
    dataset->class_count = count;
    dataset->class_names = arena_push(&dataset->arena, (size_t)count * sizeof *dataset->class_names);
    for (int i = 0; i < count; i++)
        dataset->class_names[i] = arena_format(&dataset->arena, "%d", i);
}

struct fitting {
    const struct dataset *from;
    uint8_t *to;
    int size;
};

static int fit_one(void *context, int64_t i)
{
    const struct fitting *fitting = context;
    struct shape image = fitting->from->image;
    const uint8_t *from = fitting->from->pixels + (size_t)i * (size_t)shape_count(image);
    uint8_t *to = fitting->to + (size_t)i * (size_t)fitting->size * (size_t)fitting->size * (size_t)image.c;
    return image_fit(from, image.h, image.w, image.c, fitting->size, fitting->size, fitting->size, to);
}

/* For the formats whose images all have one size in the file. */
static int fit_all(struct dataset *dataset, const struct dataset_options *options)
{
    int size = options->resize;
    struct shape image = {1, size, size, dataset->image.c};
    if (size == 0 || shape_equal(dataset->image, image))
        return OK;
    void *memory;
    TRY(memory_take(&memory, (size_t)dataset->count * (size_t)shape_count(image), dataset->source));
    struct fitting fitting = {dataset, memory, size};
    int status = parallel_for(dataset->count, options->threads, fit_one, &fitting);
    if (status != OK) {
        memory_give(memory);
        return status;
    }
    memory_give(dataset->pixels);
    dataset->pixels = memory;
    dataset->image = image;
    return OK;
}

static int open_any(struct dataset *dataset, const char *path, const struct dataset_options *options)
{
    struct listing listing;
    if (!file_exists(path))
        return FAIL(ERR_NO_INPUT, "%s: no such folder; data.train and data.val name a folder of images", path);
    if (!folder_exists(path))
        return FAIL(ERR_DATA, "%s: is a file; expected a folder with class folders, IDX or CIFAR files", path);
    TRY(listing_read(&listing, &dataset->arena, path));
    bool found;
    TRY(idx_recognise(path, &listing, &found));
    if (found) {
        TRY(idx_load(dataset, path, &listing, options->train_part));
        return fit_all(dataset, options);
    }
    TRY(cifar_recognise(path, &listing, &found));
    if (found) {
        TRY(cifar_load(dataset, path, &listing, options->train_part));
        return fit_all(dataset, options);
    }
    return folder_load(dataset, path, options);
}

int dataset_open(struct dataset *dataset, const char *path, const struct dataset_options *options)
{
    *dataset = (struct dataset){0};
    dataset->source = arena_text(&dataset->arena, path);
    int status = open_any(dataset, path, options);
    if (status != OK)
        dataset_close(dataset);
    return status;
}

void dataset_close(struct dataset *dataset)
{
    memory_give(dataset->pixels);
    memory_give(dataset->labels);
    arena_free(&dataset->arena);
    *dataset = (struct dataset){0};
}

/* As PIL's convert("L"), in place: [count] RGB to [count] grey. */
static void to_grey(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *rgb = pixels + 3 * i;
        pixels[i] = (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
    }
}

/* The short side after resizing so that the image covers the wanted one. */
static int covering_size(int height, int width, struct shape image, int resize)
{
    if (resize > 0 && resize >= image.h && resize >= image.w)
        return resize;
    double scale = fmax((double)image.h / height, (double)image.w / width);
    int size = (int)ceil(scale * (height < width ? height : width));
    int64_t other = (int64_t)size * (height < width ? width : height) / (height < width ? height : width);
    int wanted = height < width ? image.w : image.h;
    return other < wanted ? size + 1 : size;
}

int image_load(const char *path, struct shape image, int resize, uint8_t **pixels)
{
    uint8_t *read;
    int height, width;
    assert(image.c == 1 || image.c == 3);
    *pixels = NULL;
    TRY(png_read(path, &read, &height, &width));
    if (image.c == 1)
        to_grey(read, (size_t)height * (size_t)width);
    *pixels = read;
    if (height == image.h && width == image.w)
        return OK;
    void *fitted = NULL;
    int status = memory_take(&fitted, (size_t)image.h * (size_t)image.w * (size_t)image.c, path);
    if (status == OK)
        status = image_fit(read, height, width, image.c, covering_size(height, width, image, resize), image.h, image.w,
                           fitted);
    memory_give(read);
    *pixels = status == OK ? fitted : NULL;
    if (status != OK)
        memory_give(fitted);
    return status;
}

/* Numbers in place of names cannot shift when a class is absent. */
static bool has_numbered_classes(const struct dataset *dataset)
{
    return strcmp(dataset->format, "folder") != 0;
}

static int find_class(const struct dataset *dataset, const char *name)
{
    for (int i = 0; i < dataset->class_count; i++)
        if (strcmp(dataset->class_names[i], name) == 0)
            return i;
    return -1;
}

void dataset_adopt_classes(struct dataset *dataset, const struct dataset *train)
{
    if (has_numbered_classes(dataset) || dataset->class_count >= train->class_count)
        return;
    int *number = arena_push(&dataset->arena, (size_t)dataset->class_count * sizeof *number);
    for (int i = 0; i < dataset->class_count; i++)
        if ((number[i] = find_class(train, dataset->class_names[i])) < 0)
            return;
    int absent = 0;
    while (find_class(dataset, train->class_names[absent]) >= 0)
        absent++;
    log_warn("%s has no images of class '%s'%s, which are in no figure measured on it", dataset->source,
             train->class_names[absent], train->class_count - dataset->class_count > 1 ? " and others" : "");
    for (int64_t i = 0; i < dataset->count; i++)
        dataset->labels[i] = number[dataset->labels[i]];
    dataset->class_count = train->class_count;
    dataset->class_names = arena_push(&dataset->arena, (size_t)train->class_count * sizeof *dataset->class_names);
    for (int i = 0; i < train->class_count; i++)
        dataset->class_names[i] = arena_text(&dataset->arena, train->class_names[i]);
}

int dataset_match(const struct dataset *train, const struct dataset *val)
{
    bool shorter_is_fine = has_numbered_classes(train) && has_numbered_classes(val);
    int common = train->class_count < val->class_count ? train->class_count : val->class_count;
    for (int i = 0; i < common; i++)
        if (strcmp(train->class_names[i], val->class_names[i]) != 0)
            return FAIL(ERR_DATA, "%s and %s have different classes: class %d is '%s' in the first, '%s' in the second",
                        train->source, val->source, i, train->class_names[i], val->class_names[i]);
    if (val->class_count > common)
        return FAIL(ERR_DATA, "%s has a class '%s' that %s has not; move its folder away", val->source,
                    val->class_names[common], train->source);
    if (train->class_count > common && !shorter_is_fine)
        return FAIL(ERR_DATA, "%s has no class '%s', which %s has; add its folder", val->source,
                    train->class_names[common], train->source);
    return OK;
}

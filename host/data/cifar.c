/* cifar: the binary version of CIFAR-10 and CIFAR-100: records of one label (or a coarse and a fine one) and 3072
 * bytes, red, green and blue plane of 32x32. The two are told apart by record size and label range. Knows nothing of
 * other formats. */
#include "file.h"
#include "formats.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PICTURE = 3 * PLANE };
static const size_t file_bytes_max = (size_t)1 << 31;

struct cifar_kind {
    const char *format, *title, *names_file;
    int label_bytes, class_count;
    uint8_t limit[2]; /* of each label byte */
};
static const struct cifar_kind kinds[] = {
    {"cifar10", "CIFAR-10", "batches.meta.txt", 1, 10, {10, 0}},
    {"cifar100", "CIFAR-100", "fine_label_names.txt", 2, 100, {20, 100}},
};

static size_t record_bytes(const struct cifar_kind *kind)
{
    return (size_t)kind->label_bytes + PICTURE;
}

static bool labels_fit(const struct cifar_kind *kind, const uint8_t *record)
{
    for (int i = 0; i < kind->label_bytes; i++)
        if (record[i] >= kind->limit[i])
            return false;
    return true;
}

static bool is_named_like_cifar(const char *name)
{
    return strncmp(name, "data_batch", 10) == 0 || strcmp(name, "test_batch.bin") == 0 ||
           strcmp(name, "train.bin") == 0 || strcmp(name, "test.bin") == 0;
}

/* A cheap look; loading checks every record. The ending is asked for because other files have such sizes by chance
 * (a .DS_Store of 6148 bytes is two CIFAR-100 records long and starts with zeros). */
static bool is_cifar(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct stat info;
    if (name[0] == '.' || !name_ends_with(name, ".bin") || path_join(path, folder, name) != OK ||
        stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    if (is_named_like_cifar(name))
        return true;
    FILE *file = fopen(path, "rb");
    uint8_t start[2] = {0};
    bool found = false, read = file && fread(start, 1, sizeof start, file) == sizeof start;
    for (int k = 0; read && k < COUNT_OF(kinds); k++)
        found |= (size_t)info.st_size % record_bytes(&kinds[k]) == 0 && labels_fit(&kinds[k], start);
    if (file)
        fclose(file);
    return found;
}

bool cifar_recognise(const char *path, const struct listing *listing)
{
    for (int i = 0; listing && i < listing->count; i++)
        if (is_cifar(path, listing->names[i]))
            return true;
    return false;
}

/* Record number of the first label out of range, or -1. */
static int64_t first_misfit(const struct cifar_kind *kind, const uint8_t *bytes, size_t count)
{
    size_t record = record_bytes(kind);
    for (size_t i = 0; i < count / record; i++)
        if (!labels_fit(kind, bytes + i * record))
            return (int64_t)i;
    return -1;
}

static int find_kind(const char *path, const uint8_t *bytes, size_t count, const struct cifar_kind **kind)
{
    *kind = NULL;
    if (count == 0)
        return FAIL(ERR_DATA, "%s: the file is empty (0 bytes); fetch it again", path);
    const struct cifar_kind *fits = NULL;
    for (int k = 0; k < COUNT_OF(kinds); k++) {
        if (count % record_bytes(&kinds[k]) != 0)
            continue;
        fits = &kinds[k];
        if (first_misfit(fits, bytes, count) < 0) {
            *kind = fits;
            return OK;
        }
    }
    if (!fits)
        return FAIL(ERR_DATA,
                    "%s: %zu bytes are no whole number of CIFAR records (3073 bytes each in CIFAR-10, 3074 in "
                    "CIFAR-100); cut off? fetch it again",
                    path, count);
    return FAIL(ERR_DATA, "%s: record %lld has a label that %s does not have; fetch it again", path,
                (long long)first_misfit(fits, bytes, count), fits->title);
}

/* One file read whole, to be appended. */
struct batch {
    char path[PATH_BYTES];
    uint8_t *bytes;
    size_t count;
};

static void copy_records(struct dataset *dataset, const struct batch *batch, const struct cifar_kind *kind,
                         uint8_t *pixels, int64_t *next)
{
    for (size_t at = 0; at < batch->count; at += record_bytes(kind)) {
        const uint8_t *from = batch->bytes + at;
        dataset->labels[*next] = from[kind->label_bytes - 1];
        from += kind->label_bytes;
        uint8_t *to = pixels + (size_t)*next * PICTURE;
        for (int p = 0; p < PLANE; p++)
            for (int c = 0; c < 3; c++)
                *to++ = from[c * PLANE + p];
        ++*next;
    }
}

static int read_batches(struct batch *batches, int count, const struct cifar_kind **kind, int64_t *records)
{
    *records = 0;
    for (int b = 0; b < count; b++) {
        void *bytes;
        const struct cifar_kind *found;
        TRY(file_read(batches[b].path, file_bytes_max, &bytes, &batches[b].count));
        batches[b].bytes = bytes;
        TRY(find_kind(batches[b].path, bytes, batches[b].count, &found));
        if (b > 0 && found != *kind)
            return FAIL(ERR_DATA, "%s holds %s but %s holds %s; keep them in folders of their own", batches[0].path,
                        (*kind)->title, batches[b].path, found->title);
        *kind = found;
        *records += (int64_t)(batches[b].count / record_bytes(found));
    }
    return OK;
}

/* Class names, one a line, where the file is there; else numbers. */
static int load_names(struct dataset *dataset, const char *folder, const struct cifar_kind *kind)
{
    char path[PATH_BYTES];
    TRY(path_join(path, folder, kind->names_file));
    dataset_number_classes(dataset, kind->class_count);
    if (!file_exists(path))
        return OK;
    void *text;
    size_t bytes;
    TRY(file_read(path, 1 << 16, &text, &bytes));
    int found = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest), found++)
        if (found < kind->class_count)
            dataset->class_names[found] = arena_text(&dataset->arena, line);
    memory_give(text);
    if (found != kind->class_count)
        return FAIL(ERR_DATA, "%s: holds %d names; %s has %d classes", path, found, kind->title, kind->class_count);
    return OK;
}

static int load_batches(struct dataset *dataset, const char *path, struct batch *batches, int count)
{
    const struct cifar_kind *kind = NULL;
    int64_t records, next = 0;
    TRY(read_batches(batches, count, &kind, &records));
    dataset->format = kind->format;
    dataset->image = (struct shape){1, SIDE, SIDE, 3};
    uint8_t *pixels;
    TRY(dataset_take(dataset, records, &pixels));
    for (int b = 0; b < count; b++)
        copy_records(dataset, &batches[b], kind, pixels, &next);
    return load_names(dataset, path, kind);
}

int cifar_load(struct dataset *dataset, const char *path, const struct listing *listing,
               const struct dataset_options *options, struct problems *problems)
{
    (void)problems;
    struct batch *batches = arena_push(&dataset->arena, (size_t)listing->count * sizeof *batches);
    bool has[2] = {false, false};
    for (int i = 0; i < listing->count; i++)
        if (is_cifar(path, listing->names[i]))
            has[strstr(listing->names[i], "test") != NULL] = true;
    bool test = has[0] && has[1] ? !options->train_part : has[1];
    int count = 0;
    for (int i = 0; i < listing->count; i++) {
        const char *name = listing->names[i];
        if (is_cifar(path, name) && (strstr(name, "test") != NULL) == test)
            TRY(path_join(batches[count++].path, path, name));
    }
    int status = load_batches(dataset, path, batches, count);
    for (int b = 0; b < count; b++)
        memory_give(batches[b].bytes);
    return status;
}

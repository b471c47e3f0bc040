/* cifar: the binary version of CIFAR-10 and CIFAR-100: records of one label (or a coarse and a fine one) and 3072
 * bytes, red, green and blue plane of 32x32. The two are told apart by record size and label range. Knows nothing of
 * other formats. */
#include "file.h"
#include "formats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PICTURE = 3 * PLANE };

struct cifar_kind {
    const char *format, *title, *names_file;
    int label_bytes, class_count;
    uint8_t limit[2]; /* of each label byte */
};
static const struct cifar_kind kinds[] = {
    {"cifar10", "CIFAR-10", "batches.meta.txt", 1, 10, {10, 0}},
    {"cifar100", "CIFAR-100", "fine_label_names.txt", 2, 100, {20, 100}},
};

static int64_t record_bytes(const struct cifar_kind *kind)
{
    return kind->label_bytes + PICTURE;
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
        found |= info.st_size % record_bytes(&kinds[k]) == 0 && labels_fit(&kinds[k], start);
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

/* One file, to be appended. */
struct batch {
    char path[PATH_BYTES];
    int64_t bytes;
};

/* The label bytes of each record. misfit: the first record that has one out of range, or -1. */
static int scan_labels(const struct batch *batch, const struct cifar_kind *kind, uint8_t *labels, int64_t *misfit)
{
    const size_t count = (size_t)kind->label_bytes;
    const int descriptor = open(batch->path, O_RDONLY | O_CLOEXEC);
    int status = descriptor < 0 ? FAIL(ERR_NO_INPUT, "%s: cannot open: %s", batch->path, strerror(errno)) : OK;
    *misfit = -1;
    for (int64_t i = 0, at = 0; status == OK && at < batch->bytes; i++, at += record_bytes(kind), labels += count) {
        if (pread(descriptor, labels, count, at) != (ssize_t)count)
            status = FAIL(ERR_IO, "%s: record %lld cannot be read", batch->path, (long long)i);
        else if (*misfit < 0 && !labels_fit(kind, labels))
            *misfit = i;
    }
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

/* labels: room for two bytes a record. */
static int find_kind(const struct batch *batch, uint8_t *labels, const struct cifar_kind **kind)
{
    *kind = NULL;
    if (batch->bytes == 0)
        return FAIL(ERR_DATA, "%s: the file is empty (0 bytes); fetch it again", batch->path);
    const struct cifar_kind *fits = NULL;
    int64_t misfit = -1;
    for (int k = 0; k < COUNT_OF(kinds) && !*kind; k++) {
        if (batch->bytes % record_bytes(&kinds[k]) != 0)
            continue;
        fits = &kinds[k];
        TRY(scan_labels(batch, fits, labels, &misfit));
        *kind = misfit < 0 ? fits : NULL;
    }
    if (!fits)
        return FAIL(ERR_DATA,
                    "%s: %lld bytes are no whole number of CIFAR records (3073 bytes each in CIFAR-10, 3074 in "
                    "CIFAR-100); cut off? fetch it again",
                    batch->path, (long long)batch->bytes);
    if (!*kind)
        return FAIL(ERR_DATA, "%s: record %lld has a label that %s does not have; fetch it again", batch->path,
                    (long long)misfit, fits->title);
    return OK;
}

/* Adds the records of a file behind those that are there. */
static int add_batch(struct dataset *dataset, const struct batch *batch, uint8_t *labels,
                     const struct cifar_kind **kind)
{
    const struct cifar_kind *found;
    const int64_t first = dataset->count;
    TRY(find_kind(batch, labels, &found));
    if (*kind && found != *kind)
        return FAIL(ERR_DATA, "%s holds %s but %s holds %s; keep them in folders of their own",
                    dataset->raw->files->path, (*kind)->title, batch->path, found->title);
    *kind = found;
    dataset->raw->skip = found->label_bytes;
    TRY(raw_add(dataset, batch->path, 0, first));
    dataset->count += batch->bytes / record_bytes(found);
    for (int64_t i = first; i < dataset->count; i++)
        dataset->labels[i] = labels[(i - first + 1) * found->label_bytes - 1];
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

static int load_batches(struct dataset *dataset, const char *path, const struct batch *batches, int count)
{
    const struct cifar_kind *kind = NULL;
    int64_t most = 0, together = 0;
    for (int b = 0; b < count; b++) {
        const int64_t records = batches[b].bytes / PICTURE;
        most = records > most ? records : most;
        together += records;
    }
    if (together > INT32_MAX)
        return FAIL(ERR_DATA, "%s: holds %lld images; at most %d can be used", path, (long long)together, INT32_MAX);
    TRY(memory_take(&dataset->labels, (size_t)(together + 1) * sizeof *dataset->labels, path));
    uint8_t *labels = arena_push(&dataset->arena, 2 * (size_t)(most + 1));
    raw_begin(dataset, count, 0, true);
    for (int b = 0; b < count; b++)
        TRY(add_batch(dataset, &batches[b], labels, &kind));
    dataset->format = kind->format;
    dataset->image = (struct shape){1, SIDE, SIDE, 3};
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
        if (!is_cifar(path, name) || (strstr(name, "test") != NULL) != test)
            continue;
        struct batch *batch = &batches[count++];
        struct stat info;
        TRY(path_join(batch->path, path, name));
        if (stat(batch->path, &info) != 0)
            return FAIL(ERR_NO_INPUT, "%s: %s", batch->path, strerror(errno));
        batch->bytes = info.st_size;
    }
    return load_batches(dataset, path, batches, count);
}

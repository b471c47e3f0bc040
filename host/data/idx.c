/* idx: the file format of MNIST and its relatives, plain or gzipped: a big-endian header, then bytes. Which file is
 * what is found out from the content; the names only pair them up (train or test). Knows nothing of class folders. */
#include "file.h"
#include "formats.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum idx_kind { IDX_IMAGES, IDX_LABELS, IDX_KINDS, IDX_NONE = IDX_KINDS };
enum { SIDE_MAX = 65500, DEFLATE_RATIO_MAX = 1040 };

static const struct {
    const char *what, *name_part;
    uint32_t magic;
    int dimensions;
} kinds[IDX_KINDS] = {
    [IDX_IMAGES] = {"images", "idx3", 0x803, 3},
    [IDX_LABELS] = {"labels", "idx1", 0x801, 1},
};

static enum idx_kind kind_of(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct stat info;
    if (name[0] == '.' || path_join(path, folder, name) != OK || stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return IDX_NONE;
    uint8_t start[4] = {0};
    gzFile file = gzopen(path, "rb");
    bool read = file && gzread(file, start, sizeof start) == (int)sizeof start;
    if (file)
        gzclose(file);
    for (int kind = 0; read && kind < IDX_KINDS; kind++)
        if (big_endian(start) == kinds[kind].magic)
            return kind;
    /* A file that calls itself IDX and is not is worth a message of its own. */
    for (int kind = 0; kind < IDX_KINDS; kind++)
        if (strstr(name, kinds[kind].name_part) && strstr(name, "ubyte"))
            return kind;
    return IDX_NONE;
}

bool idx_recognise(const char *path, const struct listing *listing)
{
    for (int i = 0; listing && i < listing->count; i++)
        if (kind_of(path, listing->names[i]) != IDX_NONE)
            return true;
    return false;
}

/* What a file's header says. */
struct idx_header {
    int64_t count, bytes; /* of what follows the header */
    int height, width;
};

static int damaged(const char *path)
{
    return FAIL(ERR_DATA, "%s: the compressed data is damaged or cut off; fetch it again", path);
}

static int read_header(gzFile file, const char *path, enum idx_kind kind, struct idx_header *header)
{
    uint8_t raw[16];
    unsigned bytes = 4 + 4 * (unsigned)kinds[kind].dimensions;
    struct stat info;
    int read = gzread(file, raw, bytes);
    if (read < 0)
        return damaged(path);
    if (read != (int)bytes)
        return FAIL(ERR_DATA, "%s: ends within the %u bytes of an IDX header; fetch it again", path, bytes);
    if (big_endian(raw) != kinds[kind].magic)
        return FAIL(ERR_DATA, "%s: is no IDX file of %s: it starts with 0x%08x, expected 0x%08x; fetch it again", path,
                    kinds[kind].what, big_endian(raw), kinds[kind].magic);
    uint32_t size[3] = {big_endian(raw + 4), 1, 1};
    if (kind == IDX_IMAGES) {
        size[1] = big_endian(raw + 8);
        size[2] = big_endian(raw + 12);
    }
    if (size[0] == 0 || size[0] > INT32_MAX || size[1] == 0 || size[1] > SIDE_MAX || size[2] == 0 || size[2] > SIDE_MAX)
        return FAIL(ERR_DATA,
                    "%s: the header says %u %s of %ux%u, which cannot be used: 1 to %d of 1 to %d a side are taken; "
                    "fetch it again",
                    path, size[0], kinds[kind].what, size[2], size[1], INT32_MAX, SIDE_MAX);
    /* At most 2^31 * 2^16 * 2^16: fits. */
    *header = (struct idx_header){size[0], (int64_t)size[0] * size[1] * size[2], (int)size[1], (int)size[2]};
    if (stat(path, &info) != 0)
        return FAIL(ERR_IO, "%s: %s", path, strerror(errno));
    int64_t most = gzdirect(file) ? info.st_size : info.st_size * DEFLATE_RATIO_MAX;
    if (header->bytes > most)
        return FAIL(ERR_DATA, "%s: the header says %u %s, %lld bytes, but the file holds fewer; fetch it again", path,
                    size[0], kinds[kind].what, (long long)header->bytes);
    return OK;
}

/* Writes all of it. */
static int put(int descriptor, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t done = write(descriptor, bytes, count);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return FAIL(ERR_CREATE, "%s", done < 0 ? strerror(errno) : "nothing could be written");
        bytes += done;
        count -= (size_t)done;
    }
    return OK;
}

/* What follows the header, to memory, else (NULL) to a descriptor. */
static int read_body(gzFile file, const char *path, const struct idx_header *header, uint8_t *to, int descriptor)
{
    enum { CHUNK = 1 << 20 };
    static _Thread_local uint8_t chunk[CHUNK];
    for (int64_t done = 0; done < header->bytes;) {
        int64_t wanted = header->bytes - done < CHUNK ? header->bytes - done : CHUNK;
        int read = gzread(file, to ? to + done : chunk, (unsigned)wanted);
        if (read < 0)
            return damaged(path);
        if (read == 0)
            return FAIL(ERR_DATA, "%s: holds %lld bytes after the header, which says %lld; fetch it again", path,
                        (long long)done, (long long)header->bytes);
        if (!to)
            TRY(put(descriptor, chunk, (size_t)read));
        done += read;
    }
    /* Reading on also makes zlib check the gzip trailer. */
    uint8_t more;
    int read = gzread(file, &more, 1), reason = Z_OK;
    gzerror(file, &reason);
    if (read > 0)
        return FAIL(ERR_DATA, "%s: holds more than the %lld bytes its header says; fetch it again", path,
                    (long long)header->bytes);
    if (read < 0 || (reason != Z_OK && reason != Z_STREAM_END))
        return damaged(path);
    return OK;
}

static int idx_open(const char *path, enum idx_kind kind, struct idx_header *header, gzFile *file)
{
    errno = 0;
    *file = gzopen(path, "rb");
    if (!*file)
        return FAIL(ERR_NO_INPUT, "%s: cannot be opened: %s", path, errno ? strerror(errno) : "out of memory");
    const int status = read_header(*file, path, kind, header);
    if (status != OK)
        gzclose(*file);
    return status;
}

/* To memory, given back with memory_give; closes the file. */
static int unpack(gzFile file, const char *path, const struct idx_header *header, uint8_t **data)
{
    int status = memory_take(data, (size_t)header->bytes, path);
    if (status == OK)
        status = read_body(file, path, header, *data, -1);
    gzclose(file);
    if (status != OK) {
        memory_give(*data);
        *data = NULL;
    }
    return status;
}

static int idx_read(const char *path, enum idx_kind kind, struct idx_header *header, uint8_t **data)
{
    gzFile file;
    *data = NULL;
    TRY(idx_open(path, kind, header, &file));
    return unpack(file, path, header, data);
}

/* The files of both parts: [test][kind]; NULL: none. */
struct idx_files {
    const char *name[2][IDX_KINDS];
};

static bool is_packed_copy(const char *name, const char *of)
{
    size_t length = strlen(of);
    return strncmp(name, of, length) == 0 && strcmp(name + length, ".gz") == 0;
}

static int find_files(struct idx_files *files, const char *path, const struct listing *listing)
{
    *files = (struct idx_files){0};
    for (int i = 0; i < listing->count; i++) {
        const char *name = listing->names[i];
        enum idx_kind kind = kind_of(path, name);
        if (kind == IDX_NONE)
            continue;
        bool test = strstr(name, "t10k") || strstr(name, "test") || strstr(name, "val");
        const char **slot = &files->name[test][kind];
        if (*slot && !is_packed_copy(name, *slot))
            return FAIL(ERR_DATA, "%s: holds two files of %s %s: %s and %s; keep one of them", path,
                        test ? "test" : "training", kinds[kind].what, *slot, name);
        if (!*slot)
            *slot = name;
    }
    return OK;
}

/* The highest label of a file. */
static int highest_label(const char *folder, const char *name, int *highest)
{
    char path[PATH_BYTES];
    struct idx_header header;
    uint8_t *labels;
    TRY(path_join(path, folder, name));
    TRY(idx_read(path, IDX_LABELS, &header, &labels));
    for (int64_t i = 0; i < header.count; i++)
        *highest = labels[i] > *highest ? labels[i] : *highest;
    memory_give(labels);
    return OK;
}

static int load_labels(struct dataset *dataset, const char *path, int64_t image_count, const char *images_path)
{
    struct idx_header header;
    uint8_t *labels;
    TRY(idx_read(path, IDX_LABELS, &header, &labels));
    int status = OK;
    if (header.count != image_count)
        status = FAIL(ERR_DATA, "%s: holds %lld labels, but %s holds %lld images; they must be the same number", path,
                      (long long)header.count, images_path, (long long)image_count);
    if (status == OK)
        status = memory_take(&dataset->labels, (size_t)image_count * sizeof *dataset->labels, path);
    if (status == OK) {
        for (int64_t i = 0; i < image_count; i++)
            dataset->labels[i] = labels[i];
    }
    memory_give(labels);
    return status;
}

/* gzip has no middle to begin at: what memory has no room for is unpacked to a file. Closes the file. */
static int unpack_to_scratch(gzFile file, const char *path, const struct idx_header *header, struct raw_file *unpacked)
{
    char folder[PATH_BYTES];
    int status = scratch_open(&unpacked->descriptor, folder);
    if (status == OK) {
        log_info("%s: %.2f GiB are more than may be held in memory; unpacked for this run in %s", path,
                 (double)header->bytes / 0x1p30, folder);
        status = read_body(file, path, header, NULL, unpacked->descriptor);
    }
    gzclose(file);
    if (status == ERR_CREATE)
        return FAIL(ERR_CREATE,
                    "%s: %lld bytes are more than may be held in memory, and unpacking them into $TMPDIR or /var/tmp "
                    "failed: %s; unpack it yourself (gunzip), or raise data.memory",
                    path, (long long)header->bytes, fail_text());
    unpacked->header = 0;
    return status;
}

/* Where the images are: in the file if it is plain, else in memory if they fit, else in a file of our own. */
static int find_images(struct dataset *dataset, const char *path, struct idx_header *header,
                       const struct dataset_options *options)
{
    enum { HEADER_BYTES = 16 };
    gzFile file;
    struct stat info;
    TRY(idx_open(path, IDX_IMAGES, header, &file));
    struct raw *raw = raw_begin(dataset, 1, 0, false);
    int status = raw_add(dataset, path, HEADER_BYTES, 0);
    if (status == OK && gzdirect(file)) {
        const int64_t there = fstat(raw->files->descriptor, &info) == 0 ? info.st_size - HEADER_BYTES : 0;
        if (there != header->bytes)
            status = FAIL(ERR_DATA, "%s: holds %lld bytes after the header, which says %lld; fetch it again", path,
                          (long long)there, (long long)header->bytes);
    } else if (status == OK) {
        close(raw->files->descriptor);
        raw->files->descriptor = -1;
        if (options->memory && header->bytes > options->memory)
            return unpack_to_scratch(file, path, header, raw->files);
        TRY(unpack(file, path, header, &raw->unpacked));
        dataset->held = header->bytes;
        return OK;
    }
    gzclose(file);
    return status;
}

int idx_load(struct dataset *dataset, const char *path, const struct listing *listing,
             const struct dataset_options *options, struct problems *problems)
{
    (void)problems;
    struct idx_files files;
    TRY(find_files(&files, path, listing));
    bool has[2];
    for (int test = 0; test < 2; test++)
        has[test] = files.name[test][IDX_IMAGES] || files.name[test][IDX_LABELS];
    const char *const *name = files.name[has[0] && has[1] ? !options->train_part : has[1]];
    for (int kind = 0; kind < IDX_KINDS; kind++)
        if (!name[kind])
            return FAIL(ERR_DATA, "%s: holds %s but not the IDX file of %s that belongs to it", path, name[1 - kind],
                        kinds[kind].what);
    char images_path[PATH_BYTES], labels_path[PATH_BYTES];
    TRY(path_join(images_path, path, name[IDX_IMAGES]));
    TRY(path_join(labels_path, path, name[IDX_LABELS]));
    struct idx_header header;
    dataset->format = "idx";
    TRY(find_images(dataset, images_path, &header, options));
    dataset->image = (struct shape){1, header.height, header.width, 1};
    dataset->count = header.count;
    TRY(load_labels(dataset, labels_path, header.count, images_path));
    /* Both parts count, so that a class absent from one part does not change the number of classes. */
    int highest = 0;
    for (int test = 0; test < 2; test++)
        if (files.name[test][IDX_LABELS])
            TRY(highest_label(path, files.name[test][IDX_LABELS], &highest));
    dataset_number_classes(dataset, highest + 1);
    labels_warn_of_gaps(dataset);
    return OK;
}

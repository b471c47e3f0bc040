/* pack: reading packed data sets: mapped, checked, refused by name where anything is not as it was written. See pack.h.
 * Pixels that are to be held are all checked at once; others where they are read. Knows nothing of sources. */
#include "pack.h"

#include "file.h"
#include "parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define ANEW "make it anew with `evenkeel pack`, or remove it"

uint32_t pack_checksum(const void *bytes, int64_t count)
{
    return (uint32_t)crc32_z(0, bytes, (size_t)count);
}

/* The first bytes of a file. false: there are fewer. */
static bool read_start(const char *path, void *start, size_t bytes)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const bool good = descriptor >= 0 && read(descriptor, start, bytes) == (ssize_t)bytes;
    if (descriptor >= 0)
        close(descriptor);
    return good;
}

bool pack_is_one(const char *path)
{
    char start[PACK_MAGIC_BYTES];
    return read_start(path, start, sizeof start) && memcmp(start, PACK_MAGIC, sizeof start) == 0;
}

bool pack_recognise(const char *path, const struct listing *listing)
{
    return !listing && (name_ends_with(path, ".pack") || pack_is_one(path));
}

static int damaged(const char *path, const char *what)
{
    return FAIL(ERR_DATA, "%s: this packed data set is damaged: %s; " ANEW, path, what);
}

static int check_header(const char *path, const struct pack_header *header, int64_t bytes)
{
    if (memcmp(header->magic, PACK_MAGIC, sizeof header->magic) != 0)
        return FAIL(ERR_DATA, "%s: is no packed data set; remove it, or set data.cache = off", path);
    if (header->byte_order != PACK_BYTE_ORDER)
        return FAIL(ERR_DATA, "%s: was packed on a machine of another byte order; " ANEW, path);
    if (header->version != PACK_VERSION)
        return FAIL(ERR_DATA, "%s: was packed by another version (its layout is %u, this program's %d); " ANEW, path,
                    header->version, PACK_VERSION);
    if (header->header_crc != pack_checksum(header, offsetof(struct pack_header, header_crc)))
        return damaged(path, "the checksum of its header is wrong");
    if (header->file_bytes != bytes)
        return FAIL(ERR_DATA, "%s: this packed data set is cut off: it has %lld bytes of %lld; " ANEW, path,
                    (long long)bytes, (long long)header->file_bytes);
    return OK;
}

int pack_fingerprint(const char *path, uint64_t *fingerprint, int64_t *skipped)
{
    struct pack_header header;
    struct stat info;
    if (stat(path, &info) != 0 || !read_start(path, &header, sizeof header))
        return FAIL(ERR_DATA, "%s: is no packed data set; remove it, or set data.cache = off", path);
    TRY(check_header(path, &header, info.st_size));
    *fingerprint = header.fingerprint;
    *skipped = header.skipped_count;
    return OK;
}

/* The header is as it was written; that what it says can be followed is checked all the same. */
static bool fits(const struct pack_header *header)
{
    const int64_t bytes = header->file_bytes;
    const bool shaped = header->h > 0 && header->w > 0 && (header->c == 1 || header->c == 3) && header->h <= 65536 &&
                        header->w <= 65536 && header->count > 0 && header->count <= INT32_MAX;
    if (!shaped || header->class_count < 1 || header->class_count > header->text_bytes || header->skipped_count < 0 ||
        header->skipped_count > header->text_bytes || (header->file_count != 0 && header->file_count != header->count))
        return false;
    const int64_t image = (int64_t)header->h * header->w * header->c;
    return image <= bytes / header->count && header->text_at == (int64_t)sizeof *header && header->text_bytes > 0 &&
           header->text_bytes < bytes && header->index_at >= header->text_at + header->text_bytes &&
           header->index_at % 8 == 0 && header->index_at < bytes &&
           header->pixels_at >= header->index_at + pack_index_bytes(header->count) &&
           header->pixels_at % PACK_PAGE == 0 && header->pixels_at + image * header->count == bytes;
}

/* The next texts, count of them. */
static const char **take_texts(struct arena *arena, const char **at, const char *end, int64_t count)
{
    const char **texts = arena_push(arena, (size_t)count * sizeof *texts);
    for (int64_t i = 0; i < count; i++) {
        const char *stop = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;
        if (!stop)
            return NULL;
        texts[i] = *at;
        *at = stop + 1;
    }
    return texts;
}

/* What was left out when it was packed is as much a problem now: it is told again, and only skip trains without it. */
static int read_texts(struct dataset *dataset, const char *path, const struct pack_header *header,
                      struct problems *problems)
{
    const char *at = (const char *)header + header->text_at, *end = at + header->text_bytes;
    if (pack_checksum(at, header->text_bytes) != header->text_crc)
        return damaged(path, "the checksum of its names is wrong");
    const char **source = take_texts(&dataset->arena, &at, end, 1);
    dataset->class_names = source ? take_texts(&dataset->arena, &at, end, header->class_count) : NULL;
    dataset->files =
        dataset->class_names && header->file_count ? take_texts(&dataset->arena, &at, end, header->count) : NULL;
    const char **skipped = dataset->class_names ? take_texts(&dataset->arena, &at, end, header->skipped_count) : NULL;
    if (!skipped || (header->file_count && !dataset->files))
        return damaged(path, "names are missing");
    dataset->class_count = header->class_count;
    for (int64_t i = 0; i < header->skipped_count; i++)
        problems_add(problems, ERR_DATA, skipped[i]);
    return OK;
}

static int read_index(struct dataset *dataset, const char *path, const struct pack_header *header, struct pack *pack)
{
    char *at = (char *)header + header->index_at;
    if (pack_checksum(at, pack_index_bytes(header->count)) != header->index_crc)
        return damaged(path, "the checksum of its index is wrong");
    dataset->sums = (struct image_sums *)at;
    const int32_t *labels = (const int32_t *)(at + (size_t)header->count * sizeof *dataset->sums);
    pack->checksums = (const uint32_t *)(labels + header->count);
    pack->pixels = (const uint8_t *)header + header->pixels_at;
    TRY(memory_take(&dataset->labels, (size_t)header->count * sizeof *labels, path));
    memcpy(dataset->labels, labels, (size_t)header->count * sizeof *labels);
    for (int64_t i = 0; i < header->count; i++)
        if (labels[i] < 0 || labels[i] >= header->class_count)
            return damaged(path, "a label is out of range");
    return OK;
}

/* ---- pixels ---- */

enum { CHECK_AT_ONCE = 256 };

static int check_image(const struct dataset *dataset, int64_t sample, const uint8_t *pixels)
{
    if (pack_checksum(pixels, shape_count(dataset->image)) == dataset->pack->checksums[sample])
        return OK;
    return FAIL(ERR_DATA, "%s: this packed data set is damaged: the checksum of image %lld%s%s is wrong; " ANEW,
                dataset->packed_in, (long long)sample, dataset->files ? ", " : "",
                dataset->files ? dataset->files[sample] : "");
}

int pack_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels)
{
    const size_t bytes = (size_t)shape_count(dataset->image);
    memcpy(pixels, dataset->pack->pixels + (size_t)sample * bytes, bytes);
    return check_image(dataset, sample, pixels);
}

static int check_some(void *context, int64_t turn)
{
    const struct dataset *dataset = context;
    const size_t bytes = (size_t)shape_count(dataset->image);
    const int64_t first = turn * CHECK_AT_ONCE, end = first + CHECK_AT_ONCE;
    for (int64_t i = first; i < end && i < dataset->count; i++)
        TRY(check_image(dataset, i, dataset->pack->pixels + (size_t)i * bytes));
    return OK;
}

static int map(struct dataset *dataset, const char *path)
{
    int descriptor;
    size_t bytes;
    TRY(file_open(path, &descriptor, &bytes));
    int status = OK;
    if (bytes < sizeof(struct pack_header))
        status = FAIL(ERR_DATA, "%s: %zu bytes are no packed data set; " ANEW, path, bytes);
    else
        dataset->mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    if (status == OK && dataset->mapping == MAP_FAILED) {
        dataset->mapping = NULL;
        status = FAIL(ERR_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    }
    if (dataset->mapping)
        dataset->mapping_bytes = bytes;
    close(descriptor);
    return status;
}

/* Between names, index and pixels. */
static int check_gaps(const char *path, const struct pack_header *header)
{
    const char *start = (const char *)header;
    const int64_t index_end = header->index_at + pack_index_bytes(header->count);
    for (int64_t at = header->text_at + header->text_bytes; at < header->pixels_at; at++) {
        if (at == header->index_at)
            at = index_end;
        if (at < header->pixels_at && start[at])
            return damaged(path, "there is something between its parts");
    }
    return OK;
}

int pack_load(struct dataset *dataset, const char *path, const struct listing *listing,
              const struct dataset_options *options, struct problems *problems)
{
    (void)listing;
    dataset->format = "pack";
    TRY(map(dataset, path));
    const struct pack_header *header = dataset->mapping;
    TRY(check_header(path, header, (int64_t)dataset->mapping_bytes));
    if (!fits(header))
        return damaged(path, "its header contradicts itself");
    dataset->image = (struct shape){1, header->h, header->w, header->c};
    dataset->count = header->count;
    struct pack *pack = arena_push(&dataset->arena, sizeof *pack);
    dataset->pack = pack;
    dataset->packed_in = arena_text(&dataset->arena, path);
    TRY(read_texts(dataset, path, header, problems));
    TRY(read_index(dataset, path, header, pack));
    TRY(check_gaps(path, header));
    if (options->resize && (options->resize != header->h || options->resize != header->w))
        return FAIL(ERR_CONFIG, "%s: was packed with images of %dx%d pixels, but data.resize is %d; pack it anew", path,
                    header->w, header->h, options->resize);
    return OK;
}

int pack_hold(struct dataset *dataset, const struct dataset_options *options)
{
    if (options->memory && dataset->count * shape_count(dataset->image) > options->memory)
        return OK;
    dataset->pixels = dataset->pack->pixels;
    dataset->held = dataset->count * shape_count(dataset->image);
    return parallel_for((dataset->count + CHECK_AT_ONCE - 1) / CHECK_AT_ONCE, options->threads, check_some, dataset);
}

/* A packed data set. Its checksums would stop every input, so they are made right first: what is in a file that was
 * written as it is read must hold together all the same. */
#include "data.h"

#include "fuzz.h"
#include <string.h>
#include <zlib.h>

/* The header as it lies in a file. */
struct header {
    char magic[16];
    uint32_t byte_order, version;
    int32_t h, w, c, class_count;
    int64_t count, file_count, skipped_count;
    uint64_t fingerprint;
    int64_t text_at, text_bytes, index_at, pixels_at, file_bytes;
    uint32_t text_crc, index_crc, spare, header_crc;
};

enum { INDEX_BYTES = 72 }; /* a sample */

static bool lies_within(int64_t at, int64_t count, size_t bytes)
{
    return at >= 0 && count >= 0 && at <= (int64_t)bytes && count <= (int64_t)bytes - at;
}

static uint32_t checksum(const void *from, int64_t count)
{
    return (uint32_t)crc32(0, from, (unsigned)count);
}

static void seal(uint8_t *copy, size_t bytes)
{
    struct header header;
    memcpy(&header, copy, sizeof header);
    memcpy(header.magic, "evenkeel pack\r\n", sizeof header.magic);
    header.byte_order = 0x01020304;
    header.version = 1;
    if (lies_within(header.text_at, header.text_bytes, bytes))
        header.text_crc = checksum(copy + header.text_at, header.text_bytes);
    if (header.count >= 0 && header.count < 1 << 20 && lies_within(header.index_at, header.count * INDEX_BYTES, bytes))
        header.index_crc = checksum(copy + header.index_at, header.count * INDEX_BYTES);
    header.file_bytes = (int64_t)bytes;
    header.header_crc = checksum(&header, offsetof(struct header, header_crc));
    memcpy(copy, &header, sizeof header);
}

static void look(const struct dataset *dataset)
{
    uint8_t *pixels = malloc((size_t)shape_count(dataset->image));
    assert(pixels);
    for (int64_t i = 0; i < dataset->count; i++) {
        assert(dataset->labels[i] >= 0 && dataset->labels[i] < dataset->class_count);
        if (dataset_image(dataset, i, pixels) == OK && dataset->files)
            assert(strlen(dataset->files[i]) < (size_t)1 << 30);
    }
    for (int i = 0; i < dataset->class_count; i++)
        assert(strlen(dataset->class_names[i]) < (size_t)1 << 30);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_file file;
    struct dataset dataset = {0};
    if (bytes < sizeof(struct header))
        return 0;
    uint8_t *copy = malloc(bytes);
    assert(copy);
    memcpy(copy, data, bytes);
    seal(copy, bytes);
    fuzz_file_open(&file, copy, bytes);
    /* Not held: the checksums of pixels are then looked at one by one. */
    const struct dataset_options options = {.threads = 1, .memory = 1};
    if (dataset_open(&dataset, file.path, &options) == OK)
        look(&dataset);
    fuzz_file_close(&file);
    dataset_close(&dataset);
    free(copy);
    return 0;
}

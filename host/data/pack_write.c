/* pack_write: a data set as one packed file, complete or absent. See pack.h. Knows nothing of sources. */
#include "pack.h"

#include "file.h"
#include "parallel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 26 };

struct writing {
    const struct dataset *dataset;
    FILE *stream;
    struct image_sums *sums;
    int32_t *labels;
    uint32_t *checksums;
    int64_t first; /* sample that chunk begins with */
    uint8_t *chunk;
};

static void put_text(FILE *stream, const char *text)
{
    fwrite(text, 1, strlen(text) + 1, stream);
}

/* All texts, for their length and checksum. */
static int gather_texts(const struct dataset *dataset, char **text, size_t *bytes)
{
    FILE *stream = open_memstream(text, bytes);
    if (!stream)
        return FAIL(ERR_MEMORY, "%s: out of memory for packing", dataset->source);
    put_text(stream, dataset->source);
    for (int i = 0; i < dataset->class_count; i++)
        put_text(stream, dataset->class_names[i]);
    for (int64_t i = 0; dataset->files && i < dataset->count; i++)
        put_text(stream, dataset->files[i]);
    for (int64_t i = 0; i < dataset->skipped_count; i++)
        put_text(stream, dataset->skipped[i]);
    return fclose(stream) == 0 ? OK : FAIL(ERR_MEMORY, "%s: out of memory for packing", dataset->source);
}

static int read_one(void *context, int64_t i)
{
    const struct writing *writing = context;
    const struct dataset *dataset = writing->dataset;
    const int64_t sample = writing->first + i, bytes = shape_count(dataset->image);
    uint8_t *to = writing->chunk + i * bytes;
    TRY(dataset_image(dataset, sample, to));
    image_sums_take(&writing->sums[sample], to, dataset->image);
    writing->labels[sample] = dataset->labels[sample];
    writing->checksums[sample] = pack_checksum(to, bytes);
    return OK;
}

static int write_pixels(struct writing *writing, int threads)
{
    const int64_t bytes = shape_count(writing->dataset->image), count = writing->dataset->count;
    const int64_t at_once = bytes < CHUNK_BYTES ? CHUNK_BYTES / bytes : 1;
    TRY(memory_take(&writing->chunk, (size_t)((at_once < count ? at_once : count) * bytes), "packing"));
    int status = OK;
    for (; writing->first < count && status == OK && !ferror(writing->stream); writing->first += at_once) {
        const int64_t left = count - writing->first, some = left < at_once ? left : at_once;
        status = parallel_for(some, threads, read_one, writing);
        if (status == OK)
            fwrite(writing->chunk, (size_t)bytes, (size_t)some, writing->stream);
    }
    memory_give(writing->chunk);
    return status;
}

/* Everything but the header, which is filled in; errors of the stream are found at commit. */
static int write_body(struct writing *writing, struct pack_header *header, int threads)
{
    char *text = NULL;
    size_t text_bytes = 0;
    TRY(gather_texts(writing->dataset, &text, &text_bytes));
    header->text_at = (int64_t)sizeof *header;
    header->text_bytes = (int64_t)text_bytes;
    header->text_crc = pack_checksum(text, header->text_bytes);
    header->index_at = (header->text_at + header->text_bytes + 7) / 8 * 8;
    const int64_t index_bytes = pack_index_bytes(header->count);
    header->pixels_at = (header->index_at + index_bytes + PACK_PAGE - 1) / PACK_PAGE * PACK_PAGE;
    header->file_bytes = header->pixels_at + header->count * shape_count(writing->dataset->image);
    fseeko(writing->stream, header->text_at, SEEK_SET);
    fwrite(text, 1, text_bytes, writing->stream);
    free(text);
    TRY(memory_take(&writing->sums, (size_t)index_bytes, "packing"));
    writing->labels = (int32_t *)(writing->sums + header->count);
    writing->checksums = (uint32_t *)(writing->labels + header->count);
    fseeko(writing->stream, header->pixels_at, SEEK_SET);
    int status = write_pixels(writing, threads);
    header->index_crc = pack_checksum(writing->sums, index_bytes);
    fseeko(writing->stream, header->index_at, SEEK_SET);
    fwrite(writing->sums, 1, (size_t)index_bytes, writing->stream);
    memory_give(writing->sums);
    return status;
}

int pack_write(const struct dataset *dataset, const char *path, uint64_t fingerprint, int threads)
{
    struct pack_header header = {
        .magic = PACK_MAGIC,
        .byte_order = PACK_BYTE_ORDER,
        .version = PACK_VERSION,
        .h = dataset->image.h,
        .w = dataset->image.w,
        .c = dataset->image.c,
        .class_count = dataset->class_count,
        .count = dataset->count,
        .file_count = dataset->files ? dataset->count : 0,
        .skipped_count = dataset->skipped_count,
        .fingerprint = fingerprint,
    };
    struct new_file file = {0};
    TRY(new_file_open(&file, path));
    struct writing writing = {.dataset = dataset, .stream = file.stream};
    int status = write_body(&writing, &header, threads);
    if (status != OK) {
        new_file_abandon(&file);
        return status;
    }
    header.header_crc = pack_checksum(&header, offsetof(struct pack_header, header_crc));
    fseeko(file.stream, 0, SEEK_SET);
    fwrite(&header, 1, sizeof header, file.stream);
    return new_file_commit(&file);
}

/* pack: the layout of a packed data set, one file that is mapped and used as it is. Private to host/data.
 *
 *     header | texts | index: sums, labels, checksums | zeros up to a page | pixels [count][h][w][c]
 *
 * Numbers are in the byte order of the machine that wrote it, which byte_order shows. Texts end with a zero byte each:
 * source, class names, files (none, or one a sample), what was skipped. Checksums are CRC-32. */
#ifndef PACK_H
#define PACK_H
#include "formats.h"

enum { PACK_VERSION = 1, PACK_PAGE = 4096, PACK_MAGIC_BYTES = 16 };
#define PACK_MAGIC      "evenkeel pack\r\n"
#define PACK_BYTE_ORDER 0x01020304u

struct pack_header {
    char magic[PACK_MAGIC_BYTES];
    uint32_t byte_order, version;
    int32_t h, w, c, class_count;
    int64_t count, file_count, skipped_count;
    uint64_t fingerprint; /* of the source when it was read; see source_fingerprint */
    int64_t text_at, text_bytes, index_at, pixels_at, file_bytes;
    uint32_t text_crc, index_crc;
    uint32_t spare, header_crc; /* of all before it */
};

/* Bytes of the index: image_sums, int32 label, uint32 checksum of the pixels, an array each. */
static inline int64_t pack_index_bytes(int64_t count)
{
    return count * (int64_t)(sizeof(struct image_sums) + sizeof(int32_t) + sizeof(uint32_t));
}

/* A mapped pack; in the data set's arena. */
struct pack {
    const uint8_t *pixels;
    const uint32_t *checksums; /* [count] */
};

uint32_t pack_checksum(const void *bytes, int64_t count);
/* One sample, its checksum compared. */
int pack_image(const struct dataset *dataset, int64_t sample, uint8_t *pixels);
#endif

/* shelf: see shelf.h. */
#include "shelf.h"

enum { BLOCK = 512 };

void shelf_open(struct shelf *shelf, const char *path)
{
    fixture_write(path, "", 0);
    shelf->file = fopen(path, "wb");
    assert_non_null(shelf->file);
}

void shelf_add(struct shelf *shelf, const char *name, char kind, const char *link, const void *bytes, size_t count)
{
    char header[BLOCK] = {0};
    static const char zeros[BLOCK];
    snprintf(header, 100, "%s", name);
    snprintf(header + 100, 8, "%07o", 0644);
    snprintf(header + 108, 8, "%07o", 0);
    snprintf(header + 116, 8, "%07o", 0);
    snprintf(header + 124, 12, "%011zo", count);
    snprintf(header + 136, 12, "%011o", 0);
    memset(header + 148, ' ', 8);
    header[156] = kind;
    snprintf(header + 157, 100, "%s", link ? link : "");
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    assert_int_equal(fwrite(header, 1, BLOCK, shelf->file), BLOCK);
    if (count == 0)
        return;
    assert_int_equal(fwrite(bytes, 1, count, shelf->file), count);
    assert_int_equal(fwrite(zeros, 1, (BLOCK - count % BLOCK) % BLOCK, shelf->file), (BLOCK - count % BLOCK) % BLOCK);
}

void shelf_text(struct shelf *shelf, const char *name, const char *text)
{
    shelf_add(shelf, name, '0', NULL, text, strlen(text));
}

void shelf_png(struct shelf *shelf, const char *name, int height, int width, int shade)
{
    size_t count;
    uint8_t *bytes, *rgb = malloc((size_t)height * (size_t)width * 3);
    fixture_picture(rgb, height, width, shade);
    assert_int_equal(png_encode(rgb, height, width, 3, &bytes, &count), OK);
    shelf_add(shelf, name, '0', NULL, bytes, count);
    free(bytes);
    free(rgb);
}

void shelf_close(struct shelf *shelf)
{
    static const char zeros[2 * BLOCK];
    assert_int_equal(fwrite(zeros, 1, sizeof zeros, shelf->file), sizeof zeros);
    assert_int_equal(fclose(shelf->file), 0);
}

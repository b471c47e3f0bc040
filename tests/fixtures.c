/* fixtures: see fixtures.h. */
#include "fixtures.h"

#include <stdio.h>

static char top[PATH_BYTES];

int fixture_begin(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/evenkeel-data-XXXXXX", parent && parent[0] ? parent : "/tmp");
    return mkdtemp(top) ? 0 : -1;
}

int fixture_end(void **state)
{
    (void)state;
    return folder_remove(top);
}

const char *fixture_path(const char *format, ...)
{
    static char paths[8][PATH_BYTES];
    static int turn;
    char *path = paths[turn++ % 8];
    va_list args;
    int length = snprintf(path, PATH_BYTES, "%s/", top);
    va_start(args, format);
    vsnprintf(path + length, (size_t)(PATH_BYTES - length), format, args);
    va_end(args);
    return path;
}

void fixture_write(const char *path, const void *bytes, size_t count)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    assert_int_equal(folder_make(folder), OK);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

void fixture_picture(uint8_t *rgb, int height, int width, int shade)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                *rgb++ = (uint8_t)(shade * 37 + y * 11 + x * 5 + c * 70);
}

void fixture_png(const char *path, int height, int width, int shade)
{
    size_t count;
    uint8_t *bytes, *rgb = malloc((size_t)height * (size_t)width * 3);
    fixture_picture(rgb, height, width, shade);
    assert_int_equal(png_encode(rgb, height, width, 3, &bytes, &count), OK);
    fixture_write(path, bytes, count);
    free(bytes);
    free(rgb);
}

uint8_t *fixture_read(const char *path, size_t *count)
{
    void *bytes;
    assert_int_equal(file_read(path, (size_t)1 << 30, &bytes, count), OK);
    return bytes;
}

void fixture_check_failure(int status, int wanted, const char *const *texts, const char *file, int line)
{
    _assert_int_equal((LargestIntegralType)status, (LargestIntegralType)wanted, file, line);
    for (; *texts; texts++)
        if (!strstr(fail_text(), *texts)) {
            print_error("'%s' is not in the failure text: %s\n", *texts, fail_text());
            _fail(file, line);
        }
}

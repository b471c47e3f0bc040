/* fixtures: a folder of the test's own, files in it, and what a failure must say. Every mistake fails the running test.
 */
#ifndef TESTS_FIXTURES_H
#define TESTS_FIXTURES_H
#include "data.h"
#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Setup and teardown of a test: an empty folder under $TMPDIR, removed with all in it. */
int fixture_begin(void **state);
int fixture_end(void **state);
/* A path in that folder; the text lives until eight more were asked for. */
const char *fixture_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Writes a file, making the folders above it. */
void fixture_write(const char *path, const void *bytes, size_t count);
/* A picture [height][width][3] that depends on shade, as PNG. */
void fixture_picture(uint8_t *rgb, int height, int width, int shade);
void fixture_png(const char *path, int height, int width, int shade);
/* Whole file; free() it. */
uint8_t *fixture_read(const char *path, size_t *count);

/* The status is the wanted failure and its text holds all the texts. */
#define CHECK_FAILS(status, wanted, ...)                                                                               \
    fixture_check_failure((status), (wanted), (const char *[]){__VA_ARGS__, NULL}, __FILE__, __LINE__)
void fixture_check_failure(int status, int wanted, const char *const *texts, const char *file, int line);
#endif

/* test_tensors: safetensors reading and writing: recorded files, round trips, and every rule broken once. */
#include "file.h"
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static const char *const recorded[] = {
    "batchnorm",
    "color",
    "conv_linear",
    "geometry",
    "optim",
    "pool_relu",
    "rotate",
    "tiny_resnet_basic",
    "topk",
    "to_tensor_normalize",
    "tiny_resnet_bottleneck",
    "plateau",
    "schedules",
    "early_stopping",
};

static void test_recorded_files_open(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT_OF(recorded); i++) {
        struct vectors vectors;
        vectors_open(&vectors, recorded[i]);
        vectors_close(&vectors);
    }
}

/* Reader, element order and generators agree with what was recorded from the same formulas. */
static void test_generators_match_recorded(void **state)
{
    (void)state;
    struct vectors vectors;
    float weight[3];
    uint8_t pixels[7 * 5 * 3];
    vectors_open(&vectors, "batchnorm");
    vectors_det(weight, "bn.w", 3, 0.5, 1.5);
    vectors_check("bn.weight", weight, vectors_tensor_floats(&vectors, "bn.weight"), 3, 0, 0);
    vectors_close(&vectors);
    vectors_open(&vectors, "geometry");
    vectors_image(pixels, 7, 5, 3);
    assert_memory_equal(pixels, vectors_tensor_bytes(&vectors, "A"), sizeof pixels);
    assert_true(vectors_is(vectors_meta(&vectors, "cases"), "0/key", "hflip"));
    vectors_close(&vectors);
}

/* ---- broken files ---- */

/* Header text and zeroed data of a length, as a file in memory. */
static int parse(const char *header, size_t data_bytes)
{
    struct tensor_file file;
    size_t length = strlen(header), bytes = 8 + length + data_bytes;
    char *memory = calloc(1, bytes); /* exactly as long as the file: reading past its end is seen by sanitizers */
    assert_non_null(memory);
    uint64_t count = length;
    memcpy(memory, &count, sizeof count);
    memcpy(memory + 8, header, length);
    int status = tensors_parse(&file, "broken.safetensors", memory, bytes);
    if (status >= 0)
        tensors_free(&file);
    free(memory);
    return status;
}

static void test_broken_headers_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *error;
    } cases[] = {
        {"", 0, "does not begin with '{'"},
        {" {}", 0, "does not begin with '{'"},
        {"[]", 0, "does not begin with '{'"},
        {"{", 0, "header: "},
        {"{} x", 0, "header: "},
        {"{\"a\":\xff}", 0, "header: "},
        {"{\"a\":1}", 0, "'a' has no text \"dtype\""},
        {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "'a' has no text \"dtype\""},
        {"{\"a\":{\"dtype\":\"F8\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "type \"F8\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "no list \"shape\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "dimension 0 of tensor 'a'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1.0],\"data_offsets\":[0,4]}}", 4, "dimension 1 of tensor 'a'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "5 dimensions; at most 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "overflows"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no pair \"data_offsets\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "no pair \"data_offsets\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "no pair \"data_offsets\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4, "no pair \"data_offsets\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "0..4 of 3 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "4..0 of 4 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "-4..0 of 4 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "4 bytes where its shape asks for 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "1 bytes follow"},
        {"{}", 1, "1 bytes follow"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "'a' leaves a hole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[5,9]}}",
         9, "'b' leaves a hole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, "'b' overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, "duplicate object key"},
        {"{\"__metadata__\":[]}", 0, "\"__metadata__\" is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "metadata \"a\" is not text"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "duplicate object key"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        int status = parse(cases[i].header, cases[i].data_bytes);
        if (status != ERR_DATA || !strstr(fail_text(), cases[i].error) || !strstr(fail_text(), "broken.safetensors"))
            fail_msg("case %d: status %d, '%s'; expected '%s'", i, status, fail_text(), cases[i].error);
    }
}

static void test_odd_but_valid_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
    } cases[] = {
        {"{}", 0},
        {"{}   \n ", 0},
        {"{\"__metadata__\":{}}", 0},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8},
        {"{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"e\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[1,1]},"
         "\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}",
         9}, /* the floats are not aligned; an empty one at the same place */
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        if (parse(cases[i].header, cases[i].data_bytes) < 0)
            fail_msg("case %d: %s", i, fail_text());
}

static void test_broken_lengths(void **state)
{
    (void)state;
    struct tensor_file file;
    static const struct {
        uint64_t length;
        size_t bytes;
        const char *error;
    } cases[] = {
        {2, 0, "0 bytes are too few"},
        {2, 7, "7 bytes are too few"},
        {3, 10, "cut off"},
        {UINT64_MAX, 10, "longer than the format allows"},
        {100000001, 10, "longer than the format allows"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        char memory[10] = "........{}";
        memcpy(memory, &cases[i].length, sizeof cases[i].length);
        assert_int_equal(tensors_parse(&file, "short", memory, cases[i].bytes), ERR_DATA);
        if (!strstr(fail_text(), cases[i].error))
            fail_msg("case %d: %s", i, fail_text());
    }
    assert_int_equal(tensors_read(&file, "tests/vectors/no such file"), ERR_NO_INPUT);
    tensors_free(&file); /* zeroed by the failed read */
}

/* ---- writing ---- */

static void test_written_file_reads_back(void **state)
{
    (void)state;
    char folder[256], path[PATH_BYTES];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/evenkeel-tensors-XXXXXX", base && base[0] ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(path_join(path, folder, "x.safetensors"), OK);
    const float floats[] = {1.5f, NAN, -0.0f, INFINITY, 0x1p-149f, 3.0f};
    const int64_t big = INT64_MAX;
    const uint8_t bytes[] = {0, 127, 255};
    const struct tensor tensors[] = {
        {.name = "z", .type = TENSOR_U8, .rank = 1, .dims = {3}, .data = bytes, .bytes = 3},
        {.name = "layer.\"quoted\" \xc3\xa4",
         .type = TENSOR_F32,
         .rank = 2,
         .dims = {2, 3},
         .data = floats,
         .bytes = 24},
        {.name = "empty", .type = TENSOR_F32, .rank = 2, .dims = {0, 7}, .data = NULL, .bytes = 0},
        {.name = "count", .type = TENSOR_I64, .rank = 0, .data = &big, .bytes = 8},
    };
    const char *const metadata[] = {"format", "pt", "note", "a\nb", NULL};
    struct file_sum sum;
    if (tensors_write(path, tensors, COUNT_OF(tensors), metadata, &sum) < 0)
        fail_msg("%s", fail_text());

    void *data;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &data, &size), OK);
    assert_int_equal(sum.bytes, size);
    assert_int_equal(sum.crc, crc32_z(0, data, size));
    uint64_t header;
    memcpy(&header, data, sizeof header);
    assert_int_equal((8 + header) % 64, 0);
    memory_give(data);

    struct tensor_file file;
    if (tensors_read(&file, path) < 0)
        fail_msg("%s", fail_text());
    static const char *const order[] = {"count", "empty", "layer.\"quoted\" \xc3\xa4", "z"};
    assert_int_equal(file.count, COUNT_OF(tensors));
    for (int i = 0; i < COUNT_OF(order); i++)
        assert_string_equal(file.tensors[i].name, order[i]);
    for (int i = 0; i < COUNT_OF(tensors); i++) {
        const struct tensor *got = tensors_find(&file, tensors[i].name);
        assert_non_null(got);
        assert_true(got->type == tensors[i].type && got->rank == tensors[i].rank && got->bytes == tensors[i].bytes);
        assert_memory_equal(got->dims, tensors[i].dims, sizeof got->dims);
        if (got->bytes)
            assert_memory_equal(got->data, tensors[i].data, got->bytes);
    }
    assert_string_equal(tensors_meta(&file, "note"), "a\nb");
    assert_null(tensors_meta(&file, "other"));
    assert_null(tensors_find(&file, "other"));
    tensors_free(&file);

    assert_int_equal(tensors_write(path, NULL, 0, NULL, NULL), OK);
    assert_int_equal(tensors_read(&file, path), OK);
    assert_int_equal(file.count, 0);
    tensors_free(&file);
    assert_int_equal(path_join(path, folder, "no folder/x"), OK);
    assert_int_equal(tensors_write(path, tensors, 1, NULL, NULL), ERR_CREATE);
    assert_int_equal(folder_remove(folder), OK);
}

static void test_elements_are_widened(void **state)
{
    (void)state;
    /* Half: 1, -2, largest, smallest normal and subnormal, -0, infinity, NaN. */
    const uint16_t halves[] = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0x7e00};
    const double half_values[] = {1, -2, 65504, 0x1p-14, 0x1p-24, -0.0, INFINITY, NAN};
    const uint16_t brains[] = {0x3f80, 0xc000, 0x7f7f, 0x0080, 0x0001, 0x8000, 0x7f80, 0x7fc0};
    const double brain_values[] = {1, -2, 0x1.fep127, 0x1p-126, 0x1p-133, -0.0, INFINITY, NAN};
    const int64_t longs[] = {INT64_MIN, 3};
    const double long_values[] = {-0x1p63, 3};
    const int32_t ints[] = {INT32_MIN, 3};
    const double int_values[] = {-0x1p31, 3};
    const uint8_t small[] = {0, 255};
    const double small_values[] = {0, 255};
    const struct {
        enum tensor_type type;
        const void *data;
        int64_t count;
        const double *want;
    } cases[] = {
        {TENSOR_F16, halves, 8, half_values}, {TENSOR_BF16, brains, 8, brain_values},
        {TENSOR_I64, longs, 2, long_values},  {TENSOR_I32, ints, 2, int_values},
        {TENSOR_U8, small, 2, small_values},  {TENSOR_BOOL, small, 2, small_values},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct tensor tensor = {.type = cases[i].type,
                                .data = cases[i].data,
                                .bytes = (size_t)cases[i].count * tensor_type_bytes(cases[i].type)};
        double got[8];
        float narrow[8];
        assert_int_equal(tensor_count(&tensor), cases[i].count);
        tensor_to_doubles(&tensor, got);
        tensor_to_floats(&tensor, narrow);
        vectors_check_doubles(tensor_type_names[cases[i].type], got, cases[i].want, cases[i].count, 0, 0);
        for (int64_t k = 0; k < cases[i].count; k++) {
            assert_true(isnan(got[k]) || narrow[k] == (float)got[k]);
            assert_true(isnan(got[k]) || signbit(got[k]) == signbit(cases[i].want[k]));
        }
    }
}

static void test_layouts_turn_both_ways(void **state)
{
    (void)state;
    float nchw[2 * 3 * 2 * 2], nhwc[COUNT_OF(nchw)], back[COUNT_OF(nchw)];
    for (int i = 0; i < COUNT_OF(nchw); i++)
        nchw[i] = (float)i;
    nhwc_from_nchw(nhwc, nchw, 2, 3, 2, 2);
    assert_true(nhwc[0] == 0 && nhwc[1] == 4 && nhwc[2] == 8 && nhwc[3] == 1 && nhwc[12] == 12);
    nchw_from_nhwc(back, nhwc, 2, 3, 2, 2);
    assert_memory_equal(back, nchw, sizeof nchw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_files_open),      cmocka_unit_test(test_generators_match_recorded),
        cmocka_unit_test(test_broken_headers_are_named), cmocka_unit_test(test_odd_but_valid_headers),
        cmocka_unit_test(test_broken_lengths),           cmocka_unit_test(test_written_file_reads_back),
        cmocka_unit_test(test_elements_are_widened),     cmocka_unit_test(test_layouts_turn_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

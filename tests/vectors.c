/* vectors: reads the recorded answers and remakes the formula inputs. See tests/vectors.h.
 * Owns file access and conversion; must not know what is compared. */
#include "vectors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *vectors_folder(void)
{
    const char *given = getenv("EVENKEEL_VECTORS");
    return given && given[0] ? given : "tests/vectors";
}

void vectors_open(struct vectors *vectors, const char *name)
{
    char path[1024];
    *vectors = (struct vectors){.name = name, .meta = json_array()};
    snprintf(path, sizeof path, "%s/%s.json", vectors_folder(), name);
    bool any = access(path, R_OK) == 0;
    if (any) {
        json_error_t error;
        vectors->json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
        if (!vectors->json)
            fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    snprintf(path, sizeof path, "%s/%s.safetensors", vectors_folder(), name);
    if (access(path, R_OK) == 0) {
        any = true;
        if (tensors_read(&vectors->tensors, path) < 0)
            fail_msg("%s", fail_text());
    }
    if (!any)
        fail_msg("no test vectors '%s' in %s: run tests from the top of the source tree or set EVENKEEL_VECTORS", name,
                 vectors_folder());
}

void vectors_close(struct vectors *vectors)
{
    json_decref(vectors->json);
    json_decref(vectors->meta);
    tensors_free(&vectors->tensors);
    arena_free(&vectors->arena);
    *vectors = (struct vectors){0};
}

static json_t *find_member(const json_t *value, const char *path)
{
    json_t *at = (json_t *)(uintptr_t)value; /* jansson's getters take const and return what may be changed */
    while (at && *path) {
        char key[128];
        size_t length = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        at = json_is_array(at) ? json_array_get(at, (size_t)strtoul(key, NULL, 10)) : json_object_get(at, key);
        path += length + (path[length] == '/');
    }
    return at;
}

json_t *vectors_member(const json_t *value, const char *path)
{
    json_t *found = find_member(value, path);
    if (!found)
        fail_msg("test vector has no member '%s'", path);
    return found;
}

bool vectors_has(const json_t *value, const char *path)
{
    return find_member(value, path) != NULL;
}

double vectors_number(const json_t *value, const char *path)
{
    const json_t *found = vectors_member(value, path);
    if (json_is_boolean(found))
        return json_is_true(found);
    if (!json_is_string(found)) {
        if (!json_is_number(found))
            fail_msg("member '%s' of the test vector is not a number", path);
        return json_number_value(found);
    }
    const char *text = json_string_value(found);
    if (strcmp(text, "NaN") == 0)
        return NAN;
    if (strcmp(text, "Infinity") == 0)
        return INFINITY;
    if (strcmp(text, "-Infinity") != 0)
        fail_msg("member '%s' of the test vector is the text '%s', not a number", path, text);
    return -INFINITY;
}

int64_t vectors_integer(const json_t *value, const char *path)
{
    const json_t *found = vectors_member(value, path);
    if (json_is_integer(found))
        return json_integer_value(found);
    if (json_is_string(found))
        return strtoll(json_string_value(found), NULL, 10);
    double number = vectors_number(value, path);
    if (number != floor(number))
        fail_msg("member '%s' of the test vector is not a whole number", path);
    return (int64_t)number;
}

const char *vectors_text(const json_t *value, const char *path)
{
    const char *text = json_string_value(vectors_member(value, path));
    if (!text)
        fail_msg("member '%s' of the test vector is not text", path);
    return text;
}

bool vectors_is(const json_t *value, const char *path, const char *text)
{
    return strcmp(vectors_text(value, path), text) == 0;
}

int vectors_each_case(const struct vectors *vectors, const char *op, void (*check)(const json_t *one))
{
    const json_t *cases = vectors_member(vectors->json, "cases");
    int checked = 0;
    for (size_t i = 0; i < json_array_size(cases); i++)
        if (vectors_is(json_array_get(cases, i), "op", op)) {
            check(json_array_get(cases, i));
            checked++;
        }
    return checked;
}

/* Numbers in value, nested lists included; written to to unless NULL. */
static int64_t flatten(const json_t *value, double *to)
{
    if (!json_is_array(value)) {
        if (to)
            *to = vectors_number(value, "");
        return 1;
    }
    int64_t count = 0;
    for (size_t i = 0; i < json_array_size(value); i++)
        count += flatten(json_array_get(value, i), to ? to + count : NULL);
    return count;
}

double *vectors_doubles(struct vectors *vectors, const json_t *value, const char *path, int64_t *count)
{
    const json_t *list = vectors_member(value, path);
    if (json_is_object(list))
        list = vectors_member(list, "data");
    int64_t length = flatten(list, NULL);
    double *numbers = arena_push(&vectors->arena, (size_t)length * sizeof *numbers);
    flatten(list, numbers);
    if (count)
        *count = length;
    return numbers;
}

float *vectors_floats(struct vectors *vectors, const json_t *value, const char *path, int64_t *count)
{
    int64_t length;
    const double *wide = vectors_doubles(vectors, value, path, &length);
    float *numbers = arena_push(&vectors->arena, (size_t)length * sizeof *numbers);
    for (int64_t i = 0; i < length; i++)
        numbers[i] = (float)wide[i];
    if (count)
        *count = length;
    return numbers;
}

bool vectors_has_tensor(const struct vectors *vectors, const char *name)
{
    return tensors_find(&vectors->tensors, name) != NULL;
}

/* IEEE half precision: subnormals are multiples of 2^-24. */
static double half_value(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, mantissa = bits & 1023u;
    if (exponent == 0)
        return (sign ? -1.0 : 1.0) * mantissa * 0x1p-24;
    uint32_t wide = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | mantissa << 13;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static float brain_value(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static double element(const struct tensor *tensor, int64_t i)
{
    union {
        float f32;
        double f64;
        uint16_t bits16;
        int64_t i64;
        int32_t i32;
        uint8_t u8;
    } value;
    size_t bytes = tensor_type_bytes(tensor->type);
    memcpy(&value, (const char *)tensor->data + (size_t)i * bytes, bytes);
    switch (tensor->type) {
    case TENSOR_F32: return value.f32;
    case TENSOR_F64: return value.f64;
    case TENSOR_F16: return half_value(value.bits16);
    case TENSOR_BF16: return brain_value(value.bits16);
    case TENSOR_I64: return (double)value.i64;
    case TENSOR_I32: return value.i32;
    default: return value.u8;
    }
}

void tensor_to_floats(const struct tensor *tensor, float *to)
{
    int64_t count = tensor_count(tensor);
    if (tensor->type == TENSOR_F32 && count > 0)
        memcpy(to, tensor->data, tensor->bytes); /* NaN payloads stay as they are */
    else
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)element(tensor, i);
}

void tensor_to_doubles(const struct tensor *tensor, double *to)
{
    for (int64_t i = 0; i < tensor_count(tensor); i++)
        to[i] = element(tensor, i);
}

const struct tensor *vectors_tensor(const struct vectors *vectors, const char *name)
{
    const struct tensor *tensor = tensors_find(&vectors->tensors, name);
    if (!tensor)
        fail_msg("test vectors '%s' have no tensor '%s'", vectors->name, name);
    return tensor;
}

float *vectors_tensor_floats(struct vectors *vectors, const char *name)
{
    const struct tensor *tensor = vectors_tensor(vectors, name);
    float *numbers = arena_push(&vectors->arena, (size_t)tensor_count(tensor) * sizeof *numbers);
    tensor_to_floats(tensor, numbers);
    return numbers;
}

double *vectors_tensor_doubles(struct vectors *vectors, const char *name)
{
    const struct tensor *tensor = vectors_tensor(vectors, name);
    double *numbers = arena_push(&vectors->arena, (size_t)tensor_count(tensor) * sizeof *numbers);
    tensor_to_doubles(tensor, numbers);
    return numbers;
}

uint8_t *vectors_tensor_bytes(struct vectors *vectors, const char *name)
{
    const struct tensor *tensor = vectors_tensor(vectors, name);
    if (tensor->type != TENSOR_U8 && tensor->type != TENSOR_BOOL)
        fail_msg("tensor '%s' holds %s, not bytes", name, tensor_type_names[tensor->type]);
    uint8_t *bytes = arena_push(&vectors->arena, tensor->bytes);
    return memcpy(bytes, tensor->data, tensor->bytes);
}

float *vectors_tensor_nhwc(struct vectors *vectors, const char *name)
{
    const struct tensor *tensor = vectors_tensor(vectors, name);
    float *nchw = vectors_tensor_floats(vectors, name);
    if (tensor->rank != 4)
        return nchw;
    float *nhwc = arena_push(&vectors->arena, (size_t)tensor_count(tensor) * sizeof *nhwc);
    nhwc_from_nchw(nhwc, nchw, tensor->dims[0], tensor->dims[1], tensor->dims[2], tensor->dims[3]);
    return nhwc;
}

json_t *vectors_meta(struct vectors *vectors, const char *key)
{
    const char *text = tensors_meta(&vectors->tensors, key);
    if (!text)
        fail_msg("test vectors '%s' have no metadata '%s'", vectors->name, key);
    json_error_t error;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        fail_msg("metadata '%s' of test vectors '%s': %s", key, vectors->name, error.text);
    json_array_append_new(vectors->meta, value);
    return value;
}

void nhwc_from_nchw(float *to, const float *from, int64_t n, int64_t c, int64_t h, int64_t w)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++)
                to[(i * h * w + p) * c + k] = from[(i * c + k) * h * w + p];
}

void nchw_from_nhwc(float *to, const float *from, int64_t n, int64_t c, int64_t h, int64_t w)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++)
                to[(i * c + k) * h * w + p] = from[(i * h * w + p) * c + k];
}

void vectors_check_doubles(const char *what, const double *got, const double *want, int64_t count, double absolute,
                           double relative)
{
    int64_t wrong = 0, worst = -1;
    double excess = 0;
    for (int64_t i = 0; i < count; i++) {
        bool same = got[i] == want[i] || (isnan(got[i]) && isnan(want[i]));
        double over = fabs(got[i] - want[i]) - (absolute + relative * fabs(want[i]));
        if (same || over <= 0)
            continue;
        wrong++;
        if (worst < 0 || !(over <= excess)) {
            worst = i;
            excess = over;
        }
    }
    if (wrong)
        fail_msg("%s: %lld of %lld values differ; worst at %lld: %.9g, expected %.9g (difference %.3g)", what,
                 (long long)wrong, (long long)count, (long long)worst, got[worst], want[worst],
                 got[worst] - want[worst]);
}

void vectors_check(const char *what, const float *got, const float *want, int64_t count, double absolute,
                   double relative)
{
    double *wide = malloc((size_t)count * 2 * sizeof *wide + 1);
    assert_non_null(wide);
    for (int64_t i = 0; i < count; i++) {
        wide[i] = got[i];
        wide[count + i] = want[i];
    }
    vectors_check_doubles(what, wide, wide + count, count, absolute, relative);
    free(wide);
}

void vectors_image(uint8_t *pixels, int h, int w, int c)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int k = 0; k < c; k++)
                *pixels++ = (uint8_t)((y * y * 31 + x * 57 + k * 83 + x * y * 7 + (x ^ y) * 13) & 255);
}

void vectors_det_doubles(double *to, const char *name, int64_t count, double lo, double hi)
{
    uint32_t seed = 0x811C9DC5u;
    for (const char *p = name; *p; p++)
        seed = (seed ^ (uint8_t)*p) * 0x01000193u;
    for (int64_t i = 0; i < count; i++) {
        uint32_t x = seed + (uint32_t)i * 0x9E3779B9u;
        x = (x ^ x >> 16) * 0x85EBCA6Bu;
        x = (x ^ x >> 13) * 0xC2B2AE35u;
        x ^= x >> 16;
        to[i] = lo + (hi - lo) * (x / 4294967296.0);
    }
}

void vectors_det(float *to, const char *name, int64_t count, double lo, double hi)
{
    double *wide = malloc((size_t)count * sizeof *wide + 1);
    assert_non_null(wide);
    vectors_det_doubles(wide, name, count, lo, hi);
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)wide[i];
    free(wide);
}

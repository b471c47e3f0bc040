/* vectors: recorded answers of PyTorch, torchvision and PIL (tests/vectors/INDEX.json says what is where), and the
 * formula inputs they were made from. For tests: every mistake fails the running test with a message. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H
#include "tensors.h"

#include <jansson.h>

/* <name>.json and/or <name>.safetensors of tests/vectors (or of the folder in $EVENKEEL_VECTORS). */
struct vectors {
    const char *name;
    json_t *json; /* NULL: no such file */
    struct tensor_file tensors;
    struct arena arena; /* arrays handed out live until vectors_close */
    json_t *meta;       /* parsed metadata texts, kept alive */
};
void vectors_open(struct vectors *vectors, const char *name);
void vectors_close(struct vectors *vectors);

/* A member by path, "cases/3/params/lr"; "" is the value itself. Missing fails the test; vectors_has asks. */
json_t *vectors_member(const json_t *value, const char *path);
bool vectors_has(const json_t *value, const char *path);
/* Number, boolean as 0 or 1, or one of the texts "NaN", "Infinity", "-Infinity". */
double vectors_number(const json_t *value, const char *path);
int64_t vectors_integer(const json_t *value, const char *path); /* a whole number, or such a number as text */
const char *vectors_text(const json_t *value, const char *path);
bool vectors_is(const json_t *value, const char *path, const char *text);
/* Calls check for every member of "cases" whose "op" is op; returns how many there were. */
int vectors_each_case(const struct vectors *vectors, const char *op, void (*check)(const json_t *one));

/* A list (nested lists are flattened in order), or {"shape","dtype","data"}. count may be NULL. */
double *vectors_doubles(struct vectors *vectors, const json_t *value, const char *path, int64_t *count);
float *vectors_floats(struct vectors *vectors, const json_t *value, const char *path, int64_t *count);

/* Widens or rounds every element. to holds tensor_count elements. */
void tensor_to_floats(const struct tensor *tensor, float *to);
void tensor_to_doubles(const struct tensor *tensor, double *to);
/* A tensor of the safetensors file; vectors_tensor fails the test when it is missing. */
bool vectors_has_tensor(const struct vectors *vectors, const char *name);
const struct tensor *vectors_tensor(const struct vectors *vectors, const char *name);
float *vectors_tensor_floats(struct vectors *vectors, const char *name);
double *vectors_tensor_doubles(struct vectors *vectors, const char *name);
uint8_t *vectors_tensor_bytes(struct vectors *vectors, const char *name); /* U8 and BOOL only */
/* Rank 4 [n][c][h][w] turned to [n][h][w][c]; other ranks as they are. */
float *vectors_tensor_nhwc(struct vectors *vectors, const char *name);
/* A metadata value of the safetensors file parsed as JSON. */
json_t *vectors_meta(struct vectors *vectors, const char *key);

void nhwc_from_nchw(float *to, const float *from, int64_t n, int64_t c, int64_t h, int64_t w);
void nchw_from_nhwc(float *to, const float *from, int64_t n, int64_t c, int64_t h, int64_t w);

/* Every |got - want| <= absolute + relative * |want|; NaN only where NaN is wanted. Says where it is worst. */
void vectors_check(const char *what, const float *got, const float *want, int64_t count, double absolute,
                   double relative);
void vectors_check_doubles(const char *what, const double *got, const double *want, int64_t count, double absolute,
                           double relative);

/* image(h, w, c): pixels [h][w][c], c is 3 unless the recording says so: (y*y*31 + x*57 + c*83 + x*y*7 + (x^y)*13) &
 * 255. */
void vectors_image(uint8_t *pixels, int h, int w, int c);
/* det(name, n, lo, hi): counter hash of the name's FNV-1a, uniform in [lo, hi). */
void vectors_det(float *to, const char *name, int64_t count, double lo, double hi);
void vectors_det_doubles(double *to, const char *name, int64_t count, double lo, double hi);
#endif

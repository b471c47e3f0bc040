/* tensors: safetensors files: named arrays with a JSON header (github.com/huggingface/safetensors).
 * Level 1: includes base. Knows nothing of models; the reader trusts no byte of the file. */
#ifndef TENSORS_H
#define TENSORS_H
#include "base.h"

enum { TENSOR_RANK = 4 };
enum tensor_type {
    TENSOR_F32,
    TENSOR_F64,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_I64,
    TENSOR_I32,
    TENSOR_U8,
    TENSOR_BOOL,
    TENSOR_TYPES
};
extern const char *const tensor_type_names[TENSOR_TYPES]; /* as in files: "F32" … */
size_t tensor_type_bytes(enum tensor_type type);

struct tensor {
    const char *name;
    enum tensor_type type;
    int rank;                  /* 0: one element */
    int64_t dims[TENSOR_RANK]; /* the first rank count; C order */
    const void *data;          /* inside the file's buffer, not aligned: copy, never cast */
    size_t bytes;
};
struct tensor_file {
    struct arena arena;
    void *buffer;           /* whole file; NULL when the caller's */
    struct tensor *tensors; /* in order of data */
    int count;
    const char **meta_keys, **meta_values;
    int meta_count;
};

/* Reads and validates all of the format: header length (at most 100 MB), JSON without duplicate names, known types,
 * at most TENSOR_RANK dimensions, sizes, offsets without hole or overlap, nothing after the last tensor.
 * ERR_DATA and ERR_NO_INPUT name the file. tensors_free accepts a zeroed struct. */
int tensors_read(struct tensor_file *file, const char *path);
/* The same of bytes in memory, which must outlive file; name is for errors. */
int tensors_parse(struct tensor_file *file, const char *name, const void *data, size_t bytes);
void tensors_free(struct tensor_file *file);

const struct tensor *tensors_find(const struct tensor_file *file, const char *name); /* NULL: none of that name */
const char *tensors_meta(const struct tensor_file *file, const char *key);           /* NULL: none */
int64_t tensor_count(const struct tensor *tensor);                                   /* elements */

/* Size and CRC-32 (zlib's) of a file. */
struct file_sum {
    int64_t bytes;
    uint32_t crc;
};
/* Writes a complete file or none (new_file). Larger elements come first, then by name; the header is padded so that
 * data starts at a multiple of 64. metadata: key, value, key, value, NULL; or NULL. sum may be NULL. */
int tensors_write(const char *path, const struct tensor *tensors, int count, const char *const *metadata,
                  struct file_sum *sum);
#endif

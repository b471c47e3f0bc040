/* tensors: reads, checks and writes safetensors files. See include/tensors.h.
 * Owns the format; must not know of models or checkpoints. */
#include "tensors.h"
#include "file.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data is little-endian");

enum { LENGTH_BYTES = 8, HEADER_MAX = 100 * 1000 * 1000, DATA_ALIGNMENT = 64 };

const char *const tensor_type_names[TENSOR_TYPES] = {"F32", "F64", "F16", "BF16", "I64", "I32", "U8", "BOOL"};
static const size_t type_bytes[TENSOR_TYPES] = {4, 8, 2, 2, 8, 4, 1, 1};

size_t tensor_type_bytes(enum tensor_type type)
{
    assert(type >= 0 && type < TENSOR_TYPES);
    return type_bytes[type];
}

/* What is being checked: for errors. */
struct source {
    struct tensor_file *file;
    const char *name;
    const char *data; /* first byte after the header */
    size_t data_bytes;
};

#define DAMAGED(path, reason, ...)                                                                                     \
    FAIL(ERR_DATA, "%s: not a valid safetensors file: " reason "; write or copy it again", path, __VA_ARGS__)

static int parse_dims(struct tensor *tensor, const struct source *source, const json_t *shape)
{
    if (!json_is_array(shape))
        return DAMAGED(source->name, "tensor '%s' has no list \"shape\"", tensor->name);
    if (json_array_size(shape) > TENSOR_RANK)
        return FAIL(ERR_DATA, "%s: tensor '%s' has %zu dimensions; at most %d can be read", source->name, tensor->name,
                    json_array_size(shape), TENSOR_RANK);
    tensor->rank = (int)json_array_size(shape);
    size_t bytes = tensor_type_bytes(tensor->type);
    for (int i = 0; i < tensor->rank; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        tensor->dims[i] = json_integer_value(dim);
        if (!json_is_integer(dim) || tensor->dims[i] < 0)
            return DAMAGED(source->name, "dimension %d of tensor '%s' is not a size", i, tensor->name);
        if (__builtin_mul_overflow(bytes, (uint64_t)tensor->dims[i], &bytes))
            return DAMAGED(source->name, "the shape of tensor '%s' overflows", tensor->name);
    }
    tensor->bytes = bytes;
    return OK;
}

static int parse_place(struct tensor *tensor, const struct source *source, const json_t *offsets)
{
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return DAMAGED(source->name, "tensor '%s' has no pair \"data_offsets\"", tensor->name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > source->data_bytes)
        return DAMAGED(source->name, "tensor '%s' lies at %" PRId64 "..%" PRId64 " of %zu bytes of data", tensor->name,
                       (int64_t)begin, (int64_t)end, source->data_bytes);
    if ((uint64_t)(end - begin) != tensor->bytes)
        return DAMAGED(source->name, "tensor '%s' has %" PRId64 " bytes where its shape asks for %zu", tensor->name,
                       (int64_t)(end - begin), tensor->bytes);
    tensor->data = source->data + begin;
    return OK;
}

static int parse_tensor(struct tensor *tensor, const struct source *source, const json_t *entry)
{
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    if (!type)
        return DAMAGED(source->name, "tensor '%s' has no text \"dtype\"", tensor->name);
    int found = -1;
    for (int i = 0; i < TENSOR_TYPES; i++)
        if (strcmp(type, tensor_type_names[i]) == 0)
            found = i;
    if (found < 0)
        return FAIL(ERR_DATA,
                    "%s: tensor '%s' has type \"%s\"; known are F32, F64, F16, BF16, I64, I32, U8 and BOOL: convert it",
                    source->name, tensor->name, type);
    tensor->type = (enum tensor_type)found;
    TRY(parse_dims(tensor, source, json_object_get(entry, "shape")));
    return parse_place(tensor, source, json_object_get(entry, "data_offsets"));
}

static int parse_metadata(const struct source *source, json_t *metadata)
{
    struct tensor_file *file = source->file;
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return DAMAGED(source->name, "\"%s\" is not an object", "__metadata__");
    size_t count = json_object_size(metadata);
    file->meta_keys = arena_push(&file->arena, count * sizeof *file->meta_keys);
    file->meta_values = arena_push(&file->arena, count * sizeof *file->meta_values);
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return DAMAGED(source->name, "metadata \"%s\" is not text", key);
        file->meta_keys[file->meta_count] = arena_text(&file->arena, key);
        file->meta_values[file->meta_count] = arena_text(&file->arena, json_string_value(value));
        file->meta_count++;
    }
    return OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int check_contiguous(const struct source *source)
{
    struct tensor_file *file = source->file;
    const char *expected = source->data;
    if (file->count > 0)
        qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, compare_places);
    for (int i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        if ((const char *)tensor->data != expected)
            return DAMAGED(source->name, "tensor '%s' %s", tensor->name,
                           (const char *)tensor->data > expected ? "leaves a hole before it" : "overlaps another");
        expected += tensor->bytes;
    }
    if (expected != source->data + source->data_bytes)
        return DAMAGED(source->name, "%zu bytes follow the last tensor",
                       (size_t)(source->data + source->data_bytes - expected));
    return OK;
}

static int parse_header(const struct source *source, json_t *root)
{
    struct tensor_file *file = source->file;
    const char *key;
    json_t *value;
    file->tensors = arena_push(&file->arena, json_object_size(root) * sizeof *file->tensors);
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) {
            TRY(parse_metadata(source, value));
            continue;
        }
        struct tensor *tensor = &file->tensors[file->count];
        tensor->name = arena_text(&file->arena, key);
        TRY(parse_tensor(tensor, source, value));
        file->count++;
    }
    return check_contiguous(source);
}

static int parse_bytes(struct tensor_file *file, const char *name, const char *bytes, size_t size)
{
    uint64_t length;
    if (size < LENGTH_BYTES)
        return DAMAGED(name, "%zu bytes are too few", size);
    memcpy(&length, bytes, sizeof length);
    if (length > HEADER_MAX)
        return DAMAGED(name, "a header of %" PRIu64 " bytes is longer than the format allows", length);
    if (length > size - LENGTH_BYTES)
        return DAMAGED(name, "cut off: the header has %" PRIu64 " bytes, the file %zu", length, size);
    const char *text = bytes + LENGTH_BYTES;
    if (length == 0 || text[0] != '{')
        return DAMAGED(name, "the header does not begin with '%c'", '{');
    json_error_t error;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return DAMAGED(name, "header: %s (byte %d)", error.text, error.position);
    struct source source = {file, name, text + length, size - LENGTH_BYTES - length};
    int status = parse_header(&source, root);
    json_decref(root);
    return status;
}

int tensors_parse(struct tensor_file *file, const char *name, const void *data, size_t bytes)
{
    *file = (struct tensor_file){0};
    int status = parse_bytes(file, name, data, bytes);
    if (status < 0)
        tensors_free(file);
    return status;
}

int tensors_read(struct tensor_file *file, const char *path)
{
    void *buffer;
    size_t bytes;
    *file = (struct tensor_file){0};
    TRY(file_read(path, SIZE_MAX / 2, &buffer, &bytes));
    int status = tensors_parse(file, path, buffer, bytes);
    if (status < 0)
        memory_give(buffer);
    else
        file->buffer = buffer;
    return status;
}

void tensors_free(struct tensor_file *file)
{
    arena_free(&file->arena);
    memory_give(file->buffer);
    *file = (struct tensor_file){0};
}

const struct tensor *tensors_find(const struct tensor_file *file, const char *name)
{
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *tensors_meta(const struct tensor_file *file, const char *key)
{
    for (int i = 0; i < file->meta_count; i++)
        if (strcmp(file->meta_keys[i], key) == 0)
            return file->meta_values[i];
    return NULL;
}

int64_t tensor_count(const struct tensor *tensor)
{
    return (int64_t)(tensor->bytes / tensor_type_bytes(tensor->type));
}

static int compare_writing(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;
    size_t p = tensor_type_bytes((*x)->type), q = tensor_type_bytes((*y)->type);
    if (p != q)
        return p > q ? -1 : 1;
    return strcmp((*x)->name, (*y)->name);
}

/* Names are UTF-8: a JSON object takes no other, and a tensor must not be left out. */
static void put_member(json_t *object, const char *name, json_t *value)
{
    int status = json_object_set_new(object, name, value);
    assert(status == 0);
}

static json_t *build_header(const struct tensor *const *order, int count, const char *const *metadata)
{
    json_t *root = json_object();
    if (metadata && metadata[0]) {
        json_t *pairs = json_object();
        for (int i = 0; metadata[i]; i += 2)
            put_member(pairs, metadata[i], json_string(metadata[i + 1]));
        put_member(root, "__metadata__", pairs);
    }
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        const struct tensor *tensor = order[i];
        json_t *shape = json_array();
        for (int d = 0; d < tensor->rank; d++)
            json_array_append_new(shape, json_integer(tensor->dims[d]));
        json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", tensor_type_names[tensor->type], "shape", shape,
                                  "data_offsets", (json_int_t)at, (json_int_t)(at + tensor->bytes));
        put_member(root, tensor->name, entry);
        at += tensor->bytes;
    }
    return root;
}

static void write_part(FILE *stream, const void *data, size_t bytes, struct file_sum *sum)
{
    if (bytes == 0)
        return;
    fwrite(data, 1, bytes, stream); /* a failure stays in the stream until new_file_commit */
    sum->crc = (uint32_t)crc32_z(sum->crc, data, bytes);
    sum->bytes += (int64_t)bytes;
}

int tensors_write(const char *path, const struct tensor *tensors, int count, const char *const *metadata,
                  struct file_sum *sum)
{
    struct arena arena = {0};
    const struct tensor **order = arena_push(&arena, (size_t)count * sizeof *order);
    for (int i = 0; i < count; i++)
        order[i] = &tensors[i];
    qsort(order, (size_t)count, sizeof *order, compare_writing);

    json_t *root = build_header(order, count, metadata);
    char *header = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    assert(header);
    size_t used = strlen(header);
    size_t padded = (LENGTH_BYTES + used + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT - LENGTH_BYTES;
    char spaces[DATA_ALIGNMENT];
    memset(spaces, ' ', sizeof spaces);

    struct file_sum written = {0};
    struct new_file file;
    int status = new_file_open(&file, path);
    if (status >= 0) {
        uint64_t length = padded;
        write_part(file.stream, &length, sizeof length, &written);
        write_part(file.stream, header, used, &written);
        write_part(file.stream, spaces, padded - used, &written);
        for (int i = 0; i < count; i++)
            write_part(file.stream, order[i]->data, order[i]->bytes, &written);
        status = new_file_commit(&file);
    }
    if (status >= 0 && sum)
        *sum = written;
    free(header);
    arena_free(&arena);
    return status;
}

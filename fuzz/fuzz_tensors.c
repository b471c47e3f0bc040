/* A safetensors file: what is accepted must hold together. */
#include "tensors.h"

#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tensor_file file = {0};
    if (tensors_parse(&file, "fuzz", data, bytes) != OK)
        return 0;
    for (int i = 0; i < file.count; i++) {
        const struct tensor *tensor = &file.tensors[i];
        assert((size_t)tensor_count(tensor) * tensor_type_bytes(tensor->type) == tensor->bytes);
        assert(tensors_find(&file, tensor->name) == tensor);
        char *values = malloc(tensor->bytes + 1);
        assert(values);
        memcpy(values, tensor->data, tensor->bytes);
        free(values);
    }
    tensors_free(&file);
    return 0;
}

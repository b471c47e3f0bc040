/* emu_dnn: a graph of cuDNN's operations as the stand-in reads it (cudnn_graph.cpp) and computes it (cudnn_work.cpp).
 * Private to tests/emu/. */
#ifndef EMU_DNN_H
#define EMU_DNN_H
#include "cudnn.h"
#include "op.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace emu_dnn
{
struct tensor {
    int64_t id;
    struct shape shape;
    enum dtype dtype;
    bool inner;    /* goes from one operation to the next: lies in the workspace */
    size_t offset; /* there */
    bool given;    /* else an operation does without it */
};

/* Operands of a pointwise operation are X, B and Y, those of a rectifier's backward pass X, B (dy) and Y (dx). */
enum operand {
    X,
    W,
    Y,
    B = W,
    DY = W,
    SUM = W,
    SQUARES = Y,
    MEAN = Y + 1,
    INVERSE,
    SCALE,
    SCALE_GRAD,
    BIAS_GRAD,
    EQ_DY,
    EQ_X,
    EQ_BIAS,
    OPERANDS
};

struct operation {
    cudnnBackendDescriptorType_t kind;
    struct tensor tensors[OPERANDS];
    cudnnPointwiseMode_t mode;
    int pads[2], strides[2];
};

struct graph {
    std::vector<operation> operations;
    size_t inner_bytes; /* of workspace */
    std::string text;   /* all of it, in words: equal for equal graphs */
    bool joined() const { return operations.size() > 1; }
};

struct attribute {
    cudnnBackendAttributeType_t type;
    int64_t count;
    std::vector<unsigned char> bytes;
};

struct descriptor {
    cudnnBackendDescriptorType_t type;
    bool finished;
    std::map<cudnnBackendAttributeName_t, attribute> attributes;
    std::shared_ptr<const struct graph> graph; /* of graphs, engines, configs, heuristics, plans */
    int engine;                                /* of engines, configs, plans */
};

/* The values of an attribute; none, and *fits false, where it is not there with this type and count. */
const attribute *find(const descriptor &in, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                      int64_t count);
template <class T>
bool get(const descriptor &in, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, T *values,
         int64_t count = 1)
{
    const attribute *found = find(in, name, type, count);
    if (found)
        __builtin_memcpy((void *)values, found->bytes.data(), found->bytes.size());
    return found;
}

/* What a finished operation graph's descriptor says; NULL, with the reason in *reason: nothing that can be computed. */
std::shared_ptr<const graph> read_graph(const descriptor &described, std::string *reason);

/* Computes it where memory[id] are the arrays. */
void compute(const graph &graph, const std::map<int64_t, void *> &memory, unsigned char *workspace);
/* Writes NaN over every result. */
void spoil(const graph &graph, const std::map<int64_t, void *> &memory);
} // namespace emu_dnn
#endif

/* cudnn_work: computes a graph of cuDNN's operations in the plainest way, operation after operation, sums in double,
 * what lies between them rounded to the type it was described with. Knows nothing of descriptors and engines. */
#include "emu_dnn.h"
#include "kernels/common/bf16.h"
#include "kernels/common/fp16.h"
#include <cmath>
#include <cstring>

namespace emu_dnn
{
namespace
{
struct array {
    void *memory;
    struct tensor of;

    double operator[](int64_t i) const
    {
        if (of.dtype == DT_F32)
            return double(static_cast<const float *>(memory)[i]);
        const uint16_t bits = static_cast<const uint16_t *>(memory)[i];
        return double(of.dtype == DT_BF16 ? bf16_to_float(bits) : fp16_to_float(bits));
    }
    void put(int64_t i, double value) const
    {
        if (of.dtype == DT_F32)
            static_cast<float *>(memory)[i] = float(value);
        else
            static_cast<uint16_t *>(memory)[i] =
                of.dtype == DT_BF16 ? bf16_from_float(float(value)) : fp16_from_float(float(value));
    }
    int64_t count() const { return shape_count(of.shape); }
    /* Where element (n, h, w, c) lies; -1 outside. */
    int64_t at(int n, int h, int w, int c) const
    {
        return h < 0 || h >= of.shape.h || w < 0 || w >= of.shape.w
                   ? -1
                   : ((int64_t(n) * of.shape.h + h) * of.shape.w + w) * of.shape.c + c;
    }
};

struct arrays {
    array of[OPERANDS];
    const array &operator[](operand o) const { return of[o]; }
};

/* Calls with(place in x, in w, in y) for every product of a convolution. */
template <class F> void for_products(const operation &operation, const arrays &arrays, F with)
{
    const struct shape x = arrays[X].of.shape, w = arrays[W].of.shape, y = arrays[Y].of.shape;
    const int per_group = y.c / (x.c / w.c);
    for (int n = 0; n < y.n; n++)
        for (int h = 0; h < y.h; h++)
            for (int v = 0; v < y.w; v++)
                for (int r = 0; r < w.h; r++)
                    for (int s = 0; s < w.w; s++) {
                        const int64_t from = arrays[X].at(n, h * operation.strides[0] - operation.pads[0] + r,
                                                          v * operation.strides[1] - operation.pads[1] + s, 0);
                        for (int k = 0; k < y.c && from >= 0; k++)
                            for (int c = 0; c < w.c; c++)
                                with(from + k / per_group * w.c + c, arrays[W].at(k, r, s, c),
                                     arrays[Y].at(n, h, v, k));
                    }
}

std::vector<double> values_of(const array &of)
{
    std::vector<double> values(size_t(of.count()));
    for (size_t i = 0; i < values.size(); i++)
        values[i] = of[int64_t(i)];
    return values;
}

/* Two of the three are read, the other is made. */
void convolve(const operation &operation, const arrays &arrays)
{
    const operand made = operation.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? Y
                         : operation.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? X
                                                                                                          : W;
    std::vector<double> values[3], sums(size_t(arrays[made].count()), 0.0);
    for (operand o : {X, W, Y})
        if (o != made)
            values[o] = values_of(arrays[o]);
    for_products(operation, arrays, [&](int64_t x, int64_t w, int64_t y) {
        if (made == Y)
            sums[size_t(y)] += values[X][size_t(x)] * values[W][size_t(w)];
        else if (made == X)
            sums[size_t(x)] += values[W][size_t(w)] * values[Y][size_t(y)];
        else
            sums[size_t(w)] += values[X][size_t(x)] * values[Y][size_t(y)];
    });
    for (size_t i = 0; i < sums.size(); i++)
        arrays[made].put(int64_t(i), sums[i]);
}

/* Rectifiers do not pass on what is not a number: the library's default. */
void pointwise(const operation &operation, const arrays &arrays)
{
    for (int64_t i = 0; i < arrays[Y].count(); i++) {
        const double x = arrays[X][i], b = arrays[B].of.given ? arrays[B][i % arrays[B].count()] : 0.0;
        switch (operation.mode) {
        case CUDNN_POINTWISE_ADD: arrays[Y].put(i, x + b); break;
        case CUDNN_POINTWISE_SUB: arrays[Y].put(i, x - b); break;
        case CUDNN_POINTWISE_MUL: arrays[Y].put(i, x * b); break;
        case CUDNN_POINTWISE_RELU_FWD: arrays[Y].put(i, x > 0 ? x : 0.0); break;
        case CUDNN_POINTWISE_RELU_BWD: arrays[Y].put(i, x > 0 ? b : 0.0); break;
        }
    }
}

void sums(const arrays &arrays)
{
    const int channels = arrays[X].of.shape.c;
    for (int c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (int64_t i = c; i < arrays[X].count(); i += channels) {
            sum += arrays[X][i];
            squares += arrays[X][i] * arrays[X][i];
        }
        arrays[SUM].put(c, sum);
        arrays[SQUARES].put(c, squares);
    }
}

/* dx = EQ_DY * dy + EQ_X * x + EQ_BIAS is the gradient of a normalisation's x. */
void norm_backward(const arrays &arrays)
{
    const int channels = arrays[X].of.shape.c;
    const double pixels = double(arrays[X].count()) / channels;
    for (int c = 0; c < channels; c++) {
        const double mean = arrays[MEAN][c], inverse = arrays[INVERSE][c], a = arrays[SCALE][c] * inverse;
        double total = 0, product = 0;
        for (int64_t i = c; i < arrays[X].count(); i += channels) {
            total += arrays[DY][i];
            product += arrays[DY][i] * (arrays[X][i] - mean);
        }
        const double slope = product * inverse * inverse / pixels;
        arrays[SCALE_GRAD].put(c, product * inverse);
        arrays[BIAS_GRAD].put(c, total);
        arrays[EQ_DY].put(c, a);
        arrays[EQ_X].put(c, -a * slope);
        arrays[EQ_BIAS].put(c, a * (slope * mean - total / pixels));
    }
}
} // namespace

void compute(const graph &graph, const std::map<int64_t, void *> &memory, unsigned char *workspace)
{
    for (const operation &operation : graph.operations) {
        struct arrays arrays = {};
        for (int o = 0; o < OPERANDS; o++) {
            const tensor &of = operation.tensors[o];
            arrays.of[o].of = of;
            if (of.given)
                arrays.of[o].memory = of.inner ? workspace + of.offset : memory.at(of.id);
        }
        switch (operation.kind) {
        case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: pointwise(operation, arrays); break;
        case CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR: sums(arrays); break;
        case CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR: norm_backward(arrays); break;
        default: convolve(operation, arrays);
        }
    }
}

void spoil(const graph &graph, const std::map<int64_t, void *> &memory)
{
    for (const operation &operation : graph.operations)
        if (operation.kind < CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR) {
            const tensor &made =
                operation.tensors[operation.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? Y
                                  : operation.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? X
                                                                                                                   : W];
            if (!made.inner)
                memset(memory.at(made.id), 0xFF, size_t(shape_count(made.shape)) * dtype_bytes(made.dtype));
        }
}
} // namespace emu_dnn

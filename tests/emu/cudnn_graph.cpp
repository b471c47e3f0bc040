/* cudnn_graph: reads descriptors as a graph of operations, and refuses what the library refuses: shapes that do not
 * fit, layouts other than channels-last, one number for two tensors, results that nobody has made yet. Computes
 * nothing. */
#include "emu_dnn.h"
#include <cstdio>

namespace emu_dnn
{
namespace
{
struct reader {
    std::shared_ptr<struct graph> graph;
    std::map<int64_t, std::string> seen; /* tensors, in words, by number */
    std::map<int64_t, size_t> inner;     /* that have been made, and where they lie */
    std::string reason;

    bool refuse(const char *why)
    {
        if (reason.empty())
            reason = why;
        return false;
    }
};

struct role {
    operand as;
    cudnnBackendAttributeName_t name;
    bool made, optional;
};

bool read_tensor(reader &reader, const descriptor &from, bool made, tensor *to)
{
    cudnnDataType_t type;
    int64_t dims[4], strides[4], alignment;
    char text[128], shape[48];
    if (from.type != CUDNN_BACKEND_TENSOR_DESCRIPTOR || !from.finished ||
        !get(from, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, &type) ||
        !get(from, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, dims, 4) ||
        !get(from, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides, 4) ||
        !get(from, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, &to->id) ||
        !get(from, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, &alignment) ||
        !get(from, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, &to->inner))
        return reader.refuse("a tensor is not described");
    to->shape = {int(dims[0]), int(dims[2]), int(dims[3]), int(dims[1])};
    to->dtype = type == CUDNN_DATA_FLOAT ? DT_F32 : type == CUDNN_DATA_HALF ? DT_F16 : DT_BF16;
    to->given = true;
    if (strides[1] != 1 || strides[3] != dims[1] || strides[2] != dims[1] * dims[3] ||
        strides[0] != dims[1] * dims[2] * dims[3] || alignment != 16)
        return reader.refuse("a tensor is not channels-last, or not aligned");
    snprintf(text, sizeof text, "%lld:%s:%s%s", (long long)to->id, shape_text(shape, to->shape), dtype_name(to->dtype),
             to->inner ? ":inner" : "");
    if (reader.seen.emplace(to->id, text).first->second != text)
        return reader.refuse("one number for two tensors");
    reader.graph->text += std::string(" ") + text;
    if (!to->inner)
        return true;
    if (made) {
        const size_t bytes = size_t(shape_count(to->shape)) * dtype_bytes(to->dtype);
        reader.inner[to->id] = reader.graph->inner_bytes;
        reader.graph->inner_bytes += (bytes + 15) / 16 * 16;
    } else if (!reader.inner.count(to->id)) {
        return reader.refuse("a tensor in between is read before it is made");
    }
    to->offset = reader.inner[to->id];
    return true;
}

/* What is read, then what is made. */
bool read_tensors(reader &reader, const descriptor &from, const std::vector<role> &roles, operation *to)
{
    for (bool made : {false, true})
        for (const role &role : roles) {
            void *tensor;
            if (role.made != made || (role.optional && !from.attributes.count(role.name)))
                continue;
            if (!get(from, role.name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &tensor))
                return reader.refuse("an operand is missing");
            if (!read_tensor(reader, *static_cast<descriptor *>(tensor), made, &to->tensors[role.as]))
                return false;
        }
    return true;
}

bool is_float(const descriptor &from, cudnnBackendAttributeName_t name)
{
    cudnnDataType_t math;
    return get(from, name, CUDNN_TYPE_DATA_TYPE, &math) && math == CUDNN_DATA_FLOAT;
}

bool per_channel(const tensor &tensor, int channels)
{
    return shape_equal(tensor.shape, {1, 1, 1, channels});
}

bool read_convolution(reader &reader, const descriptor &from, operation *to)
{
    static const struct {
        cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
    } names[] = {{EMU_CUDNN_OPERANDS(FORWARD, X, W, Y)},
                 {EMU_CUDNN_OPERANDS(BWD_DATA, DX, W, DY)},
                 {EMU_CUDNN_OPERANDS(BWD_FILTER, X, DW, DY)}};
    const int pass = from.type - CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
    const auto &name = names[pass];
    void *described;
    float alpha, beta;
    int64_t dimensions, before[2], after[2], dilations[2], strides[2];
    cudnnConvolutionMode_t mode;
    if (!read_tensors(reader, from,
                      {{X, name.x, pass == 1, false}, {W, name.w, pass == 2, false}, {Y, name.y, pass == 0, false}},
                      to))
        return false;
    if (!get(from, name.convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, &described) ||
        !get(from, name.alpha, CUDNN_TYPE_FLOAT, &alpha) || !get(from, name.beta, CUDNN_TYPE_FLOAT, &beta) ||
        alpha != 1.0f || beta != 0.0f)
        return reader.refuse("a convolution is not described");
    const descriptor &how = *static_cast<descriptor *>(described);
    if (!how.finished || !get(how, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, &dimensions) ||
        dimensions != 2 || !is_float(how, CUDNN_ATTR_CONVOLUTION_COMP_TYPE) ||
        !get(how, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, &mode) ||
        mode != CUDNN_CROSS_CORRELATION ||
        !get(how, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, before, 2) ||
        !get(how, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, after, 2) ||
        !get(how, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, dilations, 2) ||
        !get(how, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides, 2))
        return reader.refuse("a convolution is not described");
    const struct shape x = to->tensors[X].shape, w = to->tensors[W].shape, y = to->tensors[Y].shape;
    const int in[2] = {x.h, x.w}, taps[2] = {w.h, w.w}, out[2] = {y.h, y.w};
    bool fits = x.n == y.n && w.n == y.c && x.c % w.c == 0 && y.c % (x.c / w.c) == 0;
    char text[64];
    for (int d = 0; d < 2; d++) {
        fits = fits && before[d] == after[d] && dilations[d] == 1 &&
               (in[d] + 2 * before[d] - taps[d]) / strides[d] + 1 == out[d];
        to->pads[d] = int(before[d]);
        to->strides[d] = int(strides[d]);
    }
    snprintf(text, sizeof text, " convolution %d pads %d,%d strides %d,%d;", pass, to->pads[0], to->pads[1],
             to->strides[0], to->strides[1]);
    reader.graph->text += text;
    return fits || reader.refuse("shapes do not fit the convolution");
}

bool read_pointwise(reader &reader, const descriptor &from, operation *to)
{
    void *described;
    if (!get(from, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, &described))
        return reader.refuse("a pointwise operation is not described");
    const descriptor &how = *static_cast<descriptor *>(described);
    if (!how.finished || !get(how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &to->mode) ||
        !is_float(how, CUDNN_ATTR_POINTWISE_MATH_PREC))
        return reader.refuse("a pointwise operation is not described");
    const bool back = to->mode == CUDNN_POINTWISE_RELU_BWD, alone = to->mode == CUDNN_POINTWISE_RELU_FWD;
    if (!read_tensors(
            reader, from,
            {{X, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, false, false},
             {B, back ? CUDNN_ATTR_OPERATION_POINTWISE_DYDESC : CUDNN_ATTR_OPERATION_POINTWISE_BDESC, false, alone},
             {Y, back ? CUDNN_ATTR_OPERATION_POINTWISE_DXDESC : CUDNN_ATTR_OPERATION_POINTWISE_YDESC, true, false}},
            to))
        return false;
    const struct tensor &x = to->tensors[X], &b = to->tensors[B], &y = to->tensors[Y];
    reader.graph->text += " pointwise " + std::to_string(to->mode) + ";";
    return (shape_equal(x.shape, y.shape) && b.given != alone &&
            (alone || shape_equal(b.shape, y.shape) || per_channel(b, y.shape.c))) ||
           reader.refuse("shapes do not fit a pointwise operation");
}

bool read_sums(reader &reader, const descriptor &from, operation *to)
{
    cudnnGenStatsMode_t mode;
    if (!get(from, CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, &mode) ||
        mode != CUDNN_GENSTATS_SUM_SQSUM || !is_float(from, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC))
        return reader.refuse("sums are not described");
    if (!read_tensors(reader, from,
                      {{X, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, false, false},
                       {SUM, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, true, false},
                       {SQUARES, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, true, false}},
                      to))
        return false;
    const int channels = to->tensors[X].shape.c;
    reader.graph->text += " sums;";
    return (per_channel(to->tensors[SUM], channels) && per_channel(to->tensors[SQUARES], channels)) ||
           reader.refuse("sums are one per channel");
}

bool read_norm_backward(reader &reader, const descriptor &from, operation *to)
{
    if (!is_float(from, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MATH_PREC) ||
        !read_tensors(reader, from,
                      {{X, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_X_DESC, false, false},
                       {DY, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DY_DESC, false, false},
                       {MEAN, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_MEAN_DESC, false, false},
                       {INVERSE, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_INVSTD_DESC, false, false},
                       {SCALE, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_BN_SCALE_DESC, false, false},
                       {SCALE_GRAD, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_SCALE_DESC, true, false},
                       {BIAS_GRAD, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_DBN_BIAS_DESC, true, false},
                       {EQ_DY, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_DY_SCALE_DESC, true, false},
                       {EQ_X, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_X_SCALE_DESC, true, false},
                       {EQ_BIAS, CUDNN_ATTR_OPERATION_BN_BWD_WEIGHTS_EQ_BIAS, true, false}},
                      to))
        return reader.refuse("a normalisation's backward pass is not described");
    bool fits = shape_equal(to->tensors[X].shape, to->tensors[DY].shape);
    for (int o = MEAN; o < OPERANDS; o++)
        fits = fits && per_channel(to->tensors[o], to->tensors[X].shape.c) && to->tensors[o].dtype == DT_F32;
    reader.graph->text += " norm backward;";
    return fits || reader.refuse("shapes do not fit a normalisation's backward pass");
}

bool read_operation(reader &reader, const descriptor &from)
{
    operation read = {};
    read.kind = from.type;
    bool good = from.finished;
    switch (from.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        good = good && read_convolution(reader, from, &read);
        break;
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: good = good && read_pointwise(reader, from, &read); break;
    case CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR: good = good && read_sums(reader, from, &read); break;
    case CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR:
        good = good && read_norm_backward(reader, from, &read);
        break;
    default: good = false;
    }
    reader.graph->operations.push_back(read);
    return good || reader.refuse("not an operation");
}
} // namespace

const attribute *find(const descriptor &in, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                      int64_t count)
{
    const auto found = in.attributes.find(name);
    return found == in.attributes.end() || found->second.type != type || found->second.count != count ? nullptr
                                                                                                      : &found->second;
}

std::shared_ptr<const graph> read_graph(const descriptor &described, std::string *reason)
{
    reader reader;
    reader.graph = std::make_shared<struct graph>();
    const auto operations = described.attributes.find(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    bool good = operations != described.attributes.end() && operations->second.count > 0;
    for (int64_t i = 0; good && i < operations->second.count; i++) {
        descriptor *operation;
        __builtin_memcpy(&operation, operations->second.bytes.data() + size_t(i) * sizeof operation, sizeof operation);
        good = read_operation(reader, *operation);
    }
    *reason = reader.reason;
    return good ? reader.graph : nullptr;
}
} // namespace emu_dnn

/* cases: see cases.h. Odd sizes, batch 1, channels one off a vector's width. */
#include "cases.h"

#include <assert.h>

#define CONV(o, kh_, kw_, s, ph, pw, g, b)                                                                             \
    {                                                                                                                  \
        .conv2d = {                                                                                                    \
            .filters = o,                                                                                              \
            .kernel_h = kh_,                                                                                           \
            .kernel_w = kw_,                                                                                           \
            .stride = s,                                                                                               \
            .pad_h = ph,                                                                                               \
            .pad_w = pw,                                                                                               \
            .groups = g,                                                                                               \
            .bias = b                                                                                                  \
        }                                                                                                              \
    }
#define LINEAR(units_, bias_)                                                                                          \
    {                                                                                                                  \
        .linear = {.units = units_, .bias = bias_ }                                                                    \
    }
#define NORM(relu_, add_)                                                                                              \
    {                                                                                                                  \
        .norm = {.epsilon = 1e-5f, .momentum = 0.1f, .relu = relu_, .add = add_ }                                      \
    }
#define POOL(kind_, size_, stride_, pad_, ceil_, count_)                                                               \
    {                                                                                                                  \
        .pool = {                                                                                                      \
            .kind = kind_,                                                                                             \
            .size = size_,                                                                                             \
            .stride = stride_,                                                                                         \
            .pad = pad_,                                                                                               \
            .ceil = ceil_,                                                                                             \
            .count_padding = count_                                                                                    \
        }                                                                                                              \
    }
#define DROPOUT(rate_)                                                                                                 \
    {                                                                                                                  \
        .dropout = {.rate = rate_ }                                                                                    \
    }

const struct op_case op_cases[] = {
    {"conv 3x3", OP_CONV2D, {2, 7, 9, 5}, CONV(17, 3, 3, 1, 1, 1, 1, false)},
    {"conv 3x3 bias", OP_CONV2D, {3, 8, 8, 64}, CONV(64, 3, 3, 1, 1, 1, 1, true)},
    {"conv 3x3 stride 2", OP_CONV2D, {2, 9, 8, 16}, CONV(32, 3, 3, 2, 1, 1, 1, false)},
    {"conv 3x3 one channel", OP_CONV2D, {1, 11, 13, 1}, CONV(3, 3, 3, 1, 1, 1, 1, true)},
    {"conv 3x3 no padding", OP_CONV2D, {1, 5, 5, 33}, CONV(15, 3, 3, 1, 0, 0, 1, false)},
    {"conv 7x7 stride 2", OP_CONV2D, {2, 19, 17, 3}, CONV(64, 7, 7, 2, 3, 3, 1, false)},
    {"conv 5x5", OP_CONV2D, {1, 10, 10, 3}, CONV(6, 5, 5, 1, 0, 0, 1, true)},
    {"conv 1x1", OP_CONV2D, {2, 5, 7, 64}, CONV(17, 1, 1, 1, 0, 0, 1, false)},
    {"conv 1x1 stride 2", OP_CONV2D, {2, 7, 7, 16}, CONV(32, 1, 1, 2, 0, 0, 1, false)},
    {"conv 1x1 stride 2 few channels", OP_CONV2D, {6, 4, 4, 4}, CONV(8, 1, 1, 2, 0, 0, 1, false)},
    {"conv 1x1 one pixel", OP_CONV2D, {1, 1, 1, 5}, CONV(1, 1, 1, 1, 0, 0, 1, true)},
    {"conv 2x3", OP_CONV2D, {2, 6, 7, 5}, CONV(9, 2, 3, 1, 0, 1, 1, true)},
    {"conv 1x5", OP_CONV2D, {1, 6, 9, 16}, CONV(16, 1, 5, 1, 0, 2, 1, false)},
    {"conv two groups", OP_CONV2D, {2, 6, 5, 10}, CONV(6, 3, 3, 1, 1, 1, 2, true)},
    {"conv groups of 32", OP_CONV2D, {2, 6, 6, 64}, CONV(64, 3, 3, 1, 1, 1, 2, false)},
    {"conv depthwise", OP_CONV2D, {2, 7, 7, 17}, CONV(17, 3, 3, 2, 1, 1, 17, true)},
    {"conv depthwise, whole vectors", OP_CONV2D, {17, 5, 6, 32}, CONV(32, 3, 3, 1, 1, 1, 32, false)},
    {"conv depthwise 2x5", OP_CONV2D, {1, 9, 8, 40}, CONV(40, 2, 5, 3, 0, 2, 40, true)},
    {"conv two filters a channel", OP_CONV2D, {2, 5, 6, 5}, CONV(10, 3, 3, 1, 1, 1, 5, true)},
    {"conv groups of 4, stride 2", OP_CONV2D, {3, 9, 8, 16}, CONV(32, 3, 3, 2, 1, 1, 4, true)},
    {"conv groups of 33, stride 2", OP_CONV2D, {2, 8, 7, 66}, CONV(34, 3, 3, 2, 1, 1, 2, true)},
    {"conv 1x1 groups of 64", OP_CONV2D, {2, 5, 5, 128}, CONV(128, 1, 1, 1, 0, 0, 2, true)},
    {"conv 1x1 stride 9", OP_CONV2D, {2, 19, 20, 8}, CONV(8, 1, 1, 9, 0, 0, 1, false)},
    {"conv patches of 16x16", OP_CONV2D, {2, 32, 33, 3}, CONV(24, 16, 16, 16, 0, 0, 1, true)},
    {"conv 3x3 stride 10, 40 channels", OP_CONV2D, {2, 21, 23, 40}, CONV(17, 3, 3, 10, 1, 1, 1, true)},
    {"conv 3x3 many positions", OP_CONV2D, {9, 16, 17, 33}, CONV(40, 3, 3, 1, 1, 1, 1, true)},
    {"conv 3x3 stride 2, 96 channels", OP_CONV2D, {5, 9, 11, 96}, CONV(48, 3, 3, 2, 1, 1, 1, false)},
    {"conv 3x3 stride 2, even", OP_CONV2D, {3, 8, 6, 64}, CONV(65, 3, 3, 2, 1, 1, 1, true)},
    {"conv 3x3 one pixel", OP_CONV2D, {3, 1, 1, 64}, CONV(32, 3, 3, 1, 1, 1, 1, true)},
    {"conv 5x5 larger than the image", OP_CONV2D, {2, 2, 3, 40}, CONV(24, 5, 5, 1, 2, 2, 1, false)},
    {"conv 3x3 few channels, several units", OP_CONV2D, {2, 21, 30, 3}, CONV(8, 3, 3, 1, 1, 1, 1, true)},
    {"conv 3x3 in patches, odd", OP_CONV2D, {1, 5, 7, 48}, CONV(80, 3, 3, 1, 1, 1, 1, true)},
    {"conv 3x3 in patches, no padding", OP_CONV2D, {3, 9, 6, 32}, CONV(32, 3, 3, 1, 0, 0, 1, false)},
    {"conv 3x3 in patches, two pixels of padding", OP_CONV2D, {2, 4, 5, 32}, CONV(48, 3, 3, 1, 2, 2, 1, true)},
    {"conv 3x3 in patches, several units", OP_CONV2D, {5, 27, 30, 32}, CONV(64, 3, 3, 1, 1, 1, 1, false)},
    {"conv 3x3 in patches, groups", OP_CONV2D, {3, 13, 12, 96}, CONV(64, 3, 3, 1, 1, 0, 2, true)},
    {"conv 3x3 stride 3", OP_CONV2D, {2, 10, 9, 64}, CONV(31, 3, 3, 3, 0, 0, 1, false)},
    {"conv 2x2 stride 3", OP_CONV2D, {1, 9, 10, 64}, CONV(16, 2, 2, 3, 1, 1, 1, true)},
    {"conv 1x1, rows of 600", OP_CONV2D, {3, 10, 20, 64}, CONV(48, 1, 1, 1, 0, 0, 1, true)},
    {"conv 1x1, long pixels", OP_CONV2D, {2, 3, 3, 288}, CONV(80, 1, 1, 1, 0, 0, 1, false)},
    {"conv 1x1, wide", OP_CONV2D, {1, 2, 45, 64}, CONV(17, 1, 1, 1, 0, 0, 1, false)},
    {"linear", OP_LINEAR, {4, 1, 1, 5}, LINEAR(3, true)},
    {"linear 64 to 17", OP_LINEAR, {3, 1, 1, 64}, LINEAR(17, true)},
    {"linear batch 1", OP_LINEAR, {1, 1, 1, 33}, LINEAR(10, false)},
    {"linear flattened", OP_LINEAR, {5, 3, 2, 17}, LINEAR(10, true)},
    {"linear flattened 16", OP_LINEAR, {2, 4, 5, 16}, LINEAR(32, true)},
    {"linear 300 rows", OP_LINEAR, {300, 1, 1, 96}, LINEAR(40, true)},
    {"linear of 1040 numbers", OP_LINEAR, {33, 4, 4, 65}, LINEAR(70, true)},
    {"norm", OP_NORM, {2, 5, 7, 17}, NORM(false, false)},
    {"norm relu", OP_NORM, {3, 4, 4, 64}, NORM(true, false)},
    {"norm add", OP_NORM, {2, 3, 5, 5}, NORM(false, true)},
    {"norm relu add", OP_NORM, {2, 6, 5, 16}, NORM(true, true)},
    {"norm one channel", OP_NORM, {1, 13, 11, 1}, NORM(true, true)},
    {"norm three channels, many blocks", OP_NORM, {3, 64, 67, 3}, NORM(true, true)},
    {"norm many blocks", OP_NORM, {5, 32, 31, 65}, NORM(true, false)},
    {"norm seven values", OP_NORM, {7, 1, 1, 5}, NORM(false, false)},
    {"norm of vectors", OP_NORM, {9, 1, 1, 1000}, NORM(true, false)},
    {"relu", OP_RELU, {1, 1, 1, 7}, {{0}}},
    {"relu odd", OP_RELU, {3, 37, 41, 5}, {{0}}},
    {"max 2x2", OP_POOL, {2, 7, 6, 5}, POOL(POOL_MAX, 2, 2, 0, false, true)},
    {"max 3x3 stride 2", OP_POOL, {2, 9, 8, 64}, POOL(POOL_MAX, 3, 2, 1, false, true)},
    {"max 3x3 ceil", OP_POOL, {1, 8, 7, 65}, POOL(POOL_MAX, 3, 2, 0, true, true)},
    {"max 3x3 stride 1", OP_POOL, {1, 5, 6, 17}, POOL(POOL_MAX, 3, 1, 1, false, true)},
    {"max 2x2 stride 3", OP_POOL, {1, 8, 9, 3}, POOL(POOL_MAX, 2, 3, 0, false, true)},
    {"max 3x3 stride 3", OP_POOL, {2, 10, 8, 37}, POOL(POOL_MAX, 3, 3, 0, false, true)},
    {"max 2x2, whole vectors", OP_POOL, {2, 6, 9, 80}, POOL(POOL_MAX, 2, 2, 0, false, true)},
    {"max one channel", OP_POOL, {1, 8, 9, 1}, POOL(POOL_MAX, 3, 2, 1, true, true)},
    {"average 3x3", OP_POOL, {2, 7, 6, 17}, POOL(POOL_AVERAGE, 3, 2, 1, false, true)},
    {"average inside only", OP_POOL, {2, 7, 6, 3}, POOL(POOL_AVERAGE, 3, 2, 1, false, false)},
    {"average ceil", OP_POOL, {1, 8, 7, 64}, POOL(POOL_AVERAGE, 3, 2, 1, true, true)},
    {"average 2x2", OP_POOL, {1, 6, 6, 65}, POOL(POOL_AVERAGE, 2, 2, 0, false, true)},
    {"global", OP_POOL, {3, 4, 5, 17}, POOL(POOL_GLOBAL, 0, 0, 0, false, false)},
    {"global 64", OP_POOL, {1, 7, 7, 64}, POOL(POOL_GLOBAL, 0, 0, 0, false, false)},
    {"global one pixel", OP_POOL, {2, 1, 1, 5}, POOL(POOL_GLOBAL, 0, 0, 0, false, false)},
    {"add", OP_ADD, {2, 5, 3, 17}, {{0}}},
    {"add pieces", OP_ADD, {3, 37, 41, 5}, {{0}}},
    {"add batch 1", OP_ADD, {1, 7, 5, 3}, {{0}}},
    {"add one number", OP_ADD, {1, 1, 1, 1}, {{0}}},
    {"dropout", OP_DROPOUT, {2, 3, 3, 5}, DROPOUT(0.5f)},
    {"dropout batch 1", OP_DROPOUT, {1, 1, 1, 13}, DROPOUT(0.5f)},
    {"dropout pieces", OP_DROPOUT, {3, 37, 41, 5}, DROPOUT(0.3f)},
    {"dropout none", OP_DROPOUT, {2, 1, 1, 10}, DROPOUT(0.0f)},
};
const int op_case_count = COUNT_OF(op_cases);

const struct op_case op_layers[] = {
    {"conv 3-64 7x7/2 64", OP_CONV2D, {32, 64, 64, 3}, CONV(64, 7, 7, 2, 3, 3, 1, false)},
    {"conv 16-16 3x3 32", OP_CONV2D, {64, 32, 32, 16}, CONV(16, 3, 3, 1, 1, 1, 1, false)},
    {"conv 64-64 3x3 16", OP_CONV2D, {32, 16, 16, 64}, CONV(64, 3, 3, 1, 1, 1, 1, false)},
    {"conv 64-128 3x3/2 16", OP_CONV2D, {32, 16, 16, 64}, CONV(128, 3, 3, 2, 1, 1, 1, false)},
    {"conv 64-128 1x1/2 16", OP_CONV2D, {32, 16, 16, 64}, CONV(128, 1, 1, 2, 0, 0, 1, false)},
    {"conv 256-256 3x3 8", OP_CONV2D, {32, 8, 8, 256}, CONV(256, 3, 3, 1, 1, 1, 1, false)},
    {"conv 512-512 3x3 4", OP_CONV2D, {32, 4, 4, 512}, CONV(512, 3, 3, 1, 1, 1, 1, false)},
    {"conv 256-64 1x1 16", OP_CONV2D, {32, 16, 16, 256}, CONV(64, 1, 1, 1, 0, 0, 1, false)},
    {"conv 1-16 3x3 28", OP_CONV2D, {64, 28, 28, 1}, CONV(16, 3, 3, 1, 1, 1, 1, false)},
    {"conv 3-16 3x3 32", OP_CONV2D, {64, 32, 32, 3}, CONV(16, 3, 3, 1, 1, 1, 1, false)},
    {"conv 16-32 3x3 14", OP_CONV2D, {64, 14, 14, 16}, CONV(32, 3, 3, 1, 1, 1, 1, false)},
    {"conv 32-64 3x3 7", OP_CONV2D, {64, 7, 7, 32}, CONV(64, 3, 3, 1, 1, 1, 1, false)},
    {"conv 3-64 3x3 32", OP_CONV2D, {32, 32, 32, 3}, CONV(64, 3, 3, 1, 1, 1, 1, false)},
    {"conv groups of 32, 128 3x3 16", OP_CONV2D, {32, 16, 16, 128}, CONV(128, 3, 3, 1, 1, 1, 4, false)},
    {"conv depthwise 64 3x3 32", OP_CONV2D, {32, 32, 32, 64}, CONV(64, 3, 3, 1, 1, 1, 64, false)},
    {"linear 784-512", OP_LINEAR, {128, 28, 28, 1}, LINEAR(512, true)},
    {"linear 512-512", OP_LINEAR, {256, 1, 1, 512}, LINEAR(512, true)},
    {"linear 512-10", OP_LINEAR, {32, 1, 1, 512}, LINEAR(10, true)},
    {"linear 4096-1024", OP_LINEAR, {64, 4, 4, 256}, LINEAR(1024, true)},
    {"norm relu 64 32", OP_NORM, {32, 32, 32, 64}, NORM(true, false)},
    {"norm relu add 64 32", OP_NORM, {32, 32, 32, 64}, NORM(true, true)},
    {"norm relu 16 32", OP_NORM, {64, 32, 32, 16}, NORM(true, false)},
    {"norm relu 512 4", OP_NORM, {32, 4, 4, 512}, NORM(true, false)},
    {"relu 64 32", OP_RELU, {32, 32, 32, 64}, {{0}}},
    {"add 64 32", OP_ADD, {32, 32, 32, 64}, {{0}}},
    {"max 3x3/2 64 32", OP_POOL, {32, 32, 32, 64}, POOL(POOL_MAX, 3, 2, 1, false, true)},
    {"max 2x2/2 16 32", OP_POOL, {64, 32, 32, 16}, POOL(POOL_MAX, 2, 2, 0, false, true)},
    {"average 2x2/2 64 32", OP_POOL, {32, 32, 32, 64}, POOL(POOL_AVERAGE, 2, 2, 0, false, true)},
    {"global 512 4", OP_POOL, {32, 4, 4, 512}, POOL(POOL_GLOBAL, 0, 0, 0, false, false)},
    {"dropout 4096", OP_DROPOUT, {64, 1, 1, 4096}, DROPOUT(0.5f)},
};
const int op_layer_count = COUNT_OF(op_layers);

int op_case_inputs(const struct op_case *op_case)
{
    return op_case->kind == OP_ADD || (op_case->kind == OP_NORM && op_case->params.norm.add) ? 2 : 1;
}

struct shape op_case_out(const struct op_case *op_case)
{
    const struct shape in[OP_MAX_IN] = {op_case->in, op_case->in};
    struct shape out = {0};
    int status = op_table[op_case->kind].infer(&op_case->params, in, op_case_inputs(op_case), &out);
    assert(status == OK);
    return out;
}

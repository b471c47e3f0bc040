/* libraries: stands in for cuDNN where the CUDA backend runs in the emulator: the same calls as dnn.c and libraries.c,
 * answered by the plainest kernels, one warp for all results and sums in double. Workspaces are asked for and spoilt,
 * so that a caller who leaves no room is found out. Owns no rule of how an operation uses them. */
#include "dnn.h"
#include "launch.cuh"
#include <cmath>
#include <cstdio>

namespace
{
enum { WORKSPACE_BYTES = 1000, THREADS = 32 };

__global__ void spoil_kernel(unsigned char *workspace, int bytes)
{
    for (int i = int(threadIdx.x); i < bytes; i += THREADS)
        workspace[i] = 0xFF;
}

/* Where element (n, h, w, c) lies; -1 outside. */
__device__ int64_t place(shape s, int n, int h, int w, int c)
{
    return h < 0 || h >= s.h || w < 0 || w >= s.w ? -1 : ((int64_t(n) * s.h + h) * s.w + w) * s.c + c;
}

/* What output channel k, position (n, oh, ow) takes of kernel element (r, s, c) of its group: the place in x. */
__device__ int64_t source(const dnn_conv &conv, int n, int oh, int ow, int k, int r, int s, int c)
{
    const int inside = conv.in.c / conv.groups, group = k / (conv.out.c / conv.groups);
    return place(conv.in, n, oh * conv.stride - conv.pad_h + r, ow * conv.stride - conv.pad_w + s, group * inside + c);
}

template <class T> __device__ void forward_at(int64_t i, const dnn_conv &conv, const T *x, const T *w, T *y)
{
    const int k = int(i % conv.out.c), ow = int(i / conv.out.c % conv.out.w),
              oh = int(i / conv.out.c / conv.out.w % conv.out.h), n = int(i / conv.out.c / conv.out.w / conv.out.h);
    const shape weight = {conv.out.c, conv.kernel_h, conv.kernel_w, conv.in.c / conv.groups};
    double sum = 0;
    for (int r = 0; r < weight.h; r++)
        for (int s = 0; s < weight.w; s++)
            for (int c = 0; c < weight.c; c++) {
                const int64_t from = source(conv, n, oh, ow, k, r, s, c);
                if (from >= 0)
                    sum += double(gpu::to_float(x[from])) * gpu::to_float(w[place(weight, k, r, s, c)]);
            }
    y[i] = gpu::from_float<T>(float(sum));
}

template <class T> __device__ void data_at(int64_t i, const dnn_conv &conv, T *x, const T *w, const T *y)
{
    const int inside = conv.in.c / conv.groups, per_group = conv.out.c / conv.groups;
    const int channel = int(i % conv.in.c), group = channel / inside, iw = int(i / conv.in.c % conv.in.w),
              ih = int(i / conv.in.c / conv.in.w % conv.in.h), n = int(i / conv.in.c / conv.in.w / conv.in.h);
    const shape weight = {conv.out.c, conv.kernel_h, conv.kernel_w, inside};
    double sum = 0;
    for (int r = 0; r < weight.h; r++)
        for (int s = 0; s < weight.w; s++) {
            const int h = ih + conv.pad_h - r, v = iw + conv.pad_w - s;
            if (h % conv.stride || v % conv.stride)
                continue;
            for (int k = group * per_group; k < (group + 1) * per_group; k++) {
                const int64_t from = place(conv.out, n, h / conv.stride, v / conv.stride, k);
                if (h >= 0 && v >= 0 && from >= 0)
                    sum += double(gpu::to_float(y[from])) *
                           gpu::to_float(w[place(weight, k, r, s, channel - group * inside)]);
            }
        }
    x[i] = gpu::from_float<T>(float(sum));
}

template <class T, class U> __device__ void weights_at(int64_t i, const dnn_conv &conv, const T *x, U *w, const T *y)
{
    const shape weight = {conv.out.c, conv.kernel_h, conv.kernel_w, conv.in.c / conv.groups};
    const int c = int(i % weight.c), s = int(i / weight.c % weight.w), r = int(i / weight.c / weight.w % weight.h),
              k = int(i / weight.c / weight.w / weight.h);
    double sum = 0;
    for (int n = 0; n < conv.out.n; n++)
        for (int oh = 0; oh < conv.out.h; oh++)
            for (int ow = 0; ow < conv.out.w; ow++) {
                const int64_t from = source(conv, n, oh, ow, k, r, s, c);
                if (from >= 0)
                    sum += double(gpu::to_float(x[from])) * gpu::to_float(y[place(conv.out, n, oh, ow, k)]);
            }
    w[i] = gpu::from_float<U>(float(sum));
}

struct conv_plan {
    dnn_conv conv;
    dnn_pass pass;
};

template <class T> __global__ void conv_kernel(conv_plan plan, int64_t count, T *x, void *w, T *y)
{
    for (int64_t i = threadIdx.x; i < count; i += THREADS)
        if (plan.pass == DNN_FORWARD || plan.pass == DNN_FORWARD_SUMS)
            forward_at<T>(i, plan.conv, x, (const T *)w, y);
        else if (plan.pass == DNN_DATA || plan.pass == DNN_DATA_NORM)
            data_at<T>(i, plan.conv, x, (const T *)w, y);
        else if (plan.conv.weights_dtype == DT_F32)
            weights_at<T>(i, plan.conv, x, (float *)w, y);
        else
            weights_at<T>(i, plan.conv, x, (T *)w, y);
}

/* What joined passes add, a channel per thread. */
template <class T> __global__ void sums_kernel(const T *y, int64_t pixels, int channels, float *sum, float *squares)
{
    for (int c = int(threadIdx.x); c < channels; c += THREADS) {
        double total = 0, total_squares = 0;
        for (int64_t i = 0; i < pixels; i++) {
            const double value = double(gpu::to_float(y[i * channels + c]));
            total += value;
            total_squares += value * value;
        }
        sum[c] = float(total);
        squares[c] = float(total_squares);
    }
}

struct norm_arrays {
    const float *mean, *inverse, *scale, *bias;
    float *scale_grad, *bias_grad, *a, *b, *c;
};

template <class T>
__global__ void norm_backward_kernel(T *grad, const T *x, int64_t pixels, int channels, norm_arrays norm)
{
    for (int c = int(threadIdx.x); c < channels; c += THREADS) {
        const double mean = double(norm.mean[c]), inverse = double(norm.inverse[c]), scale = double(norm.scale[c]);
        double total = 0, product = 0;
        for (int64_t i = c; i < pixels * channels; i += channels) {
            const double apart = double(gpu::to_float(x[i])) - mean;
            if (!(apart * inverse * scale + double(norm.bias[c]) > 0))
                grad[i] = T{0};
            total += double(gpu::to_float(grad[i]));
            product += double(gpu::to_float(grad[i])) * apart;
        }
        const double a = scale * inverse, slope = product * inverse * inverse / double(pixels);
        norm.scale_grad[c] = float(product * inverse);
        norm.bias_grad[c] = float(total);
        norm.a[c] = float(a);
        norm.b[c] = float(-a * slope);
        norm.c[c] = float(a * (slope * mean - total / double(pixels)));
    }
}

int spoil(device *device, void *workspace)
{
    CUDA_TRY(
        gpu::launch(spoil_kernel, 1, THREADS, 0, device->stream, (unsigned char *)workspace, int(WORKSPACE_BYTES)));
    return OK;
}

template <class T> int conv_run(device *device, const conv_plan *plan, const void *const *arrays)
{
    const void *x = arrays[DNN_X], *w = arrays[DNN_W], *y = arrays[DNN_Y];
    const dnn_conv &conv = plan->conv;
    const int64_t counts[DNN_PASS_COUNT] = {shape_count(conv.out), shape_count(conv.in),
                                            int64_t(conv.out.c) * conv.kernel_h * conv.kernel_w *
                                                (conv.in.c / conv.groups),
                                            shape_count(conv.out), shape_count(conv.in)};
    CUDA_TRY(gpu::launch(conv_kernel<T>, 1, THREADS, 0, device->stream, *plan, counts[plan->pass], (T *)x, (void *)w,
                         (T *)y));
    if (plan->pass == DNN_FORWARD_SUMS)
        CUDA_TRY(gpu::launch(sums_kernel<T>, 1, THREADS, 0, device->stream, (const T *)y,
                             shape_count(conv.out) / conv.out.c, conv.out.c, (float *)arrays[DNN_SUM],
                             (float *)arrays[DNN_SQUARES]));
    if (plan->pass == DNN_DATA_NORM) {
        const norm_arrays norm = {
            (const float *)arrays[DNN_MEAN],  (const float *)arrays[DNN_INVERSE],
            (const float *)arrays[DNN_SCALE], (const float *)arrays[DNN_BIAS],
            (float *)arrays[DNN_SCALE_GRAD],  (float *)arrays[DNN_BIAS_GRAD],
            (float *)arrays[DNN_A],           (float *)arrays[DNN_B],
            (float *)arrays[DNN_C],
        };
        CUDA_TRY(gpu::launch(norm_backward_kernel<T>, 1, THREADS, 0, device->stream, (T *)x,
                             (const T *)arrays[DNN_NORM_X], shape_count(conv.in) / conv.in.c, conv.in.c, norm));
    }
    return OK;
}

} // namespace

int cuda_libraries_open(device *device)
{
    (void)device;
    return OK;
}

void cuda_libraries_close(device *device)
{
    (void)device;
}

void cuda_libraries_describe(char *text, size_t bytes)
{
    snprintf(text, bytes, "stand-ins for cuBLAS and cuDNN");
}

int dnn_plan_build(device *device, const dnn_conv *conv, dnn_pass pass, dnn_plan *plan)
{
    (void)device;
    plan->plan = new conv_plan{*conv, pass};
    plan->uses[0] = {DNN_W, pass == DNN_WEIGHTS ? conv->weights_dtype : conv->dtype, 0};
    plan->use_count = 1;
    plan->workspace_bytes = WORKSPACE_BYTES;
    /* Gradients in fp32 are slower than in 16 bits for some layers: both ways are gone. Other passes have no clock, so
     * joined ones are taken. */
    if (pass != DNN_WEIGHTS)
        plan->ms = NAN;
    else
        plan->ms = conv->weights_dtype != conv->dtype && conv->out.c % 3 == 0 ? 2.0f : 1.0f;
    return OK;
}

void dnn_plan_free(dnn_plan *plan)
{
    delete static_cast<conv_plan *>(plan->plan);
    *plan = dnn_plan();
}

int dnn_plan_run(device *device, dnn_plan *plan, const void *const *arrays, void *workspace)
{
    const conv_plan *described = static_cast<const conv_plan *>(plan->plan);
    TRY(spoil(device, workspace));
    switch (described->conv.dtype) {
    case DT_BF16: return conv_run<gpu::bf16>(device, described, arrays);
    case DT_F16: return conv_run<gpu::fp16>(device, described, arrays);
    default: return conv_run<float>(device, described, arrays);
    }
}

/* cuda: what the files of the CUDA backend share: the device, the libraries' errors, and the names of what device.c
 * lists. Private to kernels/cuda/. Read by the C compiler and by nvcc, and without any vendor header: handles are the
 * pointers that the vendor's names stand for (cudaStream_t is struct CUstream_st *), so that an emulated build needs no
 * toolkit.
 *
 * Rules of all files here: work is queued on device->stream and nowhere else; nothing waits and nothing is allocated
 * inside a step; sums have a fixed order (no floating-point atomics), so a step repeats bit for bit. */
#ifndef CUDA_H
#define CUDA_H
#include "backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct CUstream_st;
struct CUevent_st;
struct cublasLtContext;
struct cudnnContext;

enum {
    CUDA_NAME_BYTES = 96,
    CUDA_DRIVER_BYTES = 40,
    CUDA_REDUCTION_BYTES = 4 << 20, /* of device->reduction */
    CUDA_TICKETS = 64,
    CUDA_STAGING_BYTES = 64 << 10, /* of device->staging: uploads smaller than a quarter of it do not wait */
};

struct device {
    int index, sm_count;
    int capability; /* 90: sm_90 */
    char name[CUDA_NAME_BYTES];
    char driver[CUDA_DRIVER_BYTES]; /* cuda_describe_driver */
    size_t memory_bytes;
    struct CUstream_st *stream;    /* the one queue; cudaStream_t */
    void *reduction;               /* device memory: first stages of reductions, lost between calls */
    size_t reduction_bytes;        /* at least CUDA_REDUCTION_BYTES */
    unsigned *tickets;             /* device memory: CUDA_TICKETS counters, by which the last block of a kernel knows
                                      that it is; zero between kernels: who uses one leaves it so */
    struct cublasLtContext *blas;  /* cublasLtHandle_t */
    struct cudnnContext *dnn;      /* cudnnHandle_t, bound to stream */
    void *properties;              /* cudnnBackendDescriptor_t: of a device that is only described, see libraries.c */
    char *staging;                 /* pinned host memory: small uploads leave from here */
    size_t staging_used;           /* from the start of the current half */
    int staging_half;              /* 0 or 1 */
    struct CUevent_st *drained[2]; /* cudaEvent_t: that half's uploads are done */
    int64_t waits;                 /* of the host until the stream was empty */
    int64_t held;                  /* and for something in it, later work being queued already */
    struct CUevent_st *paces[BACKEND_LEAD]; /* cudaEvent_t: a step is done; by step */
    int64_t steps;                          /* paced so far */
    struct CUevent_st **marks;              /* cudaEvent_t, [mark_count]: by number, taken when first used */
    int mark_count;
    bool eager;   /* repeat records nothing */
    bool untimed; /* of several ways to compute something the first is taken; EVENKEEL_CUDA_TUNE=0, or no real device */
};

/* One line each: the call, its place, the library's own words. Return the status to pass up. */
int cuda_failed(int error, const char *call, const char *file, int line);
int cudnn_failed(int status, const char *call, const char *file, int line);
int cublas_failed(int status, const char *call, const char *file, int line);

#define CUDA_CHECKED_(call, failed)                                                                                    \
    do {                                                                                                               \
        int cuda_try_ = (int)(call);                                                                                   \
        if (cuda_try_ != 0)                                                                                            \
            return failed(cuda_try_, #call, __FILE__, __LINE__);                                                       \
    } while (0)
/* The runtime's calls and gpu::launch. */
#define CUDA_TRY(call)   CUDA_CHECKED_(call, cuda_failed)
#define CUDNN_TRY(call)  CUDA_CHECKED_(call, cudnn_failed)
#define CUBLAS_TRY(call) CUDA_CHECKED_(call, cublas_failed)

/* device.c: every wait of the host but while plans are made is one of these, which count them: until the stream is
 * empty (device->waits), for an event that has work queued behind it (device->held, where it was not over already). */
int cuda_wait(struct device *device);
int cuda_hold(struct device *device, struct CUevent_st *event);

/* driver.c: "13000 580.65.06", the CUDA that the driver is for and its own version, part of the keys of what is chosen
 * by time. path: where the kernel tells of it, CUDA_DRIVER_FILE; without such a file the version is left out. */
#define CUDA_DRIVER_FILE "/proc/driver/nvidia/version"
void cuda_describe_driver(const char *path, char text[CUDA_DRIVER_BYTES]);

/* range.c: NVTX ranges. */
void cuda_range_begin(const char *name);
void cuda_range_end(void);

/* mark.c: moments in the stream that keep their time. */
int cuda_mark(struct device *device, int number);
int cuda_mark_seconds(struct device *device, int from, int to, double *seconds);
void cuda_marks_close(struct device *device); /* accepts a half-opened device */

/* graph.c: the calls of a step as one CUDA graph, and how far the host may run ahead. */
int cuda_graph_open(struct device *device);
void cuda_graph_close(struct device *device); /* accepts a half-opened device */
int cuda_pace(struct device *device);
int cuda_repeat(struct device *device, struct recording **recording, int (*queue)(void *context), void *context);
void cuda_forget(struct device *device, struct recording *recording);

/* libraries.c: cuBLAS and cuDNN of a device whose stream is open, loaded where they are not yet. close accepts a
 * half-opened device. */
int cuda_libraries_open(struct device *device);
void cuda_libraries_close(struct device *device);
/* "cuBLAS 13.2.0, cuDNN 9.19.0" */
void cuda_libraries_describe(char *text, size_t bytes);
/* Fills *at of each symbol, the list ending with a name of NULL, from a library that stays loaded. ERR_DEVICE, telling
 * to install the product, where there is no such library or symbol. */
struct cuda_symbol {
    const char *name;
    void **at;
};
int cuda_library_load(const char *file, const char *product, const struct cuda_symbol *symbols);
/* A device that is not there, for planning alone: json is cuDNN's description of it (CUDNN_ATTR_DEVICEPROP_JSON_
 * REPRESENTATION). Operations can be prepared on it and nothing else. */
int cuda_described_open(struct device **device, const char *name, const char *json);
void cuda_described_close(struct device *device); /* accepts NULL */

/* layout.c: canonical weights [outer][channels][spatial] <-> the order of the device, [outer][spatial][own_channels],
 * whose channels past those of weight are 0. */
void cuda_channels_last(float *own, const float *canonical, struct shape weight, int own_channels);
void cuda_channels_first(float *canonical, const float *own, struct shape weight, int own_channels);

/* bias.cu: what the libraries leave over of convolutions and linear layers. NHWC; count rows of channels. */
/* to[row][channel] += bias[channel] */
int cuda_bias_add(struct device *device, void *to, enum dtype dtype, const float *bias, int64_t rows, int channels);
/* bias_grad[channel] = sum over rows of grad[row][channel] */
int cuda_bias_grad(struct device *device, float *bias_grad, const void *grad, enum dtype dtype, int64_t rows,
                   int channels);
/* to[i] = from[i] */
int cuda_widen(struct device *device, float *to, const void *from, enum dtype dtype, int64_t count);

extern const struct op_impl cuda_conv2d, cuda_linear, cuda_norm, cuda_relu, cuda_pool, cuda_add, cuda_dropout;

int cuda_feed_open(struct device *device, struct feed *feed, int slots, size_t slot_bytes);
void cuda_feed_close(struct device *device, struct feed *feed);
int cuda_feed_send(struct device *device, struct feed *feed, int slot);
int cuda_feed_taken(struct device *device, struct feed *feed, int slot);
int cuda_feed_wait(struct device *device, struct feed *feed, int slot);
int cuda_gather(struct device *device, const struct gather_args *args);
int cuda_loss(struct device *device, const struct loss_args *args);
int cuda_grad_norm(struct device *device, const struct update_args *args);
int cuda_part_norm(struct device *device, const struct update_args *args, const float *grad, bool first);
int cuda_survey(struct device *device, const struct survey_args *args);
int cuda_update(struct device *device, const struct update_args *args);
int cuda_accumulate(struct device *device, void *to, const void *from, int64_t count, enum dtype dtype, bool first);
int cuda_lower(struct device *device, void *low, enum dtype dtype, const float *param, int64_t count);
int cuda_blend(struct device *device, float *to, const float *from, int64_t count, const struct step_control *control);
int cuda_swap(struct device *device, float *a, float *b, int64_t count);
int cuda_record(struct device *device, struct step_record *ring, int slots, const struct loss_sums *sums,
                const struct update_args *args);
int cuda_count_nonfinite(struct device *device, const void *memory, enum dtype dtype, int64_t count, int64_t *found);

#ifdef __cplusplus
}
#endif
#endif

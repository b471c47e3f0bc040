/* error: what the emulated runtime remembers of failures, and its words for them. A kernel's mistake sticks until
 * emu_reset, any other error until cudaGetLastError. */
#include "stream.h"
#include <cstdarg>
#include <cstdio>

namespace emu
{
static cudaError_t last_error;

void forget_errors()
{
    now.error = last_error = cudaSuccess;
    now.message[0] = 0;
}

cudaError_t report(cudaError_t error)
{
    if (now.error != cudaSuccess)
        return now.error;
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

cudaError_t report_why(cudaError_t error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (now.error == cudaSuccess) {
        int length = snprintf(now.message, sizeof now.message, "emu: ");
        vsnprintf(now.message + length, sizeof now.message - size_t(length), format, arguments);
    }
    va_end(arguments);
    return report(error);
}

} // namespace emu

extern "C" {
using namespace emu;

const char *emu_message(void)
{
    return now.message;
}

cudaError_t cudaPeekAtLastError(void)
{
    return now.error != cudaSuccess ? now.error : last_error;
}

bool emu_blames(void)
{
    return cudaPeekAtLastError() != cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    const cudaError_t error = cudaPeekAtLastError();
    last_error = cudaSuccess;
    return error;
}

static const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
#define ERROR_ROW(name, value, text) {name, #name, text},
    CUDA_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.error == error)
            return row.name;
    return "unknown error";
}

const char *cudaGetErrorString(cudaError_t error)
{
    /* The diagnosis says more than the toolkit's words. */
    if (error != cudaSuccess && now.message[0] && error == cudaPeekAtLastError())
        return now.message;
    for (const auto &row : errors)
        if (row.error == error)
            return row.text;
    return "unknown error";
}
}

/* cuda_math: the device functions of CUDA that compute, in C++. Fast versions (__expf) are the exact ones here, so
 * results differ from a GPU's within their stated error. Knows nothing of threads. */
#ifndef EMU_CUDA_MATH_H
#define EMU_CUDA_MATH_H
#include <cmath>
#include <cstdint>
#include <cstring>

template <class To, class From> inline To emu_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

/* Macros: glibc declares these names and defines none. */
#define __expf(x)        expf(x)
#define __logf(x)        logf(x)
#define __fdividef(x, y) ((x) / (y))

inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}
inline float __frcp_rn(float x)
{
    return 1.0f / x;
}
inline float __saturatef(float x)
{
    return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
}
inline int __float2int_rn(float x)
{
    return int(rintf(x));
}
inline unsigned __umulhi(unsigned a, unsigned b)
{
    return unsigned((uint64_t(a) * b) >> 32);
}
inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
inline int __clz(int x)
{
    return x ? __builtin_clz(unsigned(x)) : 32;
}
inline unsigned __float_as_uint(float x)
{
    return emu_bits<unsigned>(x);
}
inline float __uint_as_float(unsigned x)
{
    return emu_bits<float>(x);
}
inline int __float_as_int(float x)
{
    return emu_bits<int>(x);
}
inline float __int_as_float(int x)
{
    return emu_bits<float>(x);
}

#define EMU_MIN_MAX(T)                                                                                                 \
    inline T min(T a, T b)                                                                                             \
    {                                                                                                                  \
        return b < a ? b : a;                                                                                          \
    }                                                                                                                  \
    inline T max(T a, T b)                                                                                             \
    {                                                                                                                  \
        return a < b ? b : a;                                                                                          \
    }
EMU_MIN_MAX(int)
EMU_MIN_MAX(unsigned)
EMU_MIN_MAX(long)
EMU_MIN_MAX(unsigned long)
EMU_MIN_MAX(long long)
EMU_MIN_MAX(unsigned long long)
#undef EMU_MIN_MAX
/* Of a number and a NaN the number, as CUDA has it. */
inline float min(float a, float b)
{
    return fminf(a, b);
}
inline float max(float a, float b)
{
    return fmaxf(a, b);
}
inline double min(double a, double b)
{
    return fmin(a, b);
}
inline double max(double a, double b)
{
    return fmax(a, b);
}
#endif

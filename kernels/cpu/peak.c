/* peak: what this CPU's multipliers give at most: bare loops of the instructions that do the work, for benches. Must
 * not know what uses them. */
#include "cpu.h"

#include <omp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__AMX_BF16__) || defined(__AMXBF16__)
#define WITH_AMX
#endif
#if defined(WITH_AMX) || defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#endif

enum { ROUNDS = 5, CHAINS = 12, FMA_TURNS = 500000, TILE_TURNS = 50000, TILE_BYTES = 1024 };

/* Twelve chains of multiply-adds, as many as hide their latency. */
#ifdef __AVX512F__
enum { LANES = 16 };
static float turn_vectors(void)
{
    __m512 sum[CHAINS];
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm512_set1_ps((float)c);
    const __m512 factor = _mm512_set1_ps(0.999f);
    for (int i = 0; i < FMA_TURNS; i++)
        for (int c = 0; c < CHAINS; c++)
            sum[c] = _mm512_fmadd_ps(sum[c], factor, factor);
    for (int c = 1; c < CHAINS; c++)
        sum[0] = _mm512_add_ps(sum[0], sum[c]);
    return _mm512_reduce_add_ps(sum[0]);
}
#elif defined(__FMA__)
enum { LANES = 8 };
static float turn_vectors(void)
{
    __m256 sum[CHAINS];
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm256_set1_ps((float)c);
    const __m256 factor = _mm256_set1_ps(0.999f);
    for (int i = 0; i < FMA_TURNS; i++)
        for (int c = 0; c < CHAINS; c++)
            sum[c] = _mm256_fmadd_ps(sum[c], factor, factor);
    for (int c = 1; c < CHAINS; c++)
        sum[0] = _mm256_add_ps(sum[0], sum[c]);
    return _mm256_cvtss_f32(sum[0]);
}
#else
enum { LANES = 0 };
static float turn_vectors(void)
{
    return 0.0f;
}
#endif

#ifdef WITH_AMX
/* Four sums, two left and two right factors, each loaded from the first cache once a turn. */
static void turn_tiles(void)
{
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    static const char factors[4 * TILE_BYTES] __attribute__((aligned(TILE_BYTES)));
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int i = 0; i < TILE_TURNS; i++) {
        _tile_loadd(4, factors, 64);
        _tile_loadd(6, factors + TILE_BYTES, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, factors + 2 * TILE_BYTES, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, factors + 3 * TILE_BYTES, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
}

static bool has_tiles(void)
{
    return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0;
}
#else
static void turn_tiles(void) {}

static bool has_tiles(void)
{
    return false;
}
#endif

static volatile float kept; /* what would else not be computed */

double cpu_peak(struct device *device, enum dtype dtype)
{
    const int threads = device->threads;
    if (dtype == DT_F32 ? LANES == 0 : dtype != DT_BF16 || !has_tiles())
        return 0.0;
    const double each = dtype == DT_F32 ? 2.0 * LANES * CHAINS * FMA_TURNS : 2.0 * 4 * 16 * 16 * 32 * TILE_TURNS;
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        const double begin = clock_seconds();
#pragma omp parallel num_threads(threads)
        {
            if (dtype == DT_F32)
                kept = turn_vectors();
            else
                turn_tiles();
        }
        const double rate = each * threads / (clock_seconds() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

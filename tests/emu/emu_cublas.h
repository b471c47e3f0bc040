/* emu_cublas: what a test says to the stand-in for cuBLAS. From C and C++. */
#ifndef EMU_CUBLAS_H
#define EMU_CUBLAS_H
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Epilogues with a bias or its gradient: it has them, or says of them that they are not supported, or not valid. */
enum emu_cublas_bias { EMU_CUBLAS_HAS, EMU_CUBLAS_UNSUPPORTED, EMU_CUBLAS_INVALID };

struct emu_cublas {
    int offers;       /* algorithms, best guess first: the first is slow, the second fails when it runs, the third is
                         the fastest; one alone is right */
    bool loses_nan;   /* its rectifier makes 0 of what is not a number */
    bool without_any; /* it offers nothing */
    enum emu_cublas_bias lacks_bias;
};
extern struct emu_cublas emu_cublas; /* at first one algorithm, NaN stays */
int emu_cublas_products(void);       /* run so far */
int emu_cublas_alive(void);          /* descriptors, layouts and preferences that were not destroyed */

#ifdef __cplusplus
}
#endif
#endif

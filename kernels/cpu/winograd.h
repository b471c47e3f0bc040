/* winograd: 3x3 convolutions of stride 1 in fp32 with 16 multiplications for 2x2 results instead of 36. Private to
 * kernels/cpu/.
 *
 * Winograd's F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): each patch of
 * 4x4 source pixels d becomes B'dB, each filter's taps g become GgG'; of their products, number by number, summed over
 * channels, the 2x2 results are A'mA:
 *   B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]   G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]
 *   A' = [1 1 1 0; 0 1 -1 -1]
 * So there are 16 planes, and in each a product of tiles (tile.h) whose left rows are patches. The gradient by the
 * source is the same convolution with other filters; that by the filters the transpose of all this: the outputs'
 * gradient y becomes AyA', the planes' products of it and B'dB are summed over patches, and of the sums u the gradient
 * is G'uG. */
#ifndef CPU_WINOGRAD_H
#define CPU_WINOGRAD_H
#include <stdbool.h>
#include <stddef.h>

enum { WINOGRAD_PLANES = 16, WINOGRAD_TAPS = 9 };

/* A patch's pixels to its planes, or its planes to results; `lanes` channels, a multiple of 16. Distances in floats. */
struct winograd_patch {
    const float *from;
    float *to;
    ptrdiff_t row_apart, column_apart; /* of pixels */
    ptrdiff_t plane_apart;
    ptrdiff_t tile_apart; /* of a plane's 16 channels from the next 16: not of results */
    int lanes;
    /* Of results. */
    const float *bias;
    int rows, columns; /* that are wanted of 2x2 */
    bool add;          /* to what lies there */
};
#endif

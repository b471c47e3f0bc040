/* weak: parts of the CUDA backend that are not there yet are NULL in its table, so that the others can be tested. */
#ifndef EMU_WEAK_H
#define EMU_WEAK_H
#pragma weak cuda_conv2d
#pragma weak cuda_linear
#pragma weak cuda_norm
#pragma weak cuda_relu
#pragma weak cuda_pool
#pragma weak cuda_add
#pragma weak cuda_dropout
#pragma weak cuda_gather
#pragma weak cuda_loss
#pragma weak cuda_grad_norm
#pragma weak cuda_update
#pragma weak cuda_record
#endif

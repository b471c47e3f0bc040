/* onnx: a trained model as an ONNX file (github.com/onnx/onnx, docs/IR.md and docs/Operators.md).
 * Level 7: includes trainer. */
#ifndef ONNX_H
#define ONNX_H
#include "trainer.h"

enum { ONNX_IR = 8, ONNX_OPSET = 17 }; /* of ONNX 1.12; what later readers all take */

/* Writes a complete file or none (new_file). session: of session_open_model. What the file computes:
 *   images         in:  float [N, channels, h, w], 0..1, of the size of the training's stored images
 *   logits         out: float [N, classes]
 *   probabilities  out: float [N, classes]
 * Normalisation and the centre crop are inside; weights are fp32, whatever the precision of the training. Metadata are
 * those of model.safetensors. ERR_UNSUPPORTED: images smaller than the crop, or 2 GiB of weights, which the format
 * cannot hold. */
int onnx_write(const char *path, struct session *session);
#endif

/* layers: changes to the [[layer]] sections of a config, which no key=value makes.
 * Level 4: includes config. */
#ifndef LAYERS_H
#define LAYERS_H
#include "config.h"

enum layer_change {
    LAYERS_KEPT,
    LAYERS_DROP_NOTHING,
    LAYERS_NORMALISED,
    LAYERS_WIDENED,
    LAYERS_WIDENED_TWICE,
    LAYERS_OPEN,
    LAYER_CHANGES
};
/* For people, of what is there then: "no dropout in the layers"; of LAYERS_KEPT "". */
extern const char *const layer_changes[LAYER_CHANGES];
/* Dropout goes; every convolution and hidden linear layer is followed by a normalisation, those that were not; every
 * layer gets four times as many filters and units; the answers pass through no rectifier. */
void layers_change(struct config *config, enum layer_change change);
#endif

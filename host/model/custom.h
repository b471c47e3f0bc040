/* custom: a network from the config's [[layer]] sections. Private to host/model. */
#ifndef CUSTOM_H
#define CUSTOM_H
#include "config.h"
#include "graph.h"

/* ERR_CONFIG: "file:line: …" names the layer's line. */
int custom_build(struct graph *graph, const struct config *config, int class_count);
#endif

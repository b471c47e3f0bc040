/* custom: a network from the config's [[layer]] sections. Private to host/model. */
#ifndef CUSTOM_H
#define CUSTOM_H
#include "config.h"
#include "graph.h"

/* Adds what does not fit, with the lines of the layers; the graph is of no use then. */
void custom_build(struct graph *graph, const struct config *config, int class_count, struct mistakes *mistakes);
#endif

/* joins: which neighbours in a graph a backend may compute together. Private to host/model/. */
#ifndef JOINS_H
#define JOINS_H
#include "plan.h"

/* The normalisation whose x is what this node makes; -1: none. */
int joins_norm_after(const struct graph *graph, int node);
/* The normalisation with rectifier and without addend that makes this node's first input, read by nobody else; -1:
 * none. So the gradient of its result is this node's alone. */
int joins_norm_before(const struct graph *graph, int node);
/* The rectifier that alone reads what this node makes; -1: none. */
int joins_relu_after(const struct graph *graph, int node);
/* Whether this node alone reads the network's input. */
bool joins_first(const struct graph *graph, int node);
/* Whether a node's backward pass reads an input, by plan->joins: one that makes a normalisation's result reads what
 * that reads, which stays for the normalisation's own backward pass. */
bool joins_read_again(const struct plan *plan, int node, int slot);
/* Tells the calls of both sides of plan->joins of each other. */
void joins_bind(struct plan *plan);

#endif

/* joins: which neighbours in a graph a backend may compute together. Private to host/model/. */
#ifndef JOINS_H
#define JOINS_H
#include "plan.h"

/* The neighbours that a node may be computed together with, which it tells desc of; and of those the ones that an
 * operation takes, by what it needs. */
struct plan_join joins_describe(const struct plan *plan, int node, struct op_desc *desc);
struct plan_join joins_taken(struct plan_join possible, const struct op_needs *needs);
/* Whether a node's backward pass reads an input, by plan->joins: one that makes a normalisation's result reads what
 * that reads, which stays for the normalisation's own backward pass. */
bool joins_read_again(const struct plan *plan, int node, int slot);
/* Whether the normalisation that a node takes has an addend: gradients by several readers meet there, and the addend is
 * read by the node's backward pass. */
bool joins_meets(const struct plan *plan, int node);
/* Tells the calls of both sides of plan->joins of each other. */
void joins_bind(struct plan *plan);

#endif

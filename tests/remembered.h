/* remembered: a backend that only keeps weights, a small network on it, and a folder to save it in. For tests of what
 * is written and read. The weights of convolutions lie backwards and padded in it, so that only the canonical layout
 * may reach a file. */
#ifndef TESTS_REMEMBERED_H
#define TESTS_REMEMBERED_H
#include "file.h"
#include "plan.h"

extern const struct backend remembering_backend;

/* Fails the running test with the failure's text. */
void must(int status);

struct network {
    struct graph graph;
    struct plan plan;
};
struct setting {
    enum optimizer_kind optimizer;
    bool ema, no_training;
    int units; /* of the last layer */
};
void build_network(struct network *network, struct setting setting);
void free_network(struct network *network);

/* Slabs that checkpoints keep, and whether the network has this value in one. */
enum { KEPT_SLABS = 6 };
extern const enum slab_kind kept_slabs[KEPT_SLABS];
bool in_slab(const struct network *network, int value, enum slab_kind slab);

/* Every weight a number of its own; NaN, infinity and -0 among them. */
float example_weight(enum slab_kind slab, int value, int64_t i, float salt);
void fill_network(struct network *network, float salt);
/* Compares bits: NaN and -0 count. */
bool same_slab(struct network *a, enum slab_kind slab_a, struct network *b, enum slab_kind slab_b);

/* A folder of the test's own, and the checkpoint's in it. */
enum { TOP_BYTES = 256 };
extern char top[TOP_BYTES], folder[TOP_BYTES + 16];
extern const char *const metadata[];
extern const char state_text[];
int make_top(void **state);
int remove_top(void **state);
int empty_top(void **state);
char *in_folder(char path[static PATH_BYTES], const char *name);
void write_bytes(const char *path, const void *data, size_t bytes);
#endif

/* bench: how fast a session's training steps are, and where their time goes.
 * Level 7: includes trainer. */
#ifndef BENCH_H
#define BENCH_H
#include "trainer.h"

/* A session's training steps, one after the other over its training images in the shuffled order of the first epoch,
 * which begins again at its end. */
struct bench {
    struct session *session;
    int32_t *order;        /* [subset.count] */
    int64_t at, end, step; /* next position in the order, where it begins again; steps queued */
};
/* Of session_open or session_open_noise. bench_close accepts a zeroed struct. */
int bench_open(struct bench *bench, struct session *session);
void bench_close(struct bench *bench);
/* Queues steps; does not wait but for images that are read from disk. */
int bench_steps(struct bench *bench, int count);

enum { BENCH_ROUNDS = 5 };
struct bench_times {
    double median, least, most; /* seconds a step, of the rounds */
    int steps;                  /* of a round */
    double waits;               /* how often the host waited within steps until the device stood still, a step */
    double held;                /* and how often for an earlier step, the device going on */
};
/* Some steps to warm up, then rounds of as many steps as take seconds / BENCH_ROUNDS, a wait at the end of each. */
int bench_time(struct bench *bench, double seconds, struct bench_times *times);
/* The steps of such a round, after warming up. */
int bench_warm(struct bench *bench, double seconds, int *steps);
/* Seconds a step of one round. */
int bench_round(struct bench *bench, int steps, double *seconds);

/* ---- ceilings ---- */

enum { BENCH_COPIES = 7 };
struct bench_ceiling {
    double copy[BENCH_COPIES]; /* bytes read and written a second, copying 2^15, 2^17, … 2^27 bytes; on a device that
                                  works by itself, where a small copy is little but its launch, at least what larger
                                  ones come to */
    double product;            /* floating-point operations a second */
    int side;                  /* product: of a linear layer so large; 0: of the multipliers alone (backend.peak) */
};
/* Takes about half a second. */
int bench_measure_ceiling(const struct backend *backend, struct device *device, enum dtype dtype,
                          struct bench_ceiling *ceiling);
/* What a copy takes that moves so many bytes, read and written ones together. */
double bench_copy_seconds(const struct bench_ceiling *ceiling, double bytes);

/* ---- where a step's time goes ---- */

struct bench_part {
    const char *name;
    int within;          /* the part that this one is part of; -1: the step */
    int node;            /* of the graph; -1: none */
    bool backward;       /* with node: which pass */
    double seconds;      /* a step; the median */
    double least;        /* the step in which it took least */
    double bytes, flops; /* what it must move and compute at least; 0: not counted, or nothing */
};
struct bench_profile {
    struct arena arena;
    struct bench_part *parts; /* in the order they first ran in */
    int part_count, room;
};
/* Runs so many steps; where the device works by itself a few more first, in which it records them with marks between
 * the parts. */
int bench_profile(struct bench *bench, int steps, struct bench_profile *profile);
void bench_profile_free(struct bench_profile *profile); /* accepts a zeroed struct */
/* Fills bytes and flops. batches: accumulated in a step. */
void bench_count(const struct plan *plan, int batches, struct bench_profile *profile);
/* Seconds that the part would take at its ceiling; NaN: not counted; 0: of an operation, other ones do its work. */
double bench_floor(const struct bench_ceiling *ceiling, const struct bench_part *part);
/* What an operation's passes, [0] forward and [1] backward, must move, by the bytes of its input, output and weights.
 * Normalisation reads its input twice, and everything twice on the way back. in_grad: of a product; whether the
 * gradient of the input is wanted. */
void bench_op_bytes(enum op_kind kind, const union op_params *params, double in, double out, double weights,
                    bool in_grad, double bytes[static 2]);

/* ---- all together ---- */

struct bench_report {
    const struct session *session;
    char device[256]; /* its description */
    struct bench_times times;
    struct bench_ceiling ceiling;
    struct bench_profile profile;
};
/* Times and profiles the session's steps for about so many seconds. bench_profile_free gives back the profile, also
 * after a failure. */
int bench_report(struct bench_report *report, struct session *session, double seconds);
/* layers: also a line for each layer. */
void bench_print(const struct bench_report *report, bool layers);
int bench_print_json(const struct bench_report *report);
#endif

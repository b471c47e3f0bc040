/* process: what the parts that do a sweep's runs share. Private to host/sweep. */
#ifndef PROCESS_H
#define PROCESS_H
#include "sweep.h"

/* Takes the lock of a run until descriptor is closed, or says that another process has it. */
enum { LOCK_ELSEWHERE = 1 };
int process_lock(const struct sweep *sweep, int run, int *descriptor);
/* sweep_outcome without regard to the lock: for who holds it. */
int process_outcome(const struct sweep *sweep, int run, struct sweep_outcome *outcome);
/* What a failed run's exit status makes of it. */
enum sweep_state process_failure(int exit_status);

/* ---- children.c ---- */
/* What a child leaves for its parent, in memory that both see. */
struct child_report {
    bool complete; /* false: the process ended before it came to that */
    int status;    /* of sweep_do */
    int stopped_by;
    struct sweep_outcome outcome;
    char text[1500]; /* fail_text */
};
struct child {
    int pid; /* 0: no child in this place */
    int run;
    double began;
    struct child_report *report;
};
/* Starts a run in a process of its own, on its share of the CPUs: the place-th of places. It ends with its parent,
 * having saved. */
int child_start(struct child *child, const struct sweep *sweep, int run, int place, int places);
#endif

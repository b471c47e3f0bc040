/* outcome: what the folder of a run says of it, and the lock that says whether somebody is at it. See include/sweep.h.
 * Starts nothing. */
#include "process.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Byte `run` of the plan is the lock of that run. Such locks also hold on network file systems, and end with the
 * process. */
static struct flock lock_of(int run)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = run, .l_len = 1};
}

int process_lock(const struct sweep *sweep, int run, int *descriptor)
{
    char path[PATH_BYTES];
    struct flock lock = lock_of(run);
    TRY(sweep_file(sweep, "sweep.plan", path));
    *descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (*descriptor < 0)
        return FAIL(ERR_NO_INPUT, "%s: cannot be opened for its locks: %s", path, strerror(errno));
    /* Other failures mean a file system without locks; then nothing can be known. */
    if (fcntl(*descriptor, F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES)) {
        close(*descriptor);
        return LOCK_ELSEWHERE;
    }
    return OK;
}

static bool is_locked(const struct sweep *sweep, int run)
{
    char path[PATH_BYTES];
    struct flock lock = lock_of(run);
    int descriptor = sweep_file(sweep, "sweep.plan", path) < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool locked = fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(descriptor);
    return locked;
}

enum sweep_state process_failure(int exit_status)
{
    if (exit_status == status_exit_code(ERR_TRAINING))
        return SWEEP_DIVERGED;
    return exit_status == status_exit_code(ERR_MEMORY) ? SWEEP_NO_MEMORY : SWEEP_BEGUN;
}

int process_outcome(const struct sweep *sweep, int run, struct sweep_outcome *outcome)
{
    char path[PATH_BYTES];
    struct run_end end;
    *outcome = (struct sweep_outcome){.state = SWEEP_WAITING};
    TRY(sweep_file(sweep, sweep->runs[run].name, path));
    run_read_end(path, &end);
    switch (end.kind) {
    case RUN_NONE: break;
    case RUN_OPEN: outcome->state = SWEEP_BEGUN; break;
    case RUN_DONE: outcome->state = SWEEP_DONE; break;
    case RUN_FAILED: outcome->state = process_failure(end.exit_status); break;
    }
    text_copy(outcome->reason, sizeof outcome->reason, end.kind == RUN_FAILED ? end.text : "");
    return OK;
}

int sweep_outcome(const struct sweep *sweep, int run, struct sweep_outcome *outcome)
{
    bool locked = is_locked(sweep, run);
    TRY(process_outcome(sweep, run, outcome));
    if (locked && (outcome->state == SWEEP_WAITING || outcome->state == SWEEP_BEGUN))
        outcome->state = SWEEP_GOING;
    return OK;
}

void sweep_outcome_text(const struct sweep *sweep, int run, const struct sweep_outcome *outcome, char *text,
                        size_t bytes)
{
    static const char *const words[] = {
        [SWEEP_WAITING] = "not begun", [SWEEP_BEGUN] = "interrupted", [SWEEP_GOING] = "going on in another process",
        [SWEEP_DONE] = "done",         [SWEEP_DIVERGED] = "diverged", [SWEEP_NO_MEMORY] = "out of memory"};
    char path[PATH_BYTES];
    struct measures measures;
    snprintf(text, bytes, "%s", words[outcome->state]);
    if (sweep_file(sweep, sweep->runs[run].name, path) < 0 || measure_run(path, NAN, &measures) < 0)
        return;
    if (outcome->state == SWEEP_DIVERGED)
        snprintf(text, bytes, "diverged at step %lld", (long long)measures.failed_step);
    else if (outcome->state == SWEEP_DONE && isnan(measures.val_accuracy))
        snprintf(text, bytes, "training loss %.4g", measures.last_loss);
    else if (outcome->state == SWEEP_DONE)
        snprintf(text, bytes, "val loss %.4g, accuracy %.2f %%%s", measures.val_loss, 100.0 * measures.val_accuracy,
                 measures.diverged ? ", worse than guessing" : "");
}

/* look: whether every run of a plan could begin on this machine, before anything is made. See sweep_look in
 * include/sweep.h. Knows no files of a sweep. */
#include "axes.h"
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether runs differ in what a session keeps open: the images they look for, or the device. */
static bool sweeps_session(const struct sweep_run *run)
{
    for (int i = 0; i < run->setting_count; i++)
        if (strncmp(run->settings[i].key, "data.", strlen("data.")) == 0 ||
            strcmp(run->settings[i].key, "train.device") == 0)
            return true;
    return false;
}

static int look(const struct sweep *sweep, const char *file, bool device)
{
    struct session session = {0};
    int status = OK;
    for (int i = 0, next = 0; i < sweep->run_count && status == OK; i++) {
        struct config config;
        if (sweep->runs[i].point != next) /* of another seed */
            continue;
        next++;
        status = sweep_load_run(sweep, file, &sweep->runs[i], &config, stderr);
        if (status == OK)
            status = session_look(&session, &config, device, stderr);
        if (sweeps_session(&sweep->runs[i])) {
            session_close(&session);
            session = (struct session){0};
        }
        session.config = NULL;
        config_free(&config);
    }
    session_close(&session);
    return status;
}

static int wait_for(int pid, const struct child_report *report)
{
    int wait_status = 0;
    while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    if (!report->complete) /* ended by a signal: Ctrl-C, no memory */
        return FAIL(ERR_TRAINING, "the process that looked at images and device ended before it was done%s%s",
                    WIFSIGNALED(wait_status) ? ": " : "",
                    WIFSIGNALED(wait_status) ? strsignal(WTERMSIG(wait_status)) : "");
    return report->status < 0 ? FAIL(report->status, "%s", report->text) : OK;
}

/* In a process of its own: a GPU that this one has opened would be of no use to the processes of the runs. */
int sweep_look(const struct sweep *sweep, const char *file, bool device)
{
    struct child_report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        return FAIL(ERR_MEMORY, "no memory for the report of a process");
    fflush(NULL);
    const int pid = fork();
    if (pid == 0) {
        report->status = look(sweep, file, device);
        snprintf(report->text, sizeof report->text, "%s", report->status < 0 ? fail_text() : "");
        report->complete = true;
        fflush(NULL);
        _exit(0);
    }
    const int status =
        pid > 0 ? wait_for(pid, report)
                : FAIL(ERR_MEMORY, "cannot start a process that looks at images and device: %s", strerror(errno));
    munmap(report, sizeof *report);
    return status;
}

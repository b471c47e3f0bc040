/* children: a run in a process of its own: its CPUs, its output, its end when the parent ends. Knows one child; which
 * runs and how many is launch.c's. */
#include "log.h"
#include "process.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* The place-th share of the CPUs that the parent may use; more places than CPUs share them in turn. */
static void take_cpus(int place, int places)
{
    cpu_set_t all, mine;
    CPU_ZERO(&all);
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    int count = CPU_COUNT(&all), number = 0;
    if (count < 1)
        return;
    int first = places <= count ? place * count / places : place % count;
    int end = places <= count ? (place + 1) * count / places : first + 1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            if (number >= first && number < end)
                CPU_SET(cpu, &mine);
            number++;
        }
    if (sched_setaffinity(0, sizeof mine, &mine) != 0)
        log_warn("the run shares all CPUs with the others: %s", strerror(errno));
}

/* stdout and stderr go to the run's log beside its folder, which may not be there yet. */
static int redirect(const struct sweep *sweep, int run, char path[static PATH_BYTES])
{
    char name[PATH_BYTES];
    snprintf(name, sizeof name, "%s.log", sweep->runs[run].name);
    TRY(sweep_file(sweep, name, path));
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666), nothing = open("/dev/null", O_RDONLY);
    if (log < 0)
        return FAIL(ERR_CREATE, "%s: cannot be made: %s", path, strerror(errno));
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
    if (nothing >= 0) {
        dup2(nothing, STDIN_FILENO);
        close(nothing);
    }
    log_set_color("auto");
    log_set_quiet(false);
    return OK;
}

static int exit_code(const struct child_report *report)
{
    if (report->status < 0)
        return status_exit_code(report->status);
    return report->stopped_by ? EX_TEMPFAIL : EX_OK;
}

static void be_child(const struct sweep *sweep, const struct child *child, int place, int places, int parent)
{
    struct child_report *report = child->report;
    char log[PATH_BYTES];
    sigset_t none;
    /* A Ctrl-C is the parent's to pass on. When the parent is killed, so that it cannot, the run saves and ends. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (getppid() != parent)
        _exit(EX_TEMPFAIL);
    report->status = redirect(sweep, child->run, log);
    const bool has_log = report->status == OK;
    if (has_log) {
        take_cpus(place, places);
        report->status = sweep_do(sweep, child->run, &report->outcome, &report->stopped_by);
    }
    if (report->status < 0) {
        log_error("%s", fail_text());
        /* Of several mistakes the text tells only their number. */
        snprintf(report->text, sizeof report->text, "%s%s%s", fail_text(), has_log ? "; more in " : "",
                 has_log ? log : "");
    }
    report->complete = true;
    fflush(NULL);
    _exit(exit_code(report));
}

int child_start(struct child *child, const struct sweep *sweep, int run, int place, int places)
{
    int parent = getpid();
    child->run = run;
    child->began = clock_seconds();
    *child->report = (struct child_report){0};
    fflush(NULL);
    child->pid = fork();
    if (child->pid == 0)
        be_child(sweep, child, place, places, parent);
    if (child->pid < 0) {
        child->pid = 0;
        return FAIL(ERR_MEMORY, "cannot start a process for a run: %s", strerror(errno));
    }
    setpgid(child->pid, child->pid); /* whichever of the two comes first */
    return OK;
}

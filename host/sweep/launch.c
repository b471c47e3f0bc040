/* launch: the runs of a plan by several processes at once, what is said of each, and an orderly end. See sweep_do_all
 * in include/sweep.h. Knows no config and no files of a run. */
#include "log.h"
#include "process.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE};

struct launch {
    const struct sweep *sweep;
    struct child *children;
    int jobs, running, next;     /* next: run to look at */
    int over, elsewhere, broken; /* runs with a result; left to another process; whose process was killed */
    int stopped_by, status;
    char failure[1500];
    double began;
};

/* ---- what is said ---- */

static void say_outcome(const struct launch *launch, int run, const struct sweep_outcome *outcome, double seconds)
{
    const struct sweep *sweep = launch->sweep;
    char label[256], what[200], took[24];
    sweep_run_label(&sweep->runs[run], label, sizeof label);
    sweep_outcome_text(sweep, run, outcome, what, sizeof what);
    text_duration(took, seconds);
    bool bad = outcome->state != SWEEP_DONE;
    log_info("%*d/%d  %s  %s%s%s  %s%s%s", snprintf(NULL, 0, "%d", sweep->run_count), launch->over, sweep->run_count,
             label, bad ? log_style(LOG_YELLOW) : "", what, bad ? log_style(LOG_PLAIN) : "", log_style(LOG_DIM), took,
             log_style(LOG_PLAIN));
}

static void say_progress(const struct launch *launch)
{
    char text[400] = "", took[24];
    size_t used = 0;
    for (int i = 0; i < launch->jobs && used < sizeof text; i++)
        if (launch->children[i].pid) {
            char label[200];
            sweep_run_label(&launch->sweep->runs[launch->children[i].run], label, sizeof label);
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "; " : "", label);
        }
    text_duration(took, clock_seconds() - launch->began);
    log_progress("%d/%d runs  %s  %s%s", launch->over, launch->sweep->run_count, took, text,
                 launch->stopped_by ? "  (saving)" : "");
}

/* ---- children ---- */

static bool ends(const struct launch *launch)
{
    return launch->stopped_by || launch->status < 0;
}

static void count_result(struct launch *launch, int run, const struct sweep_outcome *outcome, double seconds)
{
    launch->over++;
    if (seconds >= 0.0)
        say_outcome(launch, run, outcome, seconds);
}

/* Starts runs until every place is taken or none is left. */
static int fill_places(struct launch *launch)
{
    for (int place = 0; place < launch->jobs && !ends(launch); place++)
        while (!launch->children[place].pid && launch->next < launch->sweep->run_count) {
            struct sweep_outcome outcome;
            int run = launch->next++;
            TRY(sweep_outcome(launch->sweep, run, &outcome));
            if (outcome.state == SWEEP_GOING)
                launch->elsewhere++;
            else if (outcome.state == SWEEP_WAITING || outcome.state == SWEEP_BEGUN) {
                TRY(child_start(&launch->children[place], launch->sweep, run, place, launch->jobs));
                launch->running++;
            } else
                count_result(launch, run, &outcome, -1.0);
        }
    return OK;
}

/* number: the signal a person or a scheduler sent; the runs save and end. */
static void pass_on(struct launch *launch, int number)
{
    for (int i = 0; i < launch->jobs; i++)
        if (launch->children[i].pid)
            kill(launch->children[i].pid, number);
}

static void stop_for(struct launch *launch, int status, const char *reason)
{
    if (launch->status < 0)
        return;
    launch->status = status;
    text_copy(launch->failure, sizeof launch->failure, reason);
    pass_on(launch, SIGTERM);
}

/* Of a process that did not come to its report: ended by a signal, or asked to end before it had anything to save. */
static void take_end(struct launch *launch, const char *label, int wait_status)
{
    const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : EX_TEMPFAIL;
    if (code != EX_TEMPFAIL && code != 128 + SIGINT) {
        char reason[400];
        snprintf(reason, sizeof reason, "%s: its process ended with exit status %d; why is at the end of its log",
                 label, code);
        stop_for(launch, ERR_TRAINING, reason);
    }
    if (ends(launch))
        return;
    launch->broken++;
    if (WIFSIGNALED(wait_status))
        log_warn("%s: its process was ended by signal %d (%s); the run can be taken up again", label,
                 WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
}

static void take_report(struct launch *launch, struct child *child, int wait_status)
{
    const struct child_report *report = child->report;
    char label[256];
    sweep_run_label(&launch->sweep->runs[child->run], label, sizeof label);
    if (!report->complete) {
        take_end(launch, label, wait_status);
    } else if (report->status < 0) {
        char reason[1800];
        snprintf(reason, sizeof reason, "%s: %s", label, report->text);
        stop_for(launch, report->status, reason);
    } else if (report->outcome.state == SWEEP_GOING) {
        launch->elsewhere++;
    } else if (report->stopped_by) {
        launch->broken += !ends(launch);
    } else {
        count_result(launch, child->run, &report->outcome, clock_seconds() - child->began);
    }
}

static void reap(struct launch *launch)
{
    int wait_status, pid;
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0)
        for (int i = 0; i < launch->jobs; i++)
            if (launch->children[i].pid == pid) {
                launch->children[i].pid = 0;
                launch->running--;
                take_report(launch, &launch->children[i], wait_status);
            }
}

/* Until a child ends, a signal comes or a second is over. */
static void wait_for_news(struct launch *launch, const sigset_t *signals)
{
    struct timespec second = {.tv_sec = 1};
    int number = sigtimedwait(signals, NULL, &second);
    if (number <= 0 || number == SIGCHLD)
        return;
    if (!launch->stopped_by)
        log_info("stopping: the runs save what they have%s",
                 number == SIGINT ? "; Ctrl-C again ends them at once" : "");
    launch->stopped_by = number;
    pass_on(launch, number == SIGINT ? SIGINT : SIGTERM);
}

static int do_all(struct launch *launch, const sigset_t *signals)
{
    launch->began = clock_seconds();
    for (;;) {
        int status = fill_places(launch);
        if (status < 0)
            stop_for(launch, status, fail_text());
        if (launch->running == 0)
            break;
        say_progress(launch);
        wait_for_news(launch, signals);
        reap(launch);
    }
    log_progress_end();
    return launch->status < 0 ? FAIL(launch->status, "%s", launch->failure) : OK;
}

static void say_rest(const struct launch *launch)
{
    int left = launch->sweep->run_count - launch->over;
    if (launch->elsewhere)
        log_info("%d run%s going on in another process and left to it", launch->elsewhere,
                 launch->elsewhere == 1 ? " is" : "s are");
    if (launch->broken)
        log_warn("%d run%s ended before time", launch->broken, launch->broken == 1 ? " was" : "s were");
    if (left > launch->elsewhere) {
        char program[PATH_BYTES], folder[PATH_BYTES];
        text_shell(program, sizeof program, program_invocation_name);
        text_shell(folder, sizeof folder, launch->sweep->path);
        log_info("%d of %d runs are done; to go on: %s sweep %s", launch->over, launch->sweep->run_count, program,
                 folder);
    }
}

int sweep_do_all(const struct sweep *sweep, int jobs, int *stopped_by)
{
    struct arena arena = {0};
    struct launch launch = {.sweep = sweep, .jobs = jobs};
    size_t bytes = (size_t)jobs * sizeof(struct child_report);
    struct child_report *reports = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (reports == MAP_FAILED)
        return FAIL(ERR_MEMORY, "no memory for the reports of %d processes", jobs);
    launch.children = arena_push(&arena, (size_t)jobs * sizeof *launch.children);
    for (int i = 0; i < jobs; i++)
        launch.children[i].report = &reports[i];
    /* Blocked, so that none gets lost between two looks; sigtimedwait takes them. */
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (int i = 0; i < COUNT_OF(ending); i++) {
        struct sigaction action;
        /* As of a run (host/train/signals.c). */
        const bool of_reader = ending[i] == SIGHUP || ending[i] == SIGPIPE;
        if (!of_reader || (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN))
            sigaddset(&signals, ending[i]);
    }
    sigprocmask(SIG_BLOCK, &signals, &before);
    int status = do_all(&launch, &signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    say_rest(&launch);
    munmap(reports, bytes);
    arena_free(&arena);
    *stopped_by = launch.stopped_by;
    return status;
}

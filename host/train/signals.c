/* signals: notes the signals that ask a run to save and end. Knows no run. */
#include "train.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

volatile sig_atomic_t signal_caught;

/* SIGPIPE: whoever read the progress has gone, as of `train … 2>&1 | head`. */
static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE};
static struct sigaction before[COUNT_OF(handled)];
static bool begun;

static void note(int number)
{
    if (number == SIGINT && signal_caught == SIGINT)
        _exit(130);
    signal_caught = number;
}

static void leave(int number)
{
    static const char words[] = "stopped before the first step: there is nothing to save\n";
    const ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
    (void)written; /* nobody is left to be told */
    _exit(number == SIGINT ? 128 + SIGINT : EX_TEMPFAIL);
}

void signals_begin(bool saves)
{
    signal_caught = 0;
    struct sigaction action = {.sa_handler = saves ? note : leave, .sa_flags = SA_RESTART}, former;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < COUNT_OF(handled); i++) {
        sigaction(handled[i], &action, &former);
        if (!begun)
            before[i] = former;
        /* Under nohup a closed terminal does not concern the run; nor does a reader that whoever began it ignores. */
        if ((handled[i] == SIGHUP || handled[i] == SIGPIPE) && before[i].sa_handler == SIG_IGN)
            sigaction(handled[i], &before[i], NULL);
    }
    begun = true;
}

void signals_end(void)
{
    for (int i = 0; i < COUNT_OF(handled) && begun; i++)
        sigaction(handled[i], &before[i], NULL);
    begun = false;
}

/* signals: notes the signals that ask a run to save and end. Knows no run. */
#include "train.h"

#include <string.h>
#include <unistd.h>

volatile sig_atomic_t signal_caught;

static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};
static struct sigaction before[COUNT_OF(handled)];
static bool begun;

static void note(int number)
{
    if (number == SIGINT && signal_caught == SIGINT)
        _exit(130);
    signal_caught = number;
}

void signals_begin(void)
{
    signal_caught = 0;
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < COUNT_OF(handled); i++) {
        sigaction(handled[i], &action, &before[i]);
        /* Under nohup a closed terminal does not concern the run. */
        if (handled[i] == SIGHUP && before[i].sa_handler == SIG_IGN)
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

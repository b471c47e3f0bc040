/* fork: runs a planted defect in a process of its own, so that a sanitizer may end it. For tests of the emulator. */
#ifndef EMU_FORK_H
#define EMU_FORK_H
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

enum fate {
    FATE_FINE,      /* nothing was noticed */
    FATE_NOTICED,   /* a wrong result or a diagnosis: the defect returned true */
    FATE_SANITIZER, /* or a signal */
};

template <class F> fate run_apart(F defect)
{
    const int noticed = 77; /* no sanitizer ends with this */
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(0);
        _exit(defect() ? noticed : 0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    if (!WIFEXITED(status))
        return FATE_SANITIZER;
    return WEXITSTATUS(status) == 0 ? FATE_FINE : WEXITSTATUS(status) == noticed ? FATE_NOTICED : FATE_SANITIZER;
}
#endif

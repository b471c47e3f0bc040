/* train: the command that trains or goes on with a run. Knows the command line, not the training. */
#include "cli.h"
#include "trainer.h"

#include <stdio.h>
#include <string.h>

static int train(const struct train_request *request)
{
    struct train_result result;
    TRY(train_run(request, &result));
    printf("%s\n", result.path);
    return cli_stopped(result.stopped_by);
}

int command_train(int argc, char **argv)
{
    bool autopilot = false;
    struct train_request request = {.argc = argc, .argv = argv};
    const struct cli_option options[] = {
        {"autopilot", NULL, &autopilot, NULL,
         "train.autopilot=true: go back and lower the rate when training diverges"},
        {"resume", "RUN", NULL, &request.resume, "go on with the run in this folder from where it was saved"},
    };
    const struct cli_usage usage = {
        .synopsis = "train CONFIG [--autopilot] [key=value…]\ntrain --resume RUN [--autopilot] [key=value…]",
        .about = "Trains the network a config file describes. Values after the file go before what it says:\n"
                 "  evenkeel train configs/quickstart.ini lr=0.01 epochs=5\n"
                 "The run lands in a new folder; its path is the one line on stdout. SIGTERM, SIGUSR1, SIGUSR2 and\n"
                 "SIGXCPU save the state and end with exit status 75, Ctrl-C with 130; --resume goes on from there.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    /* The words as typed: cli_parse sorts them. */
    char *typed[256];
    request.argv = typed;
    request.argc = argc < COUNT_OF(typed) ? argc : COUNT_OF(typed);
    for (int i = 0; i < request.argc; i++)
        typed[i] = argv[i];
    TRY(cli_parse(&usage, &argc, argv));
    int first = 1;
    if (!request.resume) {
        if (argc < 2)
            return FAIL(ERR_USAGE, "train needs a config file, for example configs/quickstart.ini");
        if (strchr(argv[1], '=') && !file_exists(argv[1]))
            return FAIL(ERR_USAGE, "train needs a config file before '%s'", argv[1]);
        request.file = argv[first++];
    }
    /* As one more override, before those given, which win. argv[first - 1] is the program or the config's name. */
    static char on[] = "train.autopilot=true";
    if (autopilot)
        argv[--first] = on;
    request.overrides = (const char *const *)argv + first;
    request.override_count = argc - first;
    return train(&request);
}

/* sweep: the command that plans many runs, does them and prints what came of them. Knows the command line and the order
 * of these three. */
#include "sweep.h"
#include "cli.h"
#include "log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct sweep_line {
    struct sweep_request request;
    const char *jobs, *seeds, *base_batch;
};

static int read_numbers(struct sweep_line *line, int *jobs)
{
    int64_t value = 1;
    TRY(line->jobs ? cli_integer("jobs", line->jobs, 1, 1024, &value) : OK);
    *jobs = (int)value;
    value = 1;
    TRY(line->seeds ? cli_integer("seeds", line->seeds, 1, SWEEP_RUNS, &value) : OK);
    line->request.seeds = (int)value;
    value = 0;
    TRY(line->base_batch ? cli_integer("base-batch", line->base_batch, 1, 1 << 20, &value) : OK);
    line->request.base_batch = (int)value;
    return OK;
}

/* A folder that is a sweep goes on; a config begins one. */
static int open_sweep(struct sweep *sweep, struct sweep_line *line, int argc, char **argv)
{
    if (argc < 2)
        return FAIL(ERR_USAGE,
                    "sweep needs a config file and what to vary, such as batch_size=16,64,256; or the folder "
                    "of a sweep to go on with");
    if (folder_exists(argv[1])) {
        if (argc > 2 || line->seeds || line->base_batch || line->request.lr_rules || line->request.out)
            return FAIL(ERR_USAGE, "%s: the plan of a sweep stays as it is; begin another from its config", argv[1]);
        return sweep_read(sweep, argv[1]);
    }
    line->request.file = argv[1];
    line->request.words = (const char *const *)argv + 2;
    line->request.word_count = argc - 2;
    TRY(sweep_make(sweep, &line->request));
    return sweep_write(sweep, &line->request);
}

static int sweep(struct sweep_line *line, int argc, char **argv, int *stopped_by)
{
    struct sweep sweep = {0};
    int jobs, status = read_numbers(line, &jobs);
    if (status == OK)
        status = open_sweep(&sweep, line, argc, argv);
    if (status == OK) {
        log_info("sweep      %s: %d runs", sweep.path, sweep.run_count);
        status = sweep_do_all(&sweep, jobs, stopped_by);
    }
    if (status == OK)
        printf("%s\n", sweep.path);
    sweep_free(&sweep);
    return status;
}

int command_sweep(int argc, char **argv)
{
    struct sweep_line line = {0};
    const struct cli_option options[] = {
        {"seeds", "N", NULL, &line.seeds, "do every combination with N seeds, from train.seed on (1)"},
        {"jobs", "N", NULL, &line.jobs, "do N runs at a time, each with its share of the CPUs (1)"},
        {"out", "DIR", NULL, &line.request.out, "the sweep's folder (<run.dir>/<config's name>-sweep)"},
        {"lr-rule", "RULES", NULL, &line.request.lr_rules, "how optim.lr follows the batch: constant,linear,sqrt"},
        {"base-batch", "N", NULL, &line.base_batch, "the batch size that optim.lr is for (the config's)"},
    };
    const struct cli_usage usage = {
        .synopsis = "sweep CONFIG key=value,value… [key=value…] [--seeds N] [--jobs N]\nsweep FOLDER [--jobs N]",
        .about =
            "Does a run for every combination of the values, and for every seed:\n"
            "  evenkeel sweep configs/quickstart.ini batch_size=16,64,256 --seeds 3\n"
            "The plan is one line a run in the folder's sweep.plan; each run is an ordinary run directory beside it.\n"
            "Given the same words again, or the folder, a sweep goes on where it stopped. A run that diverges is a\n"
            "result. Ctrl-C has all runs save and end.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    int next = cli_parse(&usage, &argc, argv), stopped_by = 0;
    if (next != CLI_GO)
        return cli_exit(next);
    int status = sweep(&line, argc, argv, &stopped_by);
    if (status < 0)
        return cli_exit(status);
    return stopped_by == 0 ? EX_OK : stopped_by == SIGINT ? 128 + SIGINT : EX_TEMPFAIL;
}

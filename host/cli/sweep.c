/* sweep: the command that plans many runs, does them and prints what came of them. Knows the command line and the order
 * of these three. */
#include "cli.h"
#include "log.h"
#include "sweep_table.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct sweep_line {
    struct sweep_request request;
    const char *jobs, *seeds, *base_batch, *line, *target;
    bool table, slurm, submit;
};

static int read_numbers(struct sweep_line *line, int *jobs)
{
    *jobs = line->request.seeds = 1;
    TRY(cli_count("jobs", line->jobs, 1, 1024, jobs));
    TRY(cli_count("seeds", line->seeds, 1, SWEEP_RUNS, &line->request.seeds));
    if (line->submit && !line->slurm)
        return FAIL(ERR_USAGE, "--submit goes with --slurm");
    return cli_count("base-batch", line->base_batch, 1, 1 << 20, &line->request.base_batch);
}

/* Before there is a folder. The machine that gives jobs to others need not have the images, nor the device. */
static int look_first(const struct sweep *sweep, const struct sweep_line *line)
{
    if (sweep_is(sweep->path))
        return OK;
    if (line->slurm)
        TRY(sweep_slurm_look());
    const int status = sweep_look(sweep, line->request.file, !line->slurm);
    if (status != ERR_NO_INPUT || !line->slurm)
        return status;
    log_warn("the images were not found on this machine (above); the tasks need them on theirs");
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
    TRY(look_first(sweep, line));
    return sweep_write(sweep, &line->request);
}

static int read_target(const char *text, double *target)
{
    *target = NAN;
    if (text && (!text_to_double(text, target) || !(*target > 0.0)))
        return FAIL(ERR_USAGE, "--target %s: expected a loss above 0", text);
    return OK;
}

static void print_advice(const struct sweep_table *table)
{
    struct sweep_choice choices[SWEEP_ADVICE];
    struct sweep_region region;
    int count = sweep_recommend(table, choices);
    printf("\n");
    if (sweep_region_of(table, choices, &region))
        printf("%-21s %s images a step\n", "recommended", region.text);
    for (int i = 0; i < count; i++)
        printf("%-21s %s\n", choices[i].name, choices[i].reason);
    printf("%-21s evenkeel report %s\n", "charts of it", table->sweep->path);
}

/* Prints the table of what there is, and writes it beside the plan. */
static int show_table(const struct sweep *sweep, double target)
{
    struct sweep_table table;
    char path[PATH_BYTES];
    int status = sweep_table_make(&table, sweep, target);
    if (status == OK) {
        sweep_table_print(&table, stdout);
        print_advice(&table);
        printf("\n%s\n", sweep->path);
        status = sweep_file(sweep, "sweep.csv", path);
    }
    if (status == OK)
        status = sweep_table_write_csv(&table, path);
    if (status == OK)
        status = sweep_file(sweep, "sweep.json", path);
    if (status == OK)
        status = sweep_table_write_json(&table, path);
    sweep_table_free(&table);
    return status;
}

/* One run of the plan in this process: a job array's task. */
static int do_line(const struct sweep *sweep, const char *text, int *stopped_by)
{
    int line = 1;
    struct sweep_outcome outcome;
    char words[200];
    TRY(cli_count("line", text, 1, sweep->run_count, &line));
    const int run = line - 1;
    TRY(sweep_do(sweep, run, &outcome, stopped_by));
    sweep_outcome_text(sweep, run, &outcome, words, sizeof words);
    printf("%s/%s: %s\n", sweep->path, sweep->runs[run].name, words);
    return OK;
}

static int give_to_slurm(const struct sweep *sweep, int limit, bool submit)
{
    char word[PATH_BYTES];
    TRY(sweep_slurm_write(sweep, limit));
    if (submit)
        TRY(sweep_slurm_submit(sweep));
    text_shell(word, sizeof word, sweep->path);
    if (!submit)
        log_info("scripts for %d run%s: look at %s/array.sbatch, then %s/submit.sh", sweep->run_count,
                 sweep->run_count == 1 ? "" : "s", word, word);
    printf("%s\n", sweep->path);
    return OK;
}

static int do_sweep(const struct sweep *sweep, const struct sweep_line *line, int jobs, double target, int *stopped_by)
{
    if (line->line)
        return do_line(sweep, line->line, stopped_by);
    if (line->slurm)
        return give_to_slurm(sweep, line->jobs ? jobs : 0, line->submit);
    if (!line->table) {
        log_info("sweep      %s: %d run%s", sweep->path, sweep->run_count, sweep->run_count == 1 ? "" : "s");
        TRY(sweep_do_all(sweep, jobs, stopped_by));
    }
    return *stopped_by ? OK : show_table(sweep, target);
}

static int sweep(struct sweep_line *line, int argc, char **argv, int *stopped_by)
{
    struct sweep sweep = {0};
    double target;
    int jobs, status = read_numbers(line, &jobs);
    if (status == OK)
        status = read_target(line->target, &target);
    if (status == OK)
        status = open_sweep(&sweep, line, argc, argv);
    if (status == OK)
        status = do_sweep(&sweep, line, jobs, target, stopped_by);
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
        {"target", "LOSS", NULL, &line.target, "the training loss to which steps and seconds are counted"},
        {"table", NULL, &line.table, NULL, "do no runs, only print the table of what there is"},
        {"line", "N", NULL, &line.line, "do the plan's run N alone, in this process (for a job array)"},
        {"slurm", NULL, &line.slurm, NULL, "write job scripts for Slurm instead; --jobs then limits its tasks"},
        {"submit", NULL, &line.submit, NULL, "with --slurm: submit them"},
        {"base-batch", "N", NULL, &line.base_batch, "the batch size that optim.lr is for (the config's)"},
    };
    const struct cli_usage usage = {
        .synopsis = "sweep CONFIG key=value,value… [key=value…] [--seeds N] [--jobs N]\nsweep FOLDER [--jobs N] "
                    "[--target LOSS] [--table]",
        .about =
            "Does a run for every combination of the values, and for every seed:\n"
            "  evenkeel sweep configs/quickstart.ini batch_size=16,64,256 --seeds 3\n"
            "The plan is one line a run in the folder's sweep.plan; each run is an ordinary run directory beside it.\n"
            "Given the same words again, or the folder, a sweep goes on where it stopped. A run that diverges is a\n"
            "result. Ctrl-C has all runs save and end. At the end the table over seeds is printed, with what it "
            "recommends,\n"
            "and written to sweep.csv and sweep.json.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    int stopped_by = 0;
    TRY(cli_parse(&usage, &argc, argv));
    TRY(sweep(&line, argc, argv, &stopped_by));
    return cli_stopped(stopped_by);
}

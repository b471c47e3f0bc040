/* find-lr: the command that looks for a learning rate before a run. Knows the command line and what is printed. */
#include "find_lr.h"
#include "cli.h"
#include "log.h"
#include "plot.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct find_lr_line {
    const char *from, *to, *steps, *restarts, *out;
};

static int read_options(const struct find_lr_line *line, struct find_lr_options *options)
{
    *options = (struct find_lr_options){.from = 1e-6, .to = 100.0, .steps = 60, .restarts = 3};
    TRY(cli_number("from", line->from, 1e-12, 1000.0, &options->from));
    TRY(cli_number("to", line->to, 1e-12, 1000.0, &options->to));
    if (!(options->from < options->to))
        return FAIL(ERR_USAGE, "--from %g --to %g: the range is empty", options->from, options->to);
    TRY(cli_count("steps", line->steps, 8, 1000000, &options->steps));
    /* Asked for, it is as many; else a network that needs more has them. */
    enum { MOST = 480 };
    options->most_steps = line->steps ? options->steps : MOST;
    return cli_count("restarts", line->restarts, 1, FIND_LR_RESTARTS, &options->restarts);
}

static void print_spread(const char *label, const struct find_lr_spread *spread, const char *more)
{
    printf("%-10s %.2g", label, spread->middle);
    if (spread->count > 1)
        printf("   (%.2g to %.2g over %d restarts%s)", spread->low, spread->high, spread->count, more);
    else if (more[0])
        printf("   (%s)", more + 2);
    printf("\n");
}

static void print_result(const struct find_lr *found, const struct config *config, double from)
{
    if (found->best.count == 0 && found->diverged == found->restart_count) {
        printf("no rate can be suggested: the loss diverged at the smallest already; lower --from, which is %g\n",
               from);
        return;
    }
    if (found->best.count == 0) {
        printf("no rate of the range brought the loss clearly below guessing in %d steps, so that none can be told "
               "from another: try more --steps, or look at the data and the network first\n",
               found->steps);
        return;
    }
    print_spread("suggested", &found->best, "");
    print_spread("stable to", &found->stable, found->open_end ? ", at the end of the range: raise --to" : "");
    if (found->best.count < found->restart_count)
        printf("           found by %d of %d restarts only: in the others no rate came clearly below guessing\n",
               found->best.count, found->restart_count);
    if (config->optim.lr > found->stable.low)
        printf("           the config's optim.lr, %g, is above what was stable%s\n", config->optim.lr,
               config->schedule.warmup_epochs > 0.0 ? " from the first step on; its warm-up may carry it" : "");
}

static int write_files(const struct find_lr *found, const struct charts *charts, const struct config *config,
                       const char *out)
{
    char folder[PATH_BYTES], path[PATH_BYTES], name[2 * sizeof config->name];
    snprintf(name, sizeof name, "%s-find-lr", config->name);
    if (out && !text_copy(folder, sizeof folder, out))
        return FAIL(ERR_CREATE, "--out: the path is too long");
    TRY(out ? OK : path_join(folder, config->run.dir, name));
    TRY(folder_make(folder));
    TRY(path_join(path, folder, "find_lr.csv"));
    TRY(find_lr_write_csv(found, path));
    printf("\n%s\n", path);
    TRY(path_join(path, folder, "find_lr.png"));
    const struct plot_page page = {.title = config->name, .subtitle = "", .charts = charts};
    const int status = plot_write_png(&page, path);
    if (status == ERR_UNSUPPORTED)
        log_info("no picture: %s", fail_text());
    else if (status == OK)
        printf("%s\n", path);
    return status == ERR_UNSUPPORTED ? OK : status;
}

static int find(const struct config *config, const struct find_lr_options *options, const char *out)
{
    enum { LINES = 18 };
    struct session session = {0};
    struct find_lr found = {0};
    struct charts charts = {0};
    struct terminal terminal;
    int status = session_open(&session, config);
    if (status == OK)
        status = find_lr(&found, &session, options);
    session_close(&session);
    if (status == OK) {
        terminal_look(&terminal, STDOUT_FILENO);
        find_lr_chart(&found, &charts);
        plot_text(&charts.list[0], &terminal, LINES, stdout);
        printf("\n");
        print_result(&found, config, options->from);
        status = write_files(&found, &charts, config, out);
    }
    charts_free(&charts);
    find_lr_free(&found);
    return status;
}

int command_find_lr(int argc, char **argv)
{
    struct find_lr_line line = {0};
    const struct cli_option options[] = {
        {"from", "RATE", NULL, &line.from, "the smallest rate (1e-6)"},
        {"to", "RATE", NULL, &line.to, "the largest (100)"},
        {"steps", "N", NULL, &line.steps,
         "steps of the range test and of each trial (60, more where these tell nothing)"},
        {"restarts", "N", NULL, &line.restarts, "with so many fresh weights, one after the other (3)"},
        {"out", "DIR", NULL, &line.out, "where find_lr.csv and .png go (<run.dir>/<config's name>-find-lr)"},
    };
    const struct cli_usage usage = {
        .synopsis = "find-lr CONFIG [key=value…] [--restarts N] [--steps N] [--from RATE] [--to RATE]",
        .about =
            "Looks for a learning rate: lets it grow from fresh weights until the loss leaves, then trains shortly\n"
            "with single rates below that. Suggests the one whose loss fell furthest below guessing, and says up to "
            "which rate at\n"
            "least half as much was gained, with the spread over restarts. No run is made.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    struct find_lr_options wanted;
    TRY(cli_parse(&usage, &argc, argv));
    TRY(read_options(&line, &wanted));
    struct config config = {0};
    int status = cli_config(&config, argc, argv);
    if (status == OK)
        status = find(&config, &wanted, line.out);
    config_free(&config);
    return status;
}

/* report: the command that writes what there is to be seen of a run as one HTML file and a PNG. Knows the command line
 * only. */
#include "report.h"
#include "cli.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

static int write_page(const char *const *paths, int count, const char *out)
{
    if (count > 1)
        return report_write_runs(paths, count, out);
    return sweep_is(paths[0]) ? report_write_sweep(paths[0], out) : report_write_run(paths[0], out);
}

static int draw(const char *const *paths, int count, const char *out)
{
    if (count > 1)
        return report_draw_runs(paths, count, out);
    return sweep_is(paths[0]) ? report_draw_sweep(paths[0], out) : report_draw_run(paths[0], out);
}

/* Beside each other in the run's or sweep's folder, of several runs here. */
static int write_both(const char *const *paths, int count)
{
    const char *folder = count > 1 ? "" : paths[0];
    char path[PATH_BYTES];
    TRY(path_join(path, folder, "report.html"));
    int status = write_page(paths, count, path);
    if (status == ERR_CREATE) /* a run of somebody else's, a medium that is only read */
        return FAIL(status, "%s; give --out FILE, which writes the page there", fail_text());
    TRY(status);
    printf("%s\n", path);
    TRY(path_join(path, folder, "results.png"));
    status = draw(paths, count, path);
    /* A picture needs something to show and a library to draw with; the page needs neither. */
    if (status == ERR_UNSUPPORTED || status == ERR_NO_INPUT) {
        log_info("no picture: %s", fail_text());
        return OK;
    }
    if (status >= 0)
        printf("%s\n", path);
    return status;
}

static int write_alone(const char *const *paths, int count, const char *out)
{
    TRY(write_page(paths, count, out));
    printf("%s\n", out);
    return OK;
}

int command_report(int argc, char **argv)
{
    const char *out = NULL;
    const struct cli_option options[] = {
        {"out", "FILE", NULL, &out,
         "the page alone, in that file; default: report.html and results.png in the folder of the run or sweep, of "
         "several runs here"},
    };
    const struct cli_usage usage = {
        .synopsis = "report RUN|SWEEP [RUN…] [--out FILE]",
        .about =
            "Writes one HTML file that needs nothing else, and its charts as a PNG. Of a run: the doctor's verdict "
            "with\n"
            "its evidence, curves, what the loss's fluctuation is made of, classes and images it gets wrong; also "
            "while\n"
            "it goes on, or failed. Of several: their curves together, and a table. Of a sweep: what depends on the\n"
            "batch size.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc < 2)
        return FAIL(ERR_USAGE, "report needs the folder of a run or more, or of a sweep; `evenkeel train` and "
                               "`evenkeel sweep` print it");
    const char *const *paths = (const char *const *)argv + 1;
    return out ? write_alone(paths, argc - 1, out) : write_both(paths, argc - 1);
}

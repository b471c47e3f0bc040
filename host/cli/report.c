/* report: the command that writes what there is to be seen of a run as one HTML file. Knows the command line only. */
#include "report.h"
#include "cli.h"

#include <stdio.h>
#include <string.h>

static int write_page(const char *const *paths, int count, const char *out)
{
    if (count > 1)
        return report_write_runs(paths, count, out);
    return sweep_is(paths[0]) ? report_write_sweep(paths[0], out) : report_write_run(paths[0], out);
}

int command_report(int argc, char **argv)
{
    const char *out = NULL;
    const struct cli_option options[] = {
        {"out", "FILE", NULL, &out,
         "where to write it; default: report.html in the folder of the run or sweep, of several runs here"},
    };
    const struct cli_usage usage = {
        .synopsis = "report RUN|SWEEP [RUN…] [--out FILE]",
        .about =
            "Writes one HTML file that needs nothing else. Of a run: the doctor's verdict with its evidence, curves,\n"
            "what the loss's fluctuation is made of, classes and images it gets wrong; also while it goes on, or\n"
            "failed. Of several: their curves together, and a table. Of a sweep: what depends on the batch size.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    int next = cli_parse(&usage, &argc, argv);
    if (next != CLI_GO)
        return cli_exit(next);
    if (argc < 2)
        return cli_exit(FAIL(ERR_USAGE, "report needs the folder of a run or more, or of a sweep; `evenkeel train` and "
                                        "`evenkeel sweep` print it"));
    char path[PATH_BYTES];
    int status = out        ? path_join(path, "", out)
                 : argc > 2 ? path_join(path, "", "report.html")
                            : path_join(path, argv[1], "report.html");
    if (status >= 0)
        status = write_page((const char *const *)argv + 1, argc - 1, path);
    if (status >= 0)
        printf("%s\n", path);
    return cli_exit(status);
}

/* report: the command that writes what there is to be seen of a run as one HTML file. Knows the command line only. */
#include "report.h"
#include "cli.h"

#include <stdio.h>
#include <string.h>

int command_report(int argc, char **argv)
{
    const char *out = NULL;
    const struct cli_option options[] = {
        {"out", "FILE", NULL, &out, "where the page is written; default: report.html in the run's folder"},
    };
    const struct cli_usage usage = {
        .synopsis = "report RUN [--out FILE]",
        .about =
            "Writes one HTML file that needs nothing else: the doctor's verdict with its evidence, curves, what the\n"
            "loss's fluctuation is made of. Also of a run that is still going on, or failed.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    int next = cli_parse(&usage, &argc, argv);
    if (next != CLI_GO)
        return cli_exit(next);
    if (argc != 2)
        return cli_exit(FAIL(ERR_USAGE, "report needs a run directory; `evenkeel train` prints it"));
    char path[PATH_BYTES];
    int status = out ? path_join(path, "", out) : path_join(path, argv[1], "report.html");
    if (status >= 0)
        status = report_write_run(argv[1], path);
    if (status >= 0)
        printf("%s\n", path);
    return cli_exit(status);
}

/* plot: the command that draws what runs recorded, in the terminal or as a picture. Knows the command line, and what is
 * laid over each other. */
#include "plot.h"
#include "cli.h"
#include "report.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MOST = 8, FOLLOW_SECONDS = 2 };

struct plot_line {
    const char *chart, *png;
    bool terminal, follow;
};

/* Runs read together, and the charts of each. */
struct runs {
    struct run_facts facts[RUNS_MOST];
    struct charts charts[RUNS_MOST];
    int count;
};

static void runs_free(struct runs *runs)
{
    for (int i = 0; i < runs->count; i++) {
        charts_free(&runs->charts[i]);
        run_facts_free(&runs->facts[i]);
    }
    runs->count = 0;
}

static int runs_read(struct runs *runs, char *const *paths, int count)
{
    for (int i = 0; i < count; i++) {
        TRY(run_facts_read(&runs->facts[i], paths[i]));
        runs->count++;
        run_charts(&runs->charts[i], &runs->facts[i]);
    }
    return OK;
}

/* ---- which chart ---- */

static const char *names_of(const struct charts *charts, struct arena *arena)
{
    const char *names = "";
    for (int i = 0; i < charts->count; i++)
        names = arena_format(arena, "%s%s%s", names, i ? ", " : "", charts->list[i].id);
    return names;
}

static int find_chart(const struct runs *runs, int run, const char *name, const struct chart **found)
{
    struct arena arena = {0};
    int status = OK;
    *found = charts_find(&runs->charts[run], name);
    if (!*found && runs->charts[run].count == 0)
        status = FAIL(ERR_NO_INPUT, "%s: has recorded no step yet", runs->facts[run].path);
    else if (!*found)
        status = FAIL(ERR_USAGE, "--chart %s: %s has no such chart; it has %s", name, runs->facts[run].path,
                      names_of(&runs->charts[run], &arena));
    arena_free(&arena);
    return status;
}

/* The first curve of each run's chart, in a colour of its own. */
static int overlay(const struct runs *runs, const char *name, struct charts *over)
{
    const struct chart *first, *chart;
    TRY(find_chart(runs, 0, name, &first));
    struct chart *all = chart_add(over, first->id, first->title, first->how);
    all->y = first->y;
    all->x.title = first->x.title;
    for (int i = 0; i < runs->count; i++) {
        TRY(find_chart(runs, i, name, &chart));
        const struct chart_series *curve = NULL;
        for (int k = 0; k < chart->series_count && !curve; k++)
            if (chart->series[k].mark != CHART_RAW && chart->series[k].mark != CHART_BAND)
                curve = &chart->series[k];
        if (curve)
            chart_series_add(all, CHART_LINE, (enum chart_colour)(CHART_BLUE + i), runs->facts[i].name, curve->count,
                             curve->x, curve->y);
        if (chart->y.scale == CHART_LINEAR)
            all->y.scale = CHART_LINEAR;
    }
    return OK;
}

/* ---- in the terminal ---- */

static int draw(const struct runs *runs, const struct plot_line *line, const struct terminal *terminal)
{
    enum { PROMPT = 1 };
    struct charts over = {0};
    const struct chart *chart;
    int status = runs->count > 1 ? overlay(runs, line->chart, &over) : find_chart(runs, 0, line->chart, &chart);
    if (status >= 0)
        plot_text(runs->count > 1 ? &over.list[0] : chart, terminal, terminal->lines - PROMPT, stdout);
    charts_free(&over);
    return status;
}

static bool going_on(const struct runs *runs)
{
    bool open = false;
    for (int i = 0; i < runs->count; i++)
        open |= runs->facts[i].end.kind == RUN_OPEN;
    return open;
}

/* Draws again where it has drawn, until the runs are over. */
static int follow(char *const *paths, int count, const struct plot_line *line)
{
    const struct timespec pause = {.tv_sec = FOLLOW_SECONDS};
    struct terminal terminal;
    bool open = true;
    while (open) {
        struct runs runs = {0};
        terminal_look(&terminal, STDOUT_FILENO);
        fputs("\033[H\033[J", stdout);
        int status = runs_read(&runs, paths, count);
        if (status >= 0)
            status = draw(&runs, line, &terminal);
        open = going_on(&runs);
        runs_free(&runs);
        TRY(status);
        fflush(stdout);
        if (open)
            nanosleep(&pause, NULL);
    }
    return OK;
}

static int plot(char *const *paths, int count, const struct plot_line *line)
{
    struct terminal terminal;
    struct runs runs = {0};
    terminal_look(&terminal, STDOUT_FILENO);
    if (line->follow && !terminal.screen)
        return FAIL(ERR_USAGE, "--follow draws over what it drew, which needs a terminal; leave it out");
    if (line->follow)
        return follow(paths, count, line);
    int status = runs_read(&runs, paths, count);
    if (status >= 0)
        status = draw(&runs, line, &terminal);
    runs_free(&runs);
    return status;
}

int command_plot(int argc, char **argv)
{
    struct plot_line line = {.chart = "loss"};
    const struct cli_option options[] = {
        {"chart", "NAME", NULL, &line.chart, "loss, accuracy, split, rate, gradient, update, speed (loss)"},
        {"follow", NULL, &line.follow, NULL, "draw again every other second until the run ends"},
        {"tty", NULL, &line.terminal, NULL, "in the terminal, which is what it does without --png"},
    };
    const struct cli_usage usage = {
        .synopsis = "plot RUN [RUN…] [--chart NAME] [--follow]",
        .about = "Draws what a run has recorded so far, in the terminal: the loss of each batch, smoothed, and of the\n"
                 "validation. Several runs are laid over each other. ASCII where the locale is not UTF-8.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    int next = cli_parse(&usage, &argc, argv);
    if (next != CLI_GO)
        return cli_exit(next);
    if (argc < 2)
        return cli_exit(FAIL(ERR_USAGE, "plot needs a run directory; `evenkeel train` prints it"));
    if (argc - 1 > RUNS_MOST)
        return cli_exit(FAIL(ERR_USAGE, "plot: %d runs; at most %d can be told apart", argc - 1, RUNS_MOST));
    return cli_exit(plot(argv + 1, argc - 1, &line));
}

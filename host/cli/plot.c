/* plot: the command that draws what runs recorded, in the terminal or as a picture. Knows the command line. */
#include "plot.h"
#include "cli.h"
#include "report.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FOLLOW_SECONDS = 2 };

struct plot_line {
    const char *chart, *png;
    bool letters, follow;
};

static const char *names_of(const struct charts *charts, struct arena *arena)
{
    const char *names = "";
    for (int i = 0; i < charts->count; i++)
        names = arena_format(arena, "%s%s%s", names, i ? ", " : "", charts->list[i].id);
    return names;
}

/* Draws the chart; whether a run is still going on. */
static int draw(const char *const *paths, int count, const struct plot_line *line, const struct terminal *terminal,
                bool *open)
{
    enum { PROMPT = 1 };
    struct run_facts *facts;
    struct charts charts = {0};
    TRY(run_facts_read_all(&facts, paths, count));
    if (count > 1)
        compared_charts(&charts, facts, count);
    else
        run_charts(&charts, &facts[0]);
    *open = false;
    for (int i = 0; i < count; i++)
        *open |= facts[i].end.kind == RUN_OPEN;
    const struct chart *chart = charts_find(&charts, line->chart);
    int status = OK;
    const int said = run_facts_say_damage(facts, count);
    if (chart)
        plot_text(chart, terminal, terminal->lines - PROMPT - said, stdout);
    else if (charts.count == 0)
        status = FAIL(ERR_NO_INPUT, "%s: has recorded no step yet", paths[0]);
    else
        status = FAIL(ERR_USAGE, "--chart %s: there is no such chart, but %s", line->chart,
                      names_of(&charts, &charts.arena));
    charts_free(&charts);
    run_facts_free_all(facts, count);
    return status;
}

/* Draws again where it has drawn, until the runs are over. */
static int follow(const char *const *paths, int count, const struct plot_line *line)
{
    const struct timespec pause = {.tv_sec = FOLLOW_SECONDS};
    struct terminal terminal;
    for (bool open = true; open;) {
        terminal_look(&terminal, STDOUT_FILENO);
        fputs("\033[H\033[J", stdout);
        TRY(draw(paths, count, line, &terminal, &open));
        fflush(stdout);
        if (open)
            nanosleep(&pause, NULL);
    }
    return OK;
}

static int plot(const char *const *paths, int count, const struct plot_line *line)
{
    struct terminal terminal;
    bool open;
    terminal_look(&terminal, STDOUT_FILENO);
    if (line->follow && !terminal.screen)
        return FAIL(ERR_USAGE, "--follow draws over what it drew, which needs a terminal; leave it out");
    return line->follow ? follow(paths, count, line) : draw(paths, count, line, &terminal, &open);
}

static int picture(const char *const *paths, int count, const struct plot_line *line)
{
    TRY(count > 1 ? report_draw_runs(paths, count, line->png) : report_draw_run(paths[0], line->png));
    if (!line->letters) { /* else it is said there */
        struct run_facts *facts;
        TRY(run_facts_read_all(&facts, paths, count));
        run_facts_say_damage(facts, count);
        run_facts_free_all(facts, count);
    }
    printf("%s\n", line->png);
    return OK;
}

int command_plot(int argc, char **argv)
{
    struct plot_line line = {.chart = "loss"};
    const struct cli_option options[] = {
        {"chart", "NAME", NULL, &line.chart, "loss, accuracy, split, rate, gradient, update, speed (loss)"},
        {"follow", NULL, &line.follow, NULL, "draw again every other second until the run ends"},
        {"png", "FILE", NULL, &line.png, "all charts as a picture, in that file"},
        {"tty", NULL, &line.letters, NULL, "in the terminal: what it does without --png"},
    };
    const struct cli_usage usage = {
        .synopsis = "plot RUN [RUN…] [--chart NAME] [--follow] [--png FILE]",
        .about = "Draws what a run has recorded so far, in the terminal: the loss of each batch, smoothed, and of the\n"
                 "validation. Several runs are laid over each other. ASCII where the locale is not UTF-8.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc < 2)
        return FAIL(ERR_USAGE, "plot needs a run directory; `evenkeel train` prints it");
    const char *const *paths = (const char *const *)argv + 1;
    if (line.png)
        TRY(picture(paths, argc - 1, &line));
    return line.letters || !line.png ? plot(paths, argc - 1, &line) : OK;
}

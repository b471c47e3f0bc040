/* report: the page of a run. See include/report.h. Owns the order of what is on it. */
#include "log.h"
#include "sections.h"
#include "text.h"

#include <string.h>

static void put_state(FILE *page, const struct run_facts *facts)
{
    static const struct {
        const char *class, *text;
    } states[] = {[RUN_NONE] = {"open", "no run"},
                  [RUN_OPEN] = {"open", "going on, or interrupted"},
                  [RUN_DONE] = {"good", "done"},
                  [RUN_FAILED] = {"bad", "failed"}};
    fprintf(page, "<span class=\"pill %s\">%s</span>", states[facts->end.kind].class, states[facts->end.kind].text);
    if (facts->end.kind == RUN_FAILED) {
        fputs("<p>", page);
        page_text(page, facts->end.text);
        fputs("</p>", page);
    }
}

static void put_value(FILE *page, const struct config *config, const char *before, const char *key)
{
    char text[CONFIG_TEXT + 8];
    page_format(page, "%s%s", before, config_word(config, key, text, sizeof text));
}

/* What kind of run it is, in one line. */
static void put_summary(FILE *page, const struct config *config)
{
    static const char *const parts[][2] = {{"", "model.name"},
                                           {", ", "optim.name"},
                                           {" at rate ", "optim.lr"},
                                           {", schedule ", "schedule.name"},
                                           {", batch ", "train.batch_size"},
                                           {", images of ", "data.train"}};
    fputs("<p>", page);
    for (int i = 0; i < COUNT_OF(parts); i++)
        put_value(page, config, parts[i][0], parts[i][1]);
    fputs("</p>", page);
}

static void put_head(FILE *page, const struct run_facts *facts)
{
    fputs("<header><span class=\"brand\">evenkeel report</span><h1>", page);
    page_text(page, facts->name);
    fputs("</h1>", page);
    put_state(page, facts);
    put_summary(page, &facts->config);
    fputs("</header>\n", page);
}

void page_damage(FILE *page, const struct run_facts *facts)
{
    if (facts->damage_count == 0)
        return;
    fputs("<section class=\"card\"><h3>Records that could not be read</h3><p>Left out of all that follows, so that "
          "figures and verdict may miss something:</p><ul class=\"said\">\n",
          page);
    for (int i = 0; i < facts->damage_count; i++) {
        fputs("<li>", page);
        page_text(page, facts->damage[i]);
        fputs("</li>\n", page);
    }
    fputs("</ul></section>\n", page);
}

static void put_charts(FILE *page, const struct run_facts *facts)
{
    struct charts charts = {0};
    run_charts(&charts, facts);
    fputs("<h2>How it went</h2>\n<div class=\"grid\">\n", page);
    for (int i = 0; i < charts.count; i++)
        page_figure(page, &charts.list[i], FIGURE_PLAIN);
    fputs("</div>\n", page);
    charts_free(&charts);
}

static void put_run(FILE *page, const struct run_facts *facts)
{
    page_begin(page, facts->name);
    fputs("<main>\n", page);
    put_head(page, facts);
    page_damage(page, facts);
    page_verdict(page, facts);
    page_trials(page, facts);
    page_tiles(page, facts);
    page_sentences(page, facts);
    put_charts(page, facts);
    page_classes(page, facts);
    page_lost(page, facts);
    page_settings(page, facts);
    fputs("</main>\n", page);
    page_end(page);
}

int report_write_run(const char *run, const char *path)
{
    struct run_facts facts;
    struct new_file file = {0};
    TRY(run_facts_read(&facts, run));
    int status = new_file_open(&file, path);
    if (status >= 0) {
        run_facts_say_damage(&facts, 1);
        put_run(file.stream, &facts);
        status = new_file_commit(&file);
    }
    run_facts_free(&facts);
    return status;
}

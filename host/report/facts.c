/* facts: a run's directory read for a report: what is there, and what is not. See include/report.h. Must not know what
 * is shown of it. */
#include "facts.h"
#include "log.h"
#include "text.h"

#include <assert.h>
#include <string.h>

/* A run that has only just begun, or was killed at once, has no table yet: then it has no rows. */
static int read_table(struct run_facts *facts, struct table *table, const char *name)
{
    char path[PATH_BYTES];
    struct table_damage damage;
    TRY(path_join(path, facts->path, name));
    if (!file_exists(path))
        return OK;
    TRY(table_salvage(table, path, &damage));
    facts_note_damage(facts, &damage);
    return OK;
}

void facts_note_damage(struct run_facts *facts, const struct table_damage *damage)
{
    if (damage->rows == 0)
        return;
    assert(facts->damage_count < COUNT_OF(facts->damage));
    facts->damage[facts->damage_count++] =
        damage->rows == 1 ? arena_text(&facts->arena, damage->first)
                          : arena_format(&facts->arena, "%s; %lld more row%s likewise", damage->first,
                                         (long long)damage->rows - 1, damage->rows == 2 ? "" : "s");
}

int run_facts_say_damage(const struct run_facts *facts, int count)
{
    int lines = 0;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < facts[i].damage_count; k++, lines++)
            log_warn("%s; left out", facts[i].damage[k]);
    return lines;
}

static int read_all(struct run_facts *facts)
{
    TRY(train_load_config(&facts->config, facts->path, NULL, 0));
    run_read_end(facts->path, &facts->end);
    TRY(read_table(facts, &facts->steps, "steps.csv"));
    TRY(read_table(facts, &facts->results, "results.csv"));
    stability_of(&facts->steps, run_read_images(facts->path), &facts->stability);
    facts->stability.in_order = !facts->config.data.shuffle;
    TRY(facts_read_images(facts));
    facts_read_classes(facts);
    if (facts->steps.row_count == 0)
        facts->problem = "no step has been recorded yet";
    else if (diagnose_tables(&facts->diagnosis, facts->path, &facts->config, &facts->steps, &facts->results) < 0)
        facts->problem = arena_text(&facts->arena, fail_text());
    else {
        TRY(diagnose_recall(&facts->diagnosis, facts->path));
        TRY(diagnosis_leave_out(&facts->diagnosis, facts->path, false));
    }
    return OK;
}

int run_facts_read(struct run_facts *facts, const char *run)
{
    *facts = (struct run_facts){0};
    TRY(path_join(facts->path, run, ""));
    for (size_t length = strlen(facts->path); length > 1 && facts->path[length - 1] == '/'; length--)
        facts->path[length - 1] = 0;
    facts->name = path_base(facts->path);
    int status = read_all(facts);
    if (status < 0)
        run_facts_free(facts);
    return status;
}

void run_facts_free(struct run_facts *facts)
{
    table_free(&facts->steps);
    table_free(&facts->results);
    diagnosis_free(&facts->diagnosis);
    config_free(&facts->config);
    arena_free(&facts->arena);
    *facts = (struct run_facts){0};
}

/* Where the last folders of two runs are called the same, the names of all begin a folder earlier, and so on. */
static void tell_apart(struct run_facts *facts, int count)
{
    bool alike = true, longer = true;
    while (alike && longer) {
        alike = longer = false;
        for (int i = 0; i < count; i++)
            for (int k = 0; k < i; k++)
                alike |= strcmp(facts[i].name, facts[k].name) == 0;
        for (int i = 0; i < count && alike; i++) {
            const char *name = facts[i].name - (facts[i].name > facts[i].path); /* the slash */
            longer |= name > facts[i].path;
            while (name > facts[i].path && name[-1] != '/')
                name--;
            facts[i].name = name;
        }
    }
}

int run_facts_read_all(struct run_facts **facts, const char *const *runs, int count)
{
    int status = OK;
    *facts = NULL;
    if (count > CHART_SERIES)
        return FAIL(ERR_USAGE, "%d runs cannot be told apart in one chart; give at most %d", count, CHART_SERIES);
    TRY(memory_take(facts, (size_t)count * sizeof **facts, "runs"));
    for (int i = 0; i < count && status >= 0; i++)
        status = run_facts_read(&(*facts)[i], runs[i]);
    if (status < 0) {
        run_facts_free_all(*facts, count);
        *facts = NULL;
    } else {
        tell_apart(*facts, count);
    }
    return status;
}

void run_facts_free_all(struct run_facts *facts, int count)
{
    for (int i = 0; facts && i < count; i++)
        run_facts_free(&facts[i]);
    memory_give(facts);
}

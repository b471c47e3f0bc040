/* runs: the command that lists the runs of a folder, a line each: how each stands and what the doctor says of it. Reads
 * what runs have written; judges nothing itself. */
#include "cli.h"
#include "diagnosis.h"
#include "file.h"
#include "json.h"
#include "run.h"
#include "table.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listed {
    const char *name;
    struct run_end end;
    const char *state; /* "done", "stopped early", "failed", "stopped", "open" */
    int64_t epochs, planned;
    double accuracy;             /* of the best epoch, of the validation images; NaN: not known */
    const char *cause, *verdict; /* NULL: not judged */
};

/* ---- one run ---- */

/* The newest word on how it stands: a process that goes on with a run logs its data again. */
static void take_event(const json_t *event, void *state)
{
    const char *kind = json_string_value(json_object_get(event, "event"));
    if (strcmp(kind, "done") == 0)
        *(const char **)state = json_is_true(json_object_get(event, "early")) ? "stopped early" : "done";
    else
        *(const char **)state = strcmp(kind, "stopped") == 0 ? "stopped" : "open";
}

static void read_state(struct listed *run, const char *path)
{
    run->state = "open";
    run_read_events(path, (const char *const[]){"data", "stopped", "done", NULL}, take_event, &run->state);
    run_read_end(path, &run->end);
    if (run->end.kind == RUN_FAILED)
        run->state = "failed";
    else if (run->end.kind == RUN_DONE && strcmp(run->state, "open") == 0)
        run->state = "done";
}

static void read_results(struct listed *run, const char *path)
{
    char file[PATH_BYTES];
    struct table results = {0};
    run->accuracy = NAN;
    if (path_join(file, path, "results.csv") == OK && table_read(&results, file) == OK && results.row_count > 0) {
        const double *best = table_column_or_nan(&results, "best");
        const double *right = table_column_or_nan(&results, "metrics/accuracy_top1");
        run->epochs = (int64_t)table_last(&results, "epoch");
        for (int64_t row = 0; row < results.row_count; row++)
            run->accuracy = best[row] > 0.0 ? right[row] : run->accuracy;
    }
    table_free(&results);
}

static void read_verdict(struct listed *run, const char *path, struct arena *arena)
{
    struct diagnosis diagnosis = {0};
    if (diagnose_run(&diagnosis, path) == OK && diagnose_recall(&diagnosis, path) == OK) {
        run->cause = diagnosis.too_early ? "too_early" : cause_table[diagnosis.cause].name;
        run->verdict = diagnosis.too_early ? "too early to say" : arena_text(arena, diagnosis_title(&diagnosis));
    }
    diagnosis_free(&diagnosis);
}

/* false: it is no run. */
static bool read_run(struct listed *run, const char *folder, const char *name, struct arena *arena)
{
    char path[PATH_BYTES], file[PATH_BYTES];
    struct config config = {0};
    *run = (struct listed){.name = arena_text(arena, name)};
    if (path_join(path, folder, name) < 0 || path_join(file, path, "config.resolved.ini") < 0 || !file_exists(file))
        return false;
    if (train_load_config(&config, path, NULL, 0) == OK)
        run->planned = config.train.epochs;
    config_free(&config);
    read_state(run, path);
    read_results(run, path);
    read_verdict(run, path, arena);
    return true;
}

/* ---- all ---- */

static int find_runs(struct listed **runs, const char *folder, struct arena *arena)
{
    struct dirent **entries;
    const int entry_count = scandir(folder, &entries, NULL, versionsort);
    if (entry_count < 0)
        return FAIL(ERR_NO_INPUT, "%s: %s", folder, strerror(errno));
    int count = 0;
    *runs = arena_push(arena, (size_t)(entry_count + 1) * sizeof **runs);
    for (int i = 0; i < entry_count; i++) {
        count += entries[i]->d_name[0] != '.' && read_run(&(*runs)[count], folder, entries[i]->d_name, arena);
        free(entries[i]);
    }
    free(entries);
    return count;
}

static int print_json(const struct listed *runs, int count)
{
    json_t *all = json_array();
    for (int i = 0; i < count; i++) {
        const struct listed *run = &runs[i];
        json_array_append_new(all,
                              json_pack("{s:o, s:s, s:I, s:I, s:o, s:s?, s:o}", "run", json_text(run->name), "state",
                                        run->state, "epochs", (json_int_t)run->epochs, "planned",
                                        (json_int_t)run->planned, "val_accuracy", json_known(run->accuracy), "cause",
                                        run->cause, "verdict", run->verdict ? json_text(run->verdict) : json_null()));
    }
    return json_print(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}

static void print_text(const struct listed *runs, int count)
{
    int wide = 3;
    for (int i = 0; i < count; i++)
        wide = text_columns(runs[i].name) > wide ? text_columns(runs[i].name) : wide;
    printf("run%*s  state          epochs  accuracy  verdict\n", wide - 3, "");
    for (int i = 0; i < count; i++) {
        const struct listed *run = &runs[i];
        char epochs[48], accuracy[24] = "-";
        snprintf(epochs, sizeof epochs, "%lld/%lld", (long long)run->epochs, (long long)run->planned);
        if (isfinite(run->accuracy))
            snprintf(accuracy, sizeof accuracy, "%.2f %%", 100.0 * run->accuracy);
        const char *verdict = run->end.kind == RUN_FAILED                           ? run->end.text
                              : !run->cause                                         ? "-"
                              : strcmp(run->cause, cause_table[CAUSE_HEALTHY].name) ? run->verdict
                                                                                    : "no fault found";
        printf("%s%*s  %-13s %7s  %8s  %s\n", run->name, wide - text_columns(run->name), "", run->state, epochs,
               accuracy, verdict);
    }
}

int command_runs(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{"json", NULL, &json, NULL, "print one JSON array"}};
    const struct cli_usage usage = {
        .synopsis = "runs [DIR] [--json]",
        .about = "Lists the runs of a folder (`runs`, unless DIR is given; also that of a sweep), a line each: how it\n"
                 "stands, its epochs, the validation accuracy of its best one, and what the doctor says of it, by its\n"
                 "records and by trials that were made. A run that is open is going on, or was interrupted.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc > 2)
        return FAIL(ERR_USAGE, "runs: '%s' is one word too many; it takes one folder", argv[2]);
    const char *folder = argc == 2 ? argv[1] : "runs";
    struct arena arena = {0};
    struct listed *runs = NULL;
    int status = find_runs(&runs, folder, &arena);
    if (status == 0)
        status = FAIL(ERR_NO_INPUT, "%s: there is no run in it", folder);
    else if (status > 0 && json)
        status = print_json(runs, status);
    else if (status > 0)
        status = (print_text(runs, status), OK);
    arena_free(&arena);
    return status;
}

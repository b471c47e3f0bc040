/* run_records: columns of steps.csv and results.csv, events of log.jsonl. See include/run.h.
 * Owns how numbers are written; each record is one write. Must not know the folder. */
#include "run_records.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char steps_head[] =
    "step,epoch,samples,loss,loss_variance,loss_max,correct,grad_norm,update_norm,weight_norm,lr,nonfinite,bad,"
    "loss_median,loss_p90,update_ratio,grad_dot_update,grad_cosine,grad_dot_last,noise_grad,noise_trace,loss_smooth,"
    "loss_smooth_error,spike_z,loss_scale,loss_next,tied\n";
/* The first seven are ultralytics'. */
static const char results_head[] =
    "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0,"
    "train/accuracy,best,plateau_cut,bad_steps,images_per_second,data_wait,skipped,val/loss_error\n";

static int append(struct append_file *file, const struct run *run, const char *record, size_t bytes)
{
    int status = append_write(file, record, bytes);
    if (status >= 0)
        return status;
    return FAIL(status, "%s; make room, then go on from the last checkpoint: evenkeel train --resume %s", fail_text(),
                run->path);
}

static int count_cells(const char *line)
{
    int cells = 1;
    for (; *line; line++)
        cells += *line == ',';
    return cells;
}

/* Columns are added at the end alone, so a file of an older version has the first of them: it is gone on with. */
static int begin_file(struct append_file *file, const char *head, int *cells)
{
    char line[1024] = "";
    *cells = count_cells(head);
    if (append_length(file) == 0)
        return append_write(file, head, strlen(head));
    FILE *stream = fopen(file->path, "r");
    if (!stream || !fgets(line, sizeof line, stream))
        line[0] = 0;
    if (stream)
        fclose(stream);
    const size_t length = strcspn(line, "\n");
    if (length == 0 || strncmp(line, head, length) != 0 || (head[length] != ',' && head[length] != '\n'))
        return FAIL(ERR_DATA,
                    "%s: its columns are not this version's; go on with the version that began the run, or begin anew",
                    file->path);
    line[length] = 0;
    *cells = count_cells(line);
    return OK;
}

int run_records_write_heads(struct run *run)
{
    TRY(begin_file(&run->steps, steps_head, &run->steps_cells));
    return begin_file(&run->results, results_head, &run->results_cells);
}

/* A row being put together. */
struct row {
    char text[1024];
    size_t used;
};

static void put_text(struct row *row, const char *text)
{
    int length = snprintf(row->text + row->used, sizeof row->text - row->used, "%s%s", row->used ? "," : "", text);
    row->used += (size_t)length;
}

static void put_integer(struct row *row, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    put_text(row, text);
}

/* missing stands for NaN. */
static void put_number(struct row *row, double value, int digits, const char *missing)
{
    char text[32];
    snprintf(text, sizeof text, "%.*g", digits, value);
    put_text(row, isnan(value) ? missing : text);
}

/* cells: that the file's head has. */
static int append_row(struct append_file *file, const struct run *run, struct row *row, int cells)
{
    char *end = row->text;
    for (int i = 0; i < cells && end; i++)
        end = memchr(end + (i > 0), ',', row->used - (size_t)(end + (i > 0) - row->text));
    row->used = end ? (size_t)(end - row->text) : row->used;
    row->text[row->used++] = '\n';
    return append(file, run, row->text, row->used);
}

enum { FLOAT_DIGITS = 9, CLOCK_DIGITS = 6 };

int run_log_step(struct run *run, const struct step_record *record, const struct loss_view *view)
{
    /* Of a refused step a NaN is what was found, else it means not computed. */
    const char *missing = record->bad ? "nan" : "";
    struct row row = {0};
    put_integer(&row, record->step);
    put_integer(&row, (int64_t)record->epoch + 1);
    put_integer(&row, record->samples);
    put_number(&row, record->loss, FLOAT_DIGITS, missing);
    put_number(&row, record->loss_variance, FLOAT_DIGITS, missing);
    put_number(&row, record->loss_max, FLOAT_DIGITS, missing);
    put_integer(&row, record->correct);
    put_number(&row, record->grad_norm, FLOAT_DIGITS, missing);
    put_number(&row, record->update_norm, FLOAT_DIGITS, "");
    put_number(&row, record->weight_norm, FLOAT_DIGITS, missing);
    put_number(&row, record->lr, FLOAT_DIGITS, missing);
    put_integer(&row, record->nonfinite);
    put_integer(&row, record->bad);
    put_number(&row, record->loss_median, FLOAT_DIGITS, missing);
    put_number(&row, record->loss_p90, FLOAT_DIGITS, missing);
    put_number(&row, (double)record->update_norm / (double)record->weight_norm, FLOAT_DIGITS, "");
    put_number(&row, record->grad_dot_update, FLOAT_DIGITS, "");
    put_number(&row, record->grad_cosine, FLOAT_DIGITS, "");
    put_number(&row, record->grad_dot_last, FLOAT_DIGITS, "");
    put_number(&row, record->noise_grad, FLOAT_DIGITS, "");
    put_number(&row, record->noise_trace, FLOAT_DIGITS, "");
    put_number(&row, view->smooth, FLOAT_DIGITS, "");
    put_number(&row, view->smooth_error, FLOAT_DIGITS, "");
    put_number(&row, view->spike_z, FLOAT_DIGITS, "");
    put_number(&row, record->loss_scale, FLOAT_DIGITS, "");
    put_number(&row, record->loss_next, FLOAT_DIGITS, "");
    put_integer(&row, view->tied);
    return append_row(&run->steps, run, &row, run->steps_cells);
}

static int log_epoch_event(struct run *run, const struct epoch_record *record)
{
    char number[10][32];
    return run_log_event(
        run, "epoch",
        "\"epoch\":%" PRId64 ",\"seconds\":%s,\"train_loss\":%s,\"train_accuracy\":%s,\"val_loss\":%s,"
        "\"val_accuracy\":%s,\"val_accuracy5\":%s,\"lr\":%s,\"images_per_second\":%s,\"best\":%s,"
        "\"plateau_cut\":%s,\"bad_steps\":%" PRId64 ",\"data_wait\":%s,\"skipped\":%" PRId64 ",\"val_loss_error\":%s",
        record->epoch + 1, run_json_number(number[0], record->seconds), run_json_number(number[1], record->train_loss),
        run_json_number(number[2], record->train_accuracy), run_json_number(number[3], record->val_loss),
        run_json_number(number[4], record->val_accuracy), run_json_number(number[5], record->val_accuracy5),
        run_json_number(number[6], record->lr), run_json_number(number[7], record->images_per_second),
        record->best ? "true" : "false", record->plateau_cut ? "true" : "false", record->bad_steps,
        run_json_number(number[8], record->data_wait), record->skipped,
        run_json_number(number[9], record->val_loss_error));
}

int run_log_epoch(struct run *run, const struct epoch_record *record)
{
    struct row row = {0};
    put_integer(&row, record->epoch + 1);
    put_number(&row, record->seconds, CLOCK_DIGITS, "");
    put_number(&row, record->train_loss, FLOAT_DIGITS, "");
    put_number(&row, record->val_accuracy, FLOAT_DIGITS, "");
    put_number(&row, record->val_accuracy5, FLOAT_DIGITS, "");
    put_number(&row, record->val_loss, FLOAT_DIGITS, "");
    put_number(&row, record->lr, FLOAT_DIGITS, "");
    put_number(&row, record->train_accuracy, FLOAT_DIGITS, "");
    put_integer(&row, record->best);
    put_integer(&row, record->plateau_cut);
    put_integer(&row, record->bad_steps);
    put_number(&row, record->images_per_second, CLOCK_DIGITS, "");
    put_number(&row, record->data_wait, CLOCK_DIGITS, "");
    put_integer(&row, record->skipped);
    put_number(&row, record->val_loss_error, FLOAT_DIGITS, "");
    TRY(append_row(&run->results, run, &row, run->results_cells));
    return log_epoch_event(run, record);
}

char *run_json_number(char text[static 32], double value)
{
    if (isnan(value))
        strcpy(text, "null");
    else if (isinf(value))
        strcpy(text, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        snprintf(text, 32, "%.9g", value);
    return text;
}

int run_log_event(struct run *run, const char *event, const char *members, ...)
{
    struct arena arena = {0};
    char now[32], name[64];
    va_list args, again;
    clock_timestamp(now);
    text_json(name, sizeof name, event);
    va_start(args, members);
    va_copy(again, args);
    size_t bytes = (size_t)vsnprintf(NULL, 0, members, args) + 1;
    va_end(args);
    char *filled = arena_push(&arena, bytes);
    vsnprintf(filled, bytes, members, again);
    va_end(again);
    const char *line =
        arena_format(&arena, "{\"ts\":\"%s\",\"event\":%s%s%s}\n", now, name, filled[0] ? "," : "", filled);
    int status = append(&run->log, run, line, strlen(line));
    arena_free(&arena);
    return status;
}

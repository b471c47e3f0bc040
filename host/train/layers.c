/* layers: layers.csv, a row for each layer every so many steps. Owns its columns; must not know how they come about. */
#include "train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "step,epoch,node,layer,op,weight_norm,grad_norm,update_norm,update_ratio,mean,deviation,"
                           "positive,dead,mean_gap,variance_gap\n";

bool layers_due(const struct trainer *trainer, int64_t step)
{
    const int every = trainer->config.stats.layers_every;
    return trainer->config.stats.enabled && every > 0 && step % every == 0;
}

/* Bytes of whole lines before the first row of this step or a later one: what a run that goes on keeps. */
static int64_t kept_bytes(const char *text, size_t bytes, int64_t step)
{
    const char *line = text, *end = text + bytes, *next;
    while ((next = memchr(line, '\n', (size_t)(end - line)))) {
        if (line > text && strtoll(line, NULL, 10) >= step)
            break;
        line = next + 1;
    }
    return line - text;
}

static int open_file(struct trainer *trainer, int64_t kept)
{
    char path[PATH_BYTES];
    TRY(path_join(path, trainer->run.path, "layers.csv"));
    TRY(append_open(&trainer->layers, path, kept));
    return kept == 0 ? append_write(&trainer->layers, head, sizeof head - 1) : OK;
}

int layers_reopen(struct trainer *trainer)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    TRY(path_join(path, trainer->run.path, "layers.csv"));
    if (!file_exists(path))
        return OK;
    TRY(file_read(path, SIZE_MAX / 2, &text, &bytes));
    const int64_t kept = kept_bytes(text, bytes, trainer->state.step);
    memory_give(text);
    return open_file(trainer, kept);
}

int layers_sync(struct trainer *trainer)
{
    return trainer->layers.path[0] ? append_sync(&trainer->layers) : OK;
}

void layers_close(struct trainer *trainer)
{
    if (trainer->layers.path[0])
        append_close(&trainer->layers);
    trainer->layers.path[0] = '\0';
}

static void put_number(FILE *stream, float value)
{
    if (isnan(value))
        fputc(',', stream);
    else
        fprintf(stream, ",%.9g", (double)value);
}

/* dead is of a rectifier's output alone: elsewhere values are below 0 for good reason. */
static void put_layer(FILE *stream, const struct node *node, const struct layer_stats *layer)
{
    const bool rectified = node->op == OP_RELU || (node->op == OP_NORM && node->params.norm.relu);
    const float numbers[] = {
        layer->weight_norm, layer->grad_norm,   layer->update_norm, layer->update_norm / layer->weight_norm,
        layer->mean,        layer->deviation,   layer->positive,    rectified ? layer->dead : NAN,
        layer->mean_gap,    layer->variance_gap};
    for (int i = 0; i < COUNT_OF(numbers); i++)
        put_number(stream, numbers[i]);
}

static int write_rows(struct trainer *trainer, const struct step_record *record, const struct layer_stats *layers)
{
    const struct graph *graph = &trainer->session.graph;
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream)
        return FAIL(ERR_MEMORY, "layers.csv: no memory for its rows");
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        fprintf(stream, "%lld,%lld,%d,%s,%s", (long long)record->step, (long long)record->epoch + 1, i, node->name,
                op_table[node->op].name);
        put_layer(stream, node, &layers[i]);
        fputc('\n', stream);
    }
    fclose(stream);
    int status = append_write(&trainer->layers, text, bytes);
    free(text);
    return status;
}

int layers_write(struct trainer *trainer)
{
    struct plan *plan = &trainer->session.plan;
    const int64_t step = trainer->state.step - 1;
    struct step_record record;
    struct arena arena = {0};
    if (!trainer->layers.path[0])
        TRY(open_file(trainer, 0));
    TRY(plan_survey_end(plan));
    TRY(trainer->session.backend->wait(trainer->session.device));
    if (!plan_record(plan, step, &record))
        return OK;
    struct layer_stats *layers = arena_push(&arena, (size_t)plan->graph->node_count * sizeof *layers);
    int status = plan_survey_read(plan, &record, layers);
    if (status >= 0)
        status = write_rows(trainer, &record, layers);
    arena_free(&arena);
    return status;
}

/* evidence_layers: what layers.csv says of single layers: units that are dead, gradients that fade on their way back.
 * Must not judge. */
#include "evidence.h"

#include "csv.h"
#include "file.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 24 };
enum column { STEP, LAYER, OP, GRAD, DEAD, COLUMNS };
static const char *const names[COLUMNS] = {
    [STEP] = "step", [LAYER] = "layer", [OP] = "op", [GRAD] = "grad_norm", [DEAD] = "dead"};

/* Empty cells are NaN. */
static double number_at(char **cells, int count, int column)
{
    double value;
    return column >= 0 && column < count && text_to_double(cells[column], &value) ? value : NAN;
}

/* The layer with the largest share of dead channels, at the first step at which it is the largest. */
static void take_dead(struct layer_evidence *layers, double step, const char *layer, double dead)
{
    if (step == 0.0 && dead > layers->dead_drawn)
        layers->dead_drawn = dead;
    if (!(dead > layers->dead_share))
        return;
    layers->dead_share = dead;
    layers->dead_step = whole_of(step);
    text_copy(layers->dead_layer, sizeof layers->dead_layer, layer);
}

/* Of one step the first layer with weights and the last one. */
static void take_gradient(struct layer_evidence *layers, double step, const char *layer, double grad)
{
    if (!(grad >= 0.0))
        return;
    if (step == 0.0 && !layers->first_layer[0])
        layers->first_drawn = grad;
    if (step == 0.0)
        layers->last_drawn = grad;
    if (step != (double)layers->grad_step || !layers->first_layer[0]) {
        layers->grad_step = whole_of(step);
        layers->first_grad = grad;
        text_copy(layers->first_layer, sizeof layers->first_layer, layer);
    }
    layers->last_grad = grad;
    text_copy(layers->last_layer, sizeof layers->last_layer, layer);
}

static void read_rows(struct layer_evidence *layers, char *text, size_t bytes)
{
    struct csv csv = {text, text + bytes};
    char *cells[CELLS];
    int count, at[COLUMNS];
    if (!csv_row(&csv, cells, CELLS, &count))
        return;
    for (int i = 0; i < COLUMNS; i++)
        at[i] = csv_column(cells, count, names[i]);
    while (at[LAYER] >= 0 && csv_row(&csv, cells, CELLS, &count)) {
        const double step = number_at(cells, count, at[STEP]);
        if (!(step >= 0.0) || at[LAYER] >= count)
            continue;
        layers->measured = true;
        layers->normalises |= at[OP] >= 0 && at[OP] < count && strcmp(cells[at[OP]], "norm") == 0;
        layers->answer_dead = number_at(cells, count, at[DEAD]);
        take_dead(layers, step, cells[at[LAYER]], number_at(cells, count, at[DEAD]));
        take_gradient(layers, step, cells[at[LAYER]], number_at(cells, count, at[GRAD]));
    }
}

int evidence_layers(struct layer_evidence *layers, const char *run)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    *layers = (struct layer_evidence){.answer_dead = NAN};
    TRY(path_join(path, run, "layers.csv"));
    if (!file_exists(path)) /* not measured, or not yet */
        return OK;
    TRY(file_read(path, (size_t)1 << 32, &text, &bytes));
    read_rows(layers, text, bytes);
    memory_give(text);
    return OK;
}

/* samples: see include/samples.h. Owns the columns of samples.csv and predictions.csv; must not know how the numbers
 * come about. */
#include "samples.h"

#include "file.h"
#include "tensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The classes may be others by now. */
static int check_classes(const char *path, const struct sample_stats *table, int64_t count, int classes)
{
    for (int64_t i = 0; i < count; i++)
        if (table[i].prediction >= classes || table[i].majority >= classes)
            return FAIL(ERR_DATA, "%s: names a class %d of %d; the classes are not those of the training: train anew",
                        path, table[i].prediction >= classes ? table[i].prediction : table[i].majority, classes);
    return OK;
}

static int read_table(const char *checkpoint, const char *name, int classes, struct arena *arena,
                      const struct sample_stats **table, int64_t *count)
{
    char path[PATH_BYTES];
    struct tensor_file file = {0};
    TRY(path_join(path, checkpoint, "stats.safetensors"));
    TRY(tensors_read(&file, path));
    const struct tensor *samples = tensors_find(&file, name);
    const size_t entry = sizeof **table;
    int status = OK;
    if (!samples)
        status = FAIL(ERR_NO_INPUT, "%s: holds no %s; train with this version to have them kept", path, name);
    else if (samples->type != TENSOR_U8 || samples->rank != 2 || samples->dims[1] != (int64_t)entry)
        status = FAIL(ERR_DATA, "%s: its samples are laid out in another way; use the version that wrote it", path);
    if (status >= 0) {
        void *copy = arena_push(arena, samples->bytes + 1);
        memcpy(copy, samples->data, samples->bytes);
        *table = copy;
        *count = samples->dims[0];
        status = check_classes(path, *table, *count, classes);
    }
    tensors_free(&file);
    return status;
}

int samples_read(const char *checkpoint, int classes, struct arena *arena, const struct sample_stats **table,
                 int64_t *count)
{
    return read_table(checkpoint, "samples", classes, arena, table, count);
}

int samples_read_val(const char *checkpoint, int classes, struct arena *arena, const struct sample_stats **table,
                     int64_t *count)
{
    return read_table(checkpoint, "validation", classes, arena, table, count);
}

static void put_sample(FILE *stream, const struct dataset *data, int64_t number, const struct sample_stats *sample)
{
    const double seen = sample->seen;
    const int label = data->labels[number];
    fprintf(stream, "%lld,%d,", (long long)number, label);
    file_put_cell(stream, data->class_names[label]);
    fprintf(stream, ",%d,%.9g,%.9g,%.9g,%d,%d,%d,", sample->seen, (double)sample->loss / seen,
            (double)sample->margin / seen, (double)sample->probability / seen, sample->correct, sample->forgotten,
            sample->prediction);
    file_put_cell(stream, data->class_names[sample->prediction]);
    fprintf(stream, ",%d,%d,", sample->majority, sample->votes);
    if (data->files)
        file_put_cell(stream, data->files[number]);
    fputc('\n', stream);
}

int samples_write(const char *path, const struct dataset *data, const struct sample_stats *table)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    fputs(
        "sample,label,class,seen,loss,margin,probability,correct,forgotten,prediction,predicted,majority,votes,file\n",
        file.stream);
    for (int64_t i = 0; i < data->count; i++)
        if (table[i].seen > 0)
            put_sample(file.stream, data, i, &table[i]);
    return new_file_commit(&file);
}

/* As kernels/common/samples.h does for training's images. */
static void take_judgement(struct sample_stats *sample, const struct judgement *judgement)
{
    const bool right = judgement->prediction == judgement->label;
    const bool was_right = sample->seen > 0 && sample->prediction == judgement->label;
    if (!isfinite(judgement->loss) || !isfinite(judgement->margin) || sample->seen == UINT16_MAX)
        return;
    sample->loss += judgement->loss;
    sample->margin += judgement->margin;
    sample->probability += expf(-judgement->loss);
    sample->seen++;
    sample->correct = (uint16_t)(sample->correct + right);
    sample->forgotten = (uint16_t)(sample->forgotten + (was_right && !right));
    sample->prediction = (uint16_t)judgement->prediction;
    if (sample->votes == 0)
        sample->majority = (uint16_t)judgement->prediction;
    sample->votes = (uint16_t)(sample->majority == judgement->prediction ? sample->votes + 1 : sample->votes - 1);
}

void samples_judged(struct sample_stats *table, const struct judgement *judgements, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        take_judgement(&table[i], &judgements[i]);
}

int judgements_write(const char *path, const struct dataset *data, const struct judgement *judgements, int64_t count)
{
    struct new_file file;
    TRY(new_file_open(&file, path));
    fputs("sample,label,class,prediction,predicted,loss,confidence,file\n", file.stream);
    for (int64_t i = 0; i < count; i++) {
        const struct judgement *judgement = &judgements[i];
        fprintf(file.stream, "%d,%d,", judgement->sample, judgement->label);
        file_put_cell(file.stream, data->class_names[judgement->label]);
        fprintf(file.stream, ",%d,", judgement->prediction);
        file_put_cell(file.stream, data->class_names[judgement->prediction]);
        fprintf(file.stream, ",%.9g,%.9g,", (double)judgement->loss, (double)judgement->confidence);
        if (data->files)
            file_put_cell(file.stream, data->files[judgement->sample]);
        fputc('\n', file.stream);
    }
    return new_file_commit(&file);
}

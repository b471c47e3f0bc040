/* card: what a trained model expects and answers (image shape, classes, normalisation), as metadata of its weights
 * file. Knows no training. */
#include "json.h"
#include "text.h"
#include "trainer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *names_as_json(struct arena *arena, const struct model_card *card)
{
    size_t bytes = 3;
    for (int i = 0; i < card->class_count; i++)
        bytes += text_json(NULL, 0, card->class_names[i]) + 1;
    char *text = arena_push(arena, bytes), *at = text;
    *at++ = '[';
    for (int i = 0; i < card->class_count; i++) {
        if (i > 0)
            *at++ = ',';
        at += text_json(at, bytes - (size_t)(at - text), card->class_names[i]);
    }
    memcpy(at, "]", 2);
    return text;
}

static char *numbers_as_json(struct arena *arena, const double *numbers, int count)
{
    char text[4 * 32] = "[";
    size_t used = 1;
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.17g", i ? "," : "", numbers[i]);
    snprintf(text + used, sizeof text - used, "]");
    return arena_text(arena, text);
}

void card_make_metadata(struct session *session)
{
    struct arena *arena = &session->arena;
    const struct model_card *card = &session->card;
    const char *const pairs[] = {
        "format",    "pt", /* loaders of PyTorch weights ask for it; names and layouts are torchvision's */
        "evenkeel",  EVENKEEL_VERSION,
        "model",     session->graph.model,
        "image",     arena_format(arena, "[%d,%d,%d]", card->image.h, card->image.w, card->image.c),
        "classes",   names_as_json(arena, card),
        "mean",      numbers_as_json(arena, card->mean, card->image.c),
        "std",       numbers_as_json(arena, card->std, card->image.c),
        "normalize", card->by_image ? "image" : "given",
        NULL,
    };
    const char **kept = arena_push(arena, sizeof pairs);
    memcpy(kept, pairs, sizeof pairs);
    session->metadata = kept;
}

/* The JSON array of one key, given back with json_decref. */
static int read_array(const struct tensor_file *file, const char *path, const char *key, json_t **array)
{
    const char *text = tensors_meta(file, key);
    *array = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (json_is_array(*array))
        return OK;
    json_decref(*array);
    *array = NULL;
    return FAIL(ERR_DATA, "%s: its metadata has no list \"%s\"; it was not written by evenkeel train", path, key);
}

static int read_numbers(const struct tensor_file *file, const char *path, const char *key, double *to, int count)
{
    json_t *array;
    TRY(read_array(file, path, key, &array));
    bool good = (int)json_array_size(array) == count;
    for (int i = 0; i < count && good; i++) {
        good = json_is_number(json_array_get(array, (size_t)i));
        to[i] = json_number_value(json_array_get(array, (size_t)i));
    }
    json_decref(array);
    return good ? OK : FAIL(ERR_DATA, "%s: \"%s\" of its metadata should be %d numbers", path, key, count);
}

static int read_names(const struct tensor_file *file, const char *path, struct arena *arena, struct model_card *card)
{
    json_t *array;
    TRY(read_array(file, path, "classes", &array));
    size_t count = json_array_size(array);
    bool good = count > 0;
    card->class_count = (int)count;
    card->class_names = arena_push(arena, (count + 1) * sizeof *card->class_names);
    for (size_t i = 0; i < count && good; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        good = name != NULL;
        card->class_names[i] = arena_text(arena, good ? name : "");
    }
    json_decref(array);
    return good ? OK : FAIL(ERR_DATA, "%s: \"classes\" of its metadata should be names", path);
}

static int read_card(struct model_card *card, struct arena *arena, const struct tensor_file *file, const char *path)
{
    double shape[3];
    TRY(read_numbers(file, path, "image", shape, COUNT_OF(shape)));
    for (int i = 0; i < COUNT_OF(shape); i++)
        if (!(shape[i] >= 1.0 && shape[i] <= 65536.0))
            return FAIL(ERR_DATA, "%s: \"image\" of its metadata is no image size", path);
    card->image = (struct shape){1, (int)shape[0], (int)shape[1], (int)shape[2]};
    if (card->image.c > COUNT_OF(card->mean))
        return FAIL(ERR_DATA, "%s: images of %d channels are not supported", path, card->image.c);
    for (int c = 0; c < COUNT_OF(card->std); c++)
        card->std[c] = 1.0;
    TRY(read_numbers(file, path, "mean", card->mean, card->image.c));
    TRY(read_numbers(file, path, "std", card->std, card->image.c));
    const char *normalize = tensors_meta(file, "normalize"); /* older files have none */
    card->by_image = normalize && strcmp(normalize, "image") == 0;
    return read_names(file, path, arena, card);
}

int card_read(struct model_card *card, struct arena *arena, const char *checkpoint)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    TRY(checkpoint_find(folder, checkpoint));
    TRY(path_join(path, folder, "model.safetensors"));
    struct tensor_file file = {0};
    *card = (struct model_card){0};
    int status = tensors_read(&file, path);
    if (status == OK)
        status = read_card(card, arena, &file, path);
    tensors_free(&file);
    return status;
}

int card_match_shape(struct shape image, const char *source, const struct dataset *data)
{
    struct shape a = image, b = data->image;
    if (a.h == b.h && a.w == b.w && a.c == b.c)
        return OK;
    return FAIL(ERR_DATA, "%s: images are %d x %d with %d channel%s, those of %s are %d x %d with %d; set data.resize",
                data->source, b.w, b.h, b.c, b.c == 1 ? "" : "s", source, a.w, a.h, a.c);
}

static struct dataset classes_of(const struct model_card *card, const char *source, const struct dataset *data)
{
    return (struct dataset){
        .source = source, .format = data->format, .class_count = card->class_count, .class_names = card->class_names};
}

void card_adopt_classes(const struct model_card *card, struct dataset *data)
{
    const struct dataset of_model = classes_of(card, "the model", data);
    dataset_adopt_classes(data, &of_model);
}

/* A name as a card can keep it: bytes that are not UTF-8 are replaced (json_text). */
static const char *name_in_card(struct arena *arena, const char *name)
{
    json_t *value = json_text(name);
    const char *kept = arena_text(arena, json_string_value(value));
    json_decref(value);
    return kept;
}

static int match_classes(const struct model_card *card, const char *source, const struct dataset *data,
                         struct arena *arena)
{
    const struct dataset of_model = classes_of(card, source, data);
    struct dataset named = *data;
    named.class_names = arena_push(arena, (size_t)data->class_count * sizeof *named.class_names);
    for (int i = 0; i < data->class_count; i++)
        named.class_names[i] = name_in_card(arena, data->class_names[i]);
    return dataset_match(&of_model, &named);
}

int card_match(const struct model_card *card, const char *source, const struct dataset *data)
{
    struct arena arena = {0};
    int status = match_classes(card, source, data, &arena);
    arena_free(&arena);
    TRY(status);
    return card_match_shape(card->image, source, data);
}

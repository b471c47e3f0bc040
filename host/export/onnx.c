/* onnx: writes a graph and its weights as ONNX's messages. Owns which operations of ONNX ours are. Field numbers are
 * those of onnx.proto; what is large, the weights, goes to the file one by one. See onnx.h. */
#include "onnx.h"
#include "wire.h"

#include <math.h>
#include <string.h>

/* Field numbers, by message. */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { OPSET_VERSION = 2 };
enum { PAIR_KEY = 1, PAIR_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_IN = 11, GRAPH_OUT = 12 };
enum { NODE_IN = 1, NODE_OUT = 2, NODE_NAME = 3, NODE_KIND = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_FLOAT = 2, ATTRIBUTE_INTEGER = 3, ATTRIBUTE_INTEGERS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INTEGER = 2, TYPE_INTEGERS = 7 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { ELEMENT_FLOAT = 1, ELEMENT_INT64 = 7 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, OF_TENSOR = 1, ELEMENT_TYPE = 1, ELEMENT_SHAPE = 2, SHAPE_DIM = 1 };
enum { DIM_VALUE = 1, DIM_NAME = 2 };

struct writing {
    struct session *session;
    struct arena arena;
    struct message graph; /* all of it but the weights */
    const char **names;   /* per value of the graph: what it is called here */
};

static struct message *begin(struct writing *writing)
{
    struct message *message = arena_push(&writing->arena, sizeof *message);
    message->arena = &writing->arena;
    return message;
}

/* ---- nodes ---- */

/* name: the layer's, in one node of each; NULL for others: readers want no name twice. */
static struct message *begin_node(struct writing *writing, const char *kind, const char *name)
{
    struct message *node = begin(writing);
    if (name)
        wire_put_text(node, NODE_NAME, name);
    wire_put_text(node, NODE_KIND, kind);
    return node;
}

static void put_integer(struct writing *writing, struct message *node, const char *name, int64_t value)
{
    struct message *attribute = begin(writing);
    wire_put_text(attribute, ATTRIBUTE_NAME, name);
    wire_put_integer(attribute, ATTRIBUTE_INTEGER, value);
    wire_put_integer(attribute, ATTRIBUTE_TYPE, TYPE_INTEGER);
    wire_put_message(node, NODE_ATTRIBUTE, attribute);
}

static void put_integers(struct writing *writing, struct message *node, const char *name, const int64_t *values,
                         int count)
{
    struct message *attribute = begin(writing);
    wire_put_text(attribute, ATTRIBUTE_NAME, name);
    for (int i = 0; i < count; i++)
        wire_put_integer(attribute, ATTRIBUTE_INTEGERS, values[i]);
    wire_put_integer(attribute, ATTRIBUTE_TYPE, TYPE_INTEGERS);
    wire_put_message(node, NODE_ATTRIBUTE, attribute);
}

static void put_float(struct writing *writing, struct message *node, const char *name, float value)
{
    struct message *attribute = begin(writing);
    wire_put_text(attribute, ATTRIBUTE_NAME, name);
    wire_put_float(attribute, ATTRIBUTE_FLOAT, (double)value);
    wire_put_integer(attribute, ATTRIBUTE_TYPE, TYPE_FLOAT);
    wire_put_message(node, NODE_ATTRIBUTE, attribute);
}

/* in: names, NULL-terminated. Returns out. */
static const char *end_node(struct writing *writing, struct message *node, const char *const *in, const char *out)
{
    for (; *in; in++)
        wire_put_text(node, NODE_IN, *in);
    wire_put_text(node, NODE_OUT, out);
    wire_put_message(&writing->graph, GRAPH_NODE, node);
    return out;
}

/* A node without attributes. b: NULL for one input. */
static const char *put_plain(struct writing *writing, const char *kind, const char *name, const char *out,
                             const char *a, const char *b)
{
    return end_node(writing, begin_node(writing, kind, name), (const char *const[]){a, b, NULL}, out);
}

/* ---- tensors ---- */

/* All of a tensor that stands before its data. */
static struct message *begin_tensor(struct writing *writing, const char *name, int type, const int64_t *dims, int rank,
                                    uint64_t bytes)
{
    struct message *tensor = begin(writing);
    for (int i = 0; i < rank; i++)
        wire_put_integer(tensor, TENSOR_DIM, dims[i]);
    wire_put_integer(tensor, TENSOR_TYPE, type);
    wire_put_text(tensor, TENSOR_NAME, name);
    wire_put_length(tensor, TENSOR_RAW, bytes);
    return tensor;
}

/* Numbers of ours, [1, count, 1, 1]. */
static const char *put_floats(struct writing *writing, const char *name, const double *values, int count)
{
    struct message *tensor =
        begin_tensor(writing, name, ELEMENT_FLOAT, (const int64_t[]){1, count, 1, 1}, 4, 4 * (uint64_t)count);
    for (int i = 0; i < count; i++) {
        const float value = (float)values[i];
        uint32_t bits;
        uint8_t bytes[4];
        memcpy(&bits, &value, sizeof bits);
        wire_little(bytes, bits, sizeof bytes);
        wire_put_bytes(tensor, bytes, sizeof bytes);
    }
    wire_put_message(&writing->graph, GRAPH_TENSOR, tensor);
    return name;
}

static const char *put_pair(struct writing *writing, const char *name, int64_t first, int64_t second)
{
    struct message *tensor = begin_tensor(writing, name, ELEMENT_INT64, (const int64_t[]){2}, 1, 16);
    uint8_t bytes[16];
    wire_little(bytes, (uint64_t)first, 8);
    wire_little(bytes + 8, (uint64_t)second, 8);
    wire_put_bytes(tensor, bytes, sizeof bytes);
    wire_put_message(&writing->graph, GRAPH_TENSOR, tensor);
    return name;
}

/* ---- what comes before the network ---- */

static const char *put_mean(struct writing *writing, const char *in, const char *out)
{
    struct message *node = begin_node(writing, "ReduceMean", NULL);
    put_integers(writing, node, "axes", (const int64_t[]){1, 2, 3}, 3);
    return end_node(writing, node, (const char *const[]){in, NULL}, out);
}

/* augment_own_light: a deviation below one of 255 levels counts as one. */
static const char *put_own_deviation(struct writing *writing, const char *centred)
{
    const char *squares = put_plain(writing, "Mul", NULL, "normalize.squares", centred, centred);
    const char *variance = put_mean(writing, squares, "normalize.variance");
    const char *deviation = put_plain(writing, "Sqrt", NULL, "normalize.deviation", variance, NULL);
    return put_plain(writing, "Max", NULL, "normalize.std", deviation,
                     put_floats(writing, "normalize.least", &(double){1.0 / 255.0}, 1));
}

static const char *put_normalisation(struct writing *writing, const char *in)
{
    const struct model_card *card = &writing->session->card;
    const char *mean = card->by_image ? put_mean(writing, in, "normalize.mean")
                                      : put_floats(writing, "normalize.mean", card->mean, card->image.c);
    const char *centred = put_plain(writing, "Sub", NULL, "normalize.centred", in, mean);
    const char *std = card->by_image ? put_own_deviation(writing, centred)
                                     : put_floats(writing, "normalize.std", card->std, card->image.c);
    return put_plain(writing, "Div", NULL, "normalize", centred, std);
}

/* As in evaluation: torchvision's CenterCrop, which rounds halves to even. */
static int64_t crop_start(int image, int crop)
{
    return lrint((image - crop) / 2.0);
}

static const char *put_crop(struct writing *writing, const char *in)
{
    const struct shape image = writing->session->card.image,
                       seen = writing->session->graph.values[writing->session->graph.input].shape;
    if (image.h == seen.h && image.w == seen.w)
        return in;
    const int64_t top = crop_start(image.h, seen.h), left = crop_start(image.w, seen.w);
    struct message *node = begin_node(writing, "Slice", NULL);
    const char *const from[] = {in, put_pair(writing, "crop.starts", top, left),
                                put_pair(writing, "crop.ends", top + seen.h, left + seen.w),
                                put_pair(writing, "crop.axes", 2, 3), NULL};
    return end_node(writing, node, from, "crop");
}

/* ---- the network ---- */

static void put_window(struct writing *writing, struct message *node, int h, int w, int stride, int pad_h, int pad_w)
{
    put_integers(writing, node, "kernel_shape", (const int64_t[]){h, w}, 2);
    put_integers(writing, node, "strides", (const int64_t[]){stride, stride}, 2);
    put_integers(writing, node, "pads", (const int64_t[]){pad_h, pad_w, pad_h, pad_w}, 4);
}

/* What a node's first input is called, then its weights; first: instead of that input. */
static const char *const *inputs(struct writing *writing, const struct node *node, const char *first)
{
    const char **names = arena_push(&writing->arena, (OP_MAX_WEIGHTS + 2) * sizeof *names);
    names[0] = first ? first : writing->names[node->in[0]];
    for (int i = 0; i < node->weight_count; i++)
        names[i + 1] = writing->session->graph.values[node->weight[i]].name;
    return names;
}

/* What one of several nodes that a node of ours becomes gives. */
static const char *part_of(struct writing *writing, const char *whole, const char *part)
{
    return arena_format(&writing->arena, "%s.%s", whole, part);
}

static void put_conv2d(struct writing *writing, const struct node *node, const char *out)
{
    const union op_params *p = &node->params;
    struct message *conv = begin_node(writing, "Conv", node->name);
    put_window(writing, conv, p->conv2d.kernel_h, p->conv2d.kernel_w, p->conv2d.stride, p->conv2d.pad_h,
               p->conv2d.pad_w);
    put_integer(writing, conv, "group", p->conv2d.groups);
    end_node(writing, conv, inputs(writing, node, NULL), out);
}

/* Vectors are [N, units, 1, 1] as they are in the graph, where images and they may meet; the logits are not. */
static void put_linear(struct writing *writing, const struct node *node, const char *out)
{
    const bool last = node->out == writing->session->graph.logits;
    const char *vector = last ? out : part_of(writing, out, "vector");
    const char *flat =
        put_plain(writing, "Flatten", NULL, part_of(writing, out, "flat"), writing->names[node->in[0]], NULL);
    struct message *product = begin_node(writing, "Gemm", node->name);
    put_integer(writing, product, "transB", 1);
    end_node(writing, product, inputs(writing, node, flat), vector);
    if (!last)
        put_plain(writing, "Unsqueeze", NULL, out, vector, "vector.axes");
}

static void put_norm(struct writing *writing, const struct node *node, const char *out)
{
    const bool add = node->params.norm.add, relu = node->params.norm.relu;
    const char *at = add || relu ? part_of(writing, out, "norm") : out;
    struct message *norm = begin_node(writing, "BatchNormalization", node->name);
    put_float(writing, norm, "epsilon", node->params.norm.epsilon);
    end_node(writing, norm, inputs(writing, node, NULL), at);
    if (add)
        at =
            put_plain(writing, "Add", NULL, relu ? part_of(writing, out, "sum") : out, at, writing->names[node->in[1]]);
    if (relu)
        put_plain(writing, "Relu", NULL, out, at, NULL);
}

static void put_pool(struct writing *writing, const struct node *node, const char *out)
{
    static const char *const kinds[] = {
        [POOL_MAX] = "MaxPool", [POOL_AVERAGE] = "AveragePool", [POOL_GLOBAL] = "GlobalAveragePool"};
    const union op_params *p = &node->params;
    struct message *pool = begin_node(writing, kinds[p->pool.kind], node->name);
    if (p->pool.kind != POOL_GLOBAL) {
        put_window(writing, pool, p->pool.size, p->pool.size, p->pool.stride, p->pool.pad, p->pool.pad);
        put_integer(writing, pool, "ceil_mode", p->pool.ceil);
    }
    if (p->pool.kind == POOL_AVERAGE)
        put_integer(writing, pool, "count_include_pad", p->pool.count_padding);
    end_node(writing, pool, inputs(writing, node, NULL), out);
}

static void put_relu(struct writing *writing, const struct node *node, const char *out)
{
    put_plain(writing, "Relu", node->name, out, writing->names[node->in[0]], NULL);
}

static void put_add(struct writing *writing, const struct node *node, const char *out)
{
    put_plain(writing, "Add", node->name, out, writing->names[node->in[0]], writing->names[node->in[1]]);
}

/* Nothing is dropped where nothing is trained. */
static void put_dropout(struct writing *writing, const struct node *node, const char *out)
{
    put_plain(writing, "Identity", node->name, out, writing->names[node->in[0]], NULL);
}

static void (*const puts_node[OP_COUNT])(struct writing *, const struct node *, const char *out) = {
    [OP_CONV2D] = put_conv2d, [OP_LINEAR] = put_linear, [OP_NORM] = put_norm,       [OP_RELU] = put_relu,
    [OP_POOL] = put_pool,     [OP_ADD] = put_add,       [OP_DROPOUT] = put_dropout,
};

/* Layers may be called anything, "images" too: what they compute is called by its number, and they by their names. */
static void put_network(struct writing *writing)
{
    const struct graph *graph = &writing->session->graph;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        writing->names[node->out] = arena_format(&writing->arena, "%d", node->out);
        puts_node[node->op](writing, node, writing->names[node->out]);
    }
    put_plain(writing, "Flatten", NULL, "logits", writing->names[graph->logits], NULL);
    put_plain(writing, "Softmax", NULL, "probabilities", "logits", NULL);
}

/* ---- the whole ---- */

static void put_value(struct writing *writing, int field, const char *name, const int64_t *dims, int rank)
{
    struct message *value = begin(writing), *type = begin(writing), *tensor = begin(writing), *shape = begin(writing);
    for (int i = 0; i < rank; i++) {
        struct message *dim = begin(writing);
        if (dims[i] > 0)
            wire_put_integer(dim, DIM_VALUE, dims[i]);
        else
            wire_put_text(dim, DIM_NAME, "N");
        wire_put_message(shape, SHAPE_DIM, dim);
    }
    wire_put_integer(tensor, ELEMENT_TYPE, ELEMENT_FLOAT);
    wire_put_message(tensor, ELEMENT_SHAPE, shape);
    wire_put_message(type, OF_TENSOR, tensor);
    wire_put_text(value, VALUE_NAME, name);
    wire_put_message(value, VALUE_TYPE, type);
    wire_put_message(&writing->graph, field, value);
}

static void put_graph(struct writing *writing)
{
    const struct session *session = writing->session;
    const struct shape image = session->card.image;
    const int64_t out[] = {0, session->card.class_count};
    wire_put_text(&writing->graph, GRAPH_NAME, session->graph.model);
    put_value(writing, GRAPH_IN, "images", (const int64_t[]){0, image.c, image.h, image.w}, 4);
    put_value(writing, GRAPH_OUT, "logits", out, COUNT_OF(out));
    put_value(writing, GRAPH_OUT, "probabilities", out, COUNT_OF(out));
    put_pair(writing, "vector.axes", 2, 3);
    writing->names[session->graph.input] = put_crop(writing, put_normalisation(writing, "images"));
    put_network(writing);
}

static bool is_weight(const struct value *value)
{
    return value->role == VALUE_PARAM || value->role == VALUE_STATE;
}

/* Our {out, h, w, in} are numbers of canonical weights, which lie in memory as PyTorch's and ONNX's do. */
static struct message *begin_weight(struct writing *writing, const struct value *value)
{
    const struct shape s = value->shape;
    const int64_t conv[] = {s.n, s.c, s.h, s.w}, linear[] = {s.n, (int64_t)s.h * s.w * s.c},
                  vector[] = {shape_count(s)};
    return begin_tensor(writing, value->name, ELEMENT_FLOAT,
                        value->rank == 4   ? conv
                        : value->rank == 2 ? linear
                                           : vector,
                        value->rank, sizeof(float) * (uint64_t)shape_count(s));
}

/* Of the graph, and of all its messages: what the weights add. */
static uint64_t weight_bytes(struct writing *writing)
{
    const struct graph *graph = &writing->session->graph;
    uint64_t bytes = 0;
    for (int i = 0; i < graph->value_count; i++)
        if (is_weight(&graph->values[i])) {
            const uint64_t data = sizeof(float) * (uint64_t)shape_count(graph->values[i].shape);
            struct message key = {.arena = &writing->arena};
            const uint64_t whole = begin_weight(writing, &graph->values[i])->used + data;
            wire_put_length(&key, GRAPH_TENSOR, whole);
            bytes += key.used + whole;
        }
    return bytes;
}

static void write_message(struct new_file *file, const struct message *message)
{
    fwrite(message->bytes, 1, message->used, file->stream);
}

static int write_weight(struct writing *writing, struct new_file *file, int number, float *data)
{
    const struct value *value = &writing->session->graph.values[number];
    struct message key = {.arena = &writing->arena}, *tensor = begin_weight(writing, value);
    const size_t bytes = sizeof(float) * (size_t)shape_count(value->shape);
    const enum slab_kind slab = value->role == VALUE_PARAM ? SLAB_PARAM : SLAB_STATE;
    TRY(plan_read_weight(&writing->session->plan, slab, number, data));
    wire_put_length(&key, GRAPH_TENSOR, tensor->used + bytes);
    write_message(file, &key);
    write_message(file, tensor);
    fwrite(data, 1, bytes, file->stream);
    return OK;
}

static int write_weights(struct writing *writing, struct new_file *file)
{
    const struct graph *graph = &writing->session->graph;
    int64_t most = 1;
    for (int i = 0; i < graph->value_count; i++)
        if (is_weight(&graph->values[i]) && shape_count(graph->values[i].shape) > most)
            most = shape_count(graph->values[i].shape);
    float *data;
    TRY(memory_take(&data, (size_t)most * sizeof *data, "a weight's copy"));
    int status = OK;
    for (int i = 0; i < graph->value_count && status == OK; i++)
        if (is_weight(&graph->values[i]))
            status = write_weight(writing, file, i, data);
    memory_give(data);
    return status;
}

static struct message *begin_model(struct writing *writing)
{
    struct message *model = begin(writing), *opset = begin(writing);
    wire_put_integer(model, MODEL_IR, ONNX_IR);
    wire_put_text(model, MODEL_PRODUCER, "evenkeel");
    wire_put_text(model, MODEL_VERSION, EVENKEEL_VERSION);
    wire_put_integer(opset, OPSET_VERSION, ONNX_OPSET);
    wire_put_message(model, MODEL_OPSET, opset);
    for (const char *const *pair = writing->session->metadata; *pair; pair += 2) {
        struct message *entry = begin(writing);
        wire_put_text(entry, PAIR_KEY, pair[0]);
        wire_put_text(entry, PAIR_VALUE, pair[1]);
        wire_put_message(model, MODEL_METADATA, entry);
    }
    return model;
}

static int write_model(struct writing *writing, const char *path)
{
    put_graph(writing);
    struct message *model = begin_model(writing);
    const uint64_t graph_bytes = writing->graph.used + weight_bytes(writing);
    wire_put_length(model, MODEL_GRAPH, graph_bytes);
    if (model->used + graph_bytes > INT32_MAX)
        return FAIL(ERR_UNSUPPORTED, "%s: %.1f GB of weights are more than an ONNX file can hold (2 GiB)", path,
                    (double)graph_bytes / 1e9);
    struct new_file file;
    TRY(new_file_open(&file, path));
    write_message(&file, model);
    write_message(&file, &writing->graph);
    const int status = write_weights(writing, &file);
    if (status == OK)
        return new_file_commit(&file);
    new_file_abandon(&file);
    return status;
}

int onnx_write(const char *path, struct session *session)
{
    struct writing writing = {.session = session};
    const struct shape image = session->card.image, seen = session->graph.values[session->graph.input].shape;
    if (seen.h > image.h || seen.w > image.w)
        return FAIL(
            ERR_UNSUPPORTED,
            "%s: the crop of %d x %d pixels is larger than the images (%d x %d), which ONNX has no operation for", path,
            seen.w, seen.h, image.w, image.h);
    writing.graph.arena = &writing.arena;
    writing.names = arena_push(&writing.arena, (size_t)session->graph.value_count * sizeof *writing.names);
    card_make_metadata(session);
    const int status = write_model(&writing, path);
    arena_free(&writing.arena);
    return status;
}

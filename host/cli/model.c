/* model: prints a config's network: layers, shapes, parameters, operations, and the memory plan. Owns the table's look.
 */
#include "cli.h"
#include "trainer.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

/* What the command line does not say is taken from the training data. */
static int find_shape(const struct config *config, const char *image, const char *classes, struct shape *shape,
                      int *class_count)
{
    *class_count = 0;
    TRY(cli_count("classes", classes, 1, 1000000, class_count));
    if (image)
        TRY(cli_image(image, shape));
    if (image && classes)
        return OK;
    struct dataset data = {0};
    int status = config->data.train[0] ? OK : FAIL(ERR_USAGE, "the config names no data.train");
    if (status == OK)
        status = dataset_find(&data, config->data.train,
                              &(struct dataset_options){.resize = config->data.resize, .train_part = true});
    if (status == OK && data.image.h == 0) {
        dataset_close(&data);
        status = FAIL(ERR_DATA, "%s: holds no image that can be decoded", config->data.train);
    }
    if (status < 0)
        return FAIL(status, "%s; without data give --image 64x64x3 --classes 10", fail_text());
    if (!image)
        *shape = data.image;
    if (!classes)
        *class_count = data.class_count;
    dataset_close(&data);
    return OK;
}

/* "64x64x32": a shape without its batch. */
static const char *map_text(char text[static 48], struct shape shape)
{
    if (shape.h == 1 && shape.w == 1)
        snprintf(text, 48, "%d", shape.c);
    else
        snprintf(text, 48, "%dx%dx%d", shape.h, shape.w, shape.c);
    return text;
}

static const char *describe_node(char text[static 64], const struct node *node)
{
    const union op_params *p = &node->params;
    static const char *const pools[] = {
        [POOL_MAX] = "max pool", [POOL_AVERAGE] = "average pool", [POOL_GLOBAL] = "global pool"};
    switch (node->op) {
    case OP_CONV2D:
        snprintf(text, 64, "conv %dx%d%s%s", p->conv2d.kernel_h, p->conv2d.kernel_w,
                 p->conv2d.stride > 1 ? " stride " : "",
                 p->conv2d.stride > 1 ? (char[]){(char)('0' + p->conv2d.stride % 10), '\0'} : "");
        break;
    case OP_NORM: snprintf(text, 64, "norm%s%s", p->norm.add ? " + add" : "", p->norm.relu ? " + relu" : ""); break;
    case OP_POOL:
        if (p->pool.kind == POOL_GLOBAL)
            snprintf(text, 64, "%s", pools[p->pool.kind]);
        else
            snprintf(text, 64, "%s %dx%d", pools[p->pool.kind], p->pool.size, p->pool.size);
        break;
    case OP_DROPOUT: snprintf(text, 64, "dropout %g", (double)p->dropout.rate); break;
    default: snprintf(text, 64, "%s", op_table[node->op].name); break;
    }
    return text;
}

static void print_graph(const struct graph *graph)
{
    char kind[64], shape[48], flops[24];
    printf("%-22s %-20s %14s %14s %14s\n", "layer", "operation", "output", "parameters", "FLOPs/image");
    printf("%-22s %-20s %14s\n", "input", "", map_text(shape, graph->values[graph->input].shape));
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        const int64_t params = graph_node_param_count(graph, node);
        text_count(flops, graph_node_flops(graph, node));
        printf("%-22s %-20s %14s ", node->name, describe_node(kind, node),
               map_text(shape, graph->values[node->out].shape));
        if (params)
            printf("%14lld %14s\n", (long long)params, flops);
        else
            printf("%14s %14s\n", "", flops);
    }
    text_count(flops, graph_flops(graph));
    printf("%-22s %-20s %14s %14lld %14s\n", "in all", graph->model, "", (long long)graph_param_count(graph), flops);
    if (graph->first_trained > 0)
        printf("%-22s %-20s %14s %14lld\n", "of them trained", graph->nodes[graph->first_trained].name, "and on",
               (long long)graph_trained_count(graph));
}

static int show_model(const struct config *config, const char *image, const char *classes, bool verbose)
{
    struct shape shape;
    int class_count;
    struct session session;
    TRY(find_shape(config, image, classes, &shape, &class_count));
    int status = session_open_bare(&session, config, shape, class_count);
    if (status == OK) {
        print_graph(&session.graph);
        printf("\nmemory for training on %s\n", session.backend->name);
        plan_print(&session.plan, stdout, verbose);
    }
    session_close(&session);
    return status;
}

int command_model(int argc, char **argv)
{
    const char *image = NULL, *classes = NULL;
    bool verbose = false;
    const struct cli_option options[] = {
        {"image", "HxWxC", NULL, &image, "image shape instead of the training data's, such as 64x64x3"},
        {"classes", "N", NULL, &classes, "number of classes instead of the training data's"},
        {"verbose", NULL, &verbose, NULL, "also where every activation and gradient lies"},
    };
    const struct cli_usage usage = {
        .synopsis = "model CONFIG [key=value…]",
        .about = "Prints the network: layers, shapes, parameters, operations per image, and the memory\n"
                 "that training it takes.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    struct config config = {0};
    int status = cli_config(&config, argc, argv);
    if (status == OK)
        status = show_model(&config, image, classes, verbose);
    config_free(&config);
    return status;
}

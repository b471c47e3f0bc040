/* export: the command that writes a trained run's model as a file for other programs. Knows the command line and what
 * is said of the file. */
#include "cli.h"
#include "onnx.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static bool ends_in(const char *text, const char *end)
{
    const size_t length = strlen(text), of_end = strlen(end);
    return length > of_end && strcmp(text + length - of_end, end) == 0;
}

static void say_what(const char *path, const char *checkpoint, const struct session *session)
{
    const struct shape image = session->card.image;
    printf("%s: ONNX, opset %d, of %s\n", path, ONNX_OPSET, checkpoint);
    printf("  in   images [N,%d,%d,%d]: %s, 0 to 1; the model normalises them%s\n", image.c, image.h, image.w,
           image.c == 1   ? "grey values"
           : image.c == 3 ? "red, green, blue"
                          : "channels",
           session->graph.values[session->graph.input].shape.h == image.h &&
                   session->graph.values[session->graph.input].shape.w == image.w
               ? ""
               : " and crops their centre");
    printf("  out  logits, probabilities [N,%d]; the classes' names are in the metadata, \"classes\"\n",
           session->card.class_count);
}

static int export_model(const char *run, const char *weights, const char *file)
{
    struct config config = {0};
    struct session session = {0};
    char checkpoint[PATH_BYTES], own[PATH_BYTES];
    int status = train_load_config(&config, run, NULL, 0);
    /* No image goes through the network: its weights, which are fp32, are read wherever this is. */
    snprintf(config.train.device, sizeof config.train.device, "cpu");
    config.train.precision = PRECISION_FP32;
    config.train.batch_size = 1;
    if (status == OK && !file)
        status = path_join(own, run, "model.onnx");
    if (status == OK)
        status = cli_model(&session, &config, run, weights, checkpoint);
    if (status == OK)
        status = onnx_write(file ? file : own, &session);
    if (status == OK)
        say_what(file ? file : own, checkpoint, &session);
    session_close(&session);
    config_free(&config);
    return status;
}

int command_export(int argc, char **argv)
{
    const char *weights = NULL;
    const struct cli_option options[] = {
        {"weights", "best|last", NULL, &weights, "which checkpoint; default: best where early_stop.restore_best is on"},
    };
    const struct cli_usage usage = {
        .synopsis = "export RUN [FILE.onnx] [--weights best|last]",
        .about = "Writes the trained model as one ONNX file, RUN/model.onnx unless FILE is given, tried with ONNX\n"
                 "Runtime. It takes images as floats from 0 to 1, channels first, of the size of\n"
                 "the training's, and answers with logits and probabilities; normalisation and the centre crop are in\n"
                 "it. Its weights are fp32.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if (argc < 2)
        return FAIL(ERR_USAGE, "export needs a run directory");
    if (argc > 3)
        return FAIL(ERR_USAGE, "export: '%s' is one word too many; it takes a run directory and one file", argv[3]);
    if (argc == 3 && !ends_in(argv[2], ".onnx"))
        return FAIL(ERR_USAGE, "export %s: the file's name should end in .onnx, the one format there is", argv[2]);
    return export_model(argv[1], weights, argc == 3 ? argv[2] : NULL);
}

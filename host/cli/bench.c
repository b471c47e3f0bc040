/* bench: the command that measures how fast a config trains on this machine. Knows the command line. */
#include "bench.h"
#include "cli.h"

/* Images of noise where the command line says how they should be, else those of the config. */
static int open_session(struct session *session, const struct config *config, const char *image, const char *classes)
{
    enum { BATCHES = 8, LEAST = 4096 };
    struct shape shape;
    int class_count = 10;
    int64_t each = (int64_t)config->train.batch_size * config->train.accumulate;
    if (!image)
        return classes ? FAIL(ERR_USAGE, "--classes goes with --image") : session_open(session, config);
    TRY(cli_image(image, &shape));
    TRY(cli_count("classes", classes, 2, 1000000, &class_count));
    /* As many as a real set would have at hand, but no more than some hundred MB. */
    int64_t count = each * BATCHES;
    if (count < LEAST && LEAST * shape_count(shape) < 256 << 20)
        count = LEAST;
    return session_open_noise(session, config, shape, class_count, count);
}

struct bench_line {
    const char *image, *classes, *seconds;
    bool layers, json;
};

static int bench(const struct config *config, const struct bench_line *line, double seconds)
{
    struct session session = {0};
    struct bench_report report = {0};
    int status = open_session(&session, config, line->image, line->classes);
    if (status == OK)
        status = bench_report(&report, &session, seconds);
    if (status == OK && line->json)
        status = bench_print_json(&report);
    else if (status == OK)
        bench_print(&report, line->layers);
    bench_profile_free(&report.profile);
    session_close(&session);
    return status;
}

int command_bench(int argc, char **argv)
{
    struct bench_line line = {0};
    double seconds = 3.0;
    const struct cli_option options[] = {
        {"image", "HxWxC", NULL, &line.image, "images of noise, so large, instead of the training data"},
        {"classes", "N", NULL, &line.classes, "with --image: number of classes (10)"},
        {"seconds", "S", NULL, &line.seconds, "how long to time steps (3)"},
        {"layers", NULL, &line.layers, NULL, "also a line for each layer"},
        {"json", NULL, &line.json, NULL, "all of it as JSON"},
    };
    const struct cli_usage usage = {
        .synopsis = "bench CONFIG [key=value…] [--image 64x64x3] [--layers] [--json]",
        .about = "Measures how fast a config trains on this machine: images per second, where the time of a step\n"
                 "goes, and how close each part comes to what copying memory and multiplying allow, measured in\n"
                 "the same run. No run is made.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    TRY(cli_number("seconds", line.seconds, 0.001, 3600.0, &seconds));
    struct config config = {0};
    int status = cli_config(&config, argc, argv);
    if (status == OK)
        status = bench(&config, &line, seconds);
    config_free(&config);
    return status;
}

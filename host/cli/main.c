/* main: the table of commands, the options before a command, help and version. Knows no command's insides. */
#include "cli.h"
#include "log.h"
#include "machine.h"
#include "text.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef EVENKEEL_VERSION
#define EVENKEEL_VERSION "unknown"
#endif

struct command {
    const char *name;
    int (*function)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"train", command_train, "train a network from a config file, or resume a run"},
    {"sweep", command_sweep, "train with every combination of some values, and compare"},
    {"find-lr", command_find_lr, "look for a learning rate before training"},
    {"eval", command_eval, "measure a trained run on its validation images, or on others"},
    {"predict", command_predict, "name the classes of image files"},
    {"export", command_export, "write a trained model as an ONNX file"},
    {"doctor", command_doctor, "say why a run's loss fluctuates or does not decrease"},
    {"runs", command_runs, "list the runs of a folder: how each stands, and its verdict"},
    {"report", command_report, "write what there is to be seen of a run as one HTML page"},
    {"plot", command_plot, "draw a run's loss and other curves in the terminal"},
    {"synth", command_synth, "write a data set of drawn images to try things on"},
    {"pack", command_pack, "write a config's images as one file to train from"},
    {"check", command_check, "look for what is wrong with a config's images"},
    {"config", command_config, "check a config file; list all keys"},
    {"model", command_model, "show a config's network, its size and the memory it takes"},
    {"bench", command_bench, "measure how fast a config trains here, and where the time goes"},
    {"devices", command_devices, "list the devices that this program can train on"},
};

static void print_help(FILE *stream)
{
    enum { INDENT = 12, OPTION_INDENT = 28 };
    cli_say(stream, 0, "", "evenkeel trains image classifiers from one config file.");
    fprintf(stream, "\n");
    cli_say(stream, 0, "usage: evenkeel ", "[--color auto|always|never] [--quiet] COMMAND …");
    fprintf(stream, "\n");
    for (int i = 0; i < COUNT_OF(commands); i++) {
        char lead[32];
        snprintf(lead, sizeof lead, "  %s ", commands[i].name);
        cli_say(stream, INDENT, lead, "%s", commands[i].help);
    }
    fprintf(stream, "\n");
    cli_say(stream, OPTION_INDENT, "  evenkeel COMMAND --help ", "the options of a command");
    cli_say(stream, OPTION_INDENT, "  evenkeel --version ", "the version of the program");
    fprintf(stream, "\n");
    cli_say_lines(stream,
                  "Results go to stdout, everything else to stderr. Exit status: 0 done, 1 training failed,\n"
                  "64 command line, 65 data, 66 file missing, 69 device, 71 memory, 73 cannot write, 74 input or\n"
                  "output, 75 stopped by a signal and saved, 78 config, 130 stopped by Ctrl-C and saved.\n");
}

static int unknown_command(const char *word)
{
    const char *names[COUNT_OF(commands)], *near[TEXT_SUGGESTIONS];
    for (int i = 0; i < COUNT_OF(commands); i++)
        names[i] = commands[i].name;
    if (text_suggest(word, names, COUNT_OF(commands), near) > 0)
        return FAIL(ERR_USAGE, "unknown command '%s'; did you mean '%s'?", word, near[0]);
    return FAIL(ERR_USAGE, "unknown command '%s'; 'evenkeel --help' lists the commands", word);
}

/* Options before the command. Returns the first word that is none, argc if none is left, or a failure. */
static int read_global_options(int argc, char **argv, bool *done)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *word = argv[at];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(stdout);
            *done = true;
        } else if (strcmp(word, "--version") == 0) {
            printf("evenkeel %s\n", EVENKEEL_VERSION);
            *done = true;
        } else if (strcmp(word, "--quiet") == 0 || strcmp(word, "-q") == 0) {
            log_set_quiet(true);
        } else if (strncmp(word, "--color", 7) == 0 && (word[7] == '=' || (!word[7] && at + 1 < argc))) {
            const char *mode = word[7] ? word + 8 : argv[++at];
            if (!log_set_color(mode))
                return FAIL(ERR_USAGE, "--color %s: expected auto, always or never", mode);
        } else {
            return FAIL(ERR_USAGE, "unknown option '%s' before the command; 'evenkeel --help' shows the usage", word);
        }
        if (*done)
            break;
    }
    return at;
}

static int run_command(int argc, char **argv)
{
    for (int i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(argv[0], commands[i].name) == 0)
            return commands[i].function(argc, argv);
    return unknown_command(argv[0]);
}

static int dispatch(int argc, char **argv)
{
    bool done = false;
    int at = read_global_options(argc, argv, &done);
    if (at < 0 || done)
        return at < 0 ? at : OK;
    if (at == argc) {
        print_help(stderr);
        return status_exit_code(ERR_USAGE);
    }
    char option[] = "--help", *help[] = {argc - at > 1 ? argv[at + 1] : NULL, option, NULL};
    if (strcmp(argv[at], "help") != 0)
        return run_command(argc - at, argv + at);
    if (help[0])
        return run_command(2, help);
    print_help(stdout);
    return OK;
}

/* A stream that the caller closed would be the first file that is opened, and what is said be written into that. What
 * stands in for it cannot be written, so that a result which nobody gets is still no success. */
static void keep_stream_numbers(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != stream)
            abort();
}

int main(int argc, char **argv)
{
    keep_stream_numbers();
    machine_limit_spinning(argv);
    signal(SIGCHLD, SIG_DFL); /* who ignores it hands that on, and then no end of a child can be waited for */
    log_set_color("auto");
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of names on a terminal; numbers keep their points */
    int exit_status = cli_exit(dispatch(argc, argv));
    /* A result that did not reach its file is not a success. */
    if (fflush(stdout) != 0 || ferror(stdout))
        return cli_exit(FAIL(ERR_IO, "stdout: the result could not be written"));
    return exit_status;
}

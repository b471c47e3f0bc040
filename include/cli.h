/* cli: the commands of the program, and reading their command lines.
 * Level 7: nothing includes it but host/cli. */
#ifndef CLI_H
#define CLI_H
#include "trainer.h"

#include <stdio.h>

/* Each gets the words from its own name on (argv[0] is "train") and returns a status below 0, for cli_exit to print, or
 * the process's exit status: 0, 1, one of sysexits.h, 130 after SIGINT. */
int command_train(int argc, char **argv);
int command_sweep(int argc, char **argv);
int command_find_lr(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_export(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_runs(int argc, char **argv);
int command_report(int argc, char **argv);
int command_plot(int argc, char **argv);
int command_synth(int argc, char **argv);
int command_pack(int argc, char **argv);
int command_check(int argc, char **argv);
int command_config(int argc, char **argv);
int command_model(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_devices(int argc, char **argv);

/* One option of a command: a flag (argument NULL, flag set to true), or with a value (text set to it). */
struct cli_option {
    const char *name;     /* without the dashes */
    const char *argument; /* what the help calls the value, or NULL */
    bool *flag;
    const char **text;
    const char *help;
};
struct cli_usage {
    const char *synopsis; /* "train CONFIG [key=value…]", one per line */
    const char *about;    /* the rest of the help, whole lines */
    const struct cli_option *options;
    int option_count;
};

/* There is nothing left to do: passed up like a failure, and none to cli_exit. */
enum { CLI_HELPED = -100 };
/* Sorts the options out of argv: afterwards argv[0 .. *argc) holds the other words in order ("--" ends the options).
 * --help prints the usage to stdout and returns CLI_HELPED. ERR_USAGE: unknown option (with suggestion), value missing.
 */
int cli_parse(const struct cli_usage *usage, int *argc, char **argv);

/* Prints "error: <fail_text()>" for a failure and returns its exit status; OK and above are one. */
int cli_exit(int status);
/* The exit status of training that a signal ended, having saved; 0: none did. */
int cli_stopped(int by);

/* A line: the lead, blanks up to a column, the text; on a terminal broken at words, what follows below the text. */
void cli_say(FILE *stream, int indent, const char *lead, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Lines of prose; on a terminal those of a paragraph together. One that begins with a blank stands by itself. */
void cli_say_lines(FILE *stream, const char *lines);

/* The config file argv[1], with the settings after it. On failure, too, it is to be freed. */
int cli_config(struct config *config, int argc, char **argv);
/* The model of a run, to be evaluated with config (the run's own, with overrides): weights as --weights says or NULL,
 * plan for config->train.batch_size rows. checkpoint: where it was found. */
int cli_model(struct session *session, const struct config *config, const char *run, const char *weights,
              char checkpoint[static PATH_BYTES]);

/* Numbers of options. ERR_USAGE names the option; text NULL: it was not given, and value stays. */
int cli_integer(const char *option, const char *text, int64_t low, int64_t high, int64_t *value);
int cli_count(const char *option, const char *text, int low, int high, int *value);
int cli_number(const char *option, const char *text, double low, double high, double *value);
/* --image: "64x64x1", or "64x64" with three channels. ERR_USAGE. */
int cli_image(const char *text, struct shape *image);
#endif

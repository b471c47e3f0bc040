/* cli: the commands of the program, and reading their command lines.
 * Level 7: nothing includes it but host/cli. */
#ifndef CLI_H
#define CLI_H
#include "op.h"

/* Each gets the words from its own name on (argv[0] is "train") and returns the process's exit status: 0, 1, one of
 * sysexits.h, 130 after SIGINT. A failure has been printed by then. */
int command_train(int argc, char **argv);
int command_sweep(int argc, char **argv);
int command_find_lr(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_doctor(int argc, char **argv);
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

enum cli_next { CLI_GO, CLI_HELPED };
/* Sorts the options out of argv: afterwards argv[0 .. *argc) holds the other words in order ("--" ends the options).
 * --help prints the usage to stdout and returns CLI_HELPED. ERR_USAGE: unknown option (with suggestion), value missing.
 */
int cli_parse(const struct cli_usage *usage, int *argc, char **argv);

/* Prints "error: <fail_text()>" for a failure (nothing for OK and above) and returns its exit status. */
int cli_exit(int status);

/* Whole numbers of options: ERR_USAGE names the option. */
int cli_integer(const char *option, const char *text, int64_t low, int64_t high, int64_t *value);
/* --image: "64x64x1", or "64x64" with three channels. ERR_USAGE. */
int cli_image(const char *text, struct shape *image);
#endif

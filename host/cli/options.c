/* options: a command's line taken apart by its table of options (getopt_long), what its words name, its help, its exit
 * status. Knows no command. */
#include "cli.h"
#include "log.h"
#include "text.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { MAX_OPTIONS = 24, HELP_VALUE = 1000, HELP_INDENT = 25 };

static void print_usage(const struct cli_usage *usage)
{
    const char *line = usage->synopsis, *lead = "usage: evenkeel ";
    while (*line) {
        int length = (int)strcspn(line, "\n");
        cli_say(stdout, 0, lead, "%.*s", length, line);
        line += length + (line[length] == '\n');
        lead = "       evenkeel ";
    }
    printf("\n");
    cli_say_lines(stdout, usage->about);
    printf("\n");
    for (int i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        char left[64];
        snprintf(left, sizeof left, "  --%s%s%s ", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        cli_say(stdout, HELP_INDENT, left, "%s", option->help);
    }
    cli_say(stdout, HELP_INDENT, "  --help", "print this");
}

static int unknown_option(const struct cli_usage *usage, const char *word)
{
    const char *names[MAX_OPTIONS], *near[TEXT_SUGGESTIONS];
    for (int i = 0; i < usage->option_count; i++)
        names[i] = usage->options[i].name;
    const char *bare = word + strspn(word, "-");
    if (text_suggest(bare, names, usage->option_count, near) > 0)
        return FAIL(ERR_USAGE, "unknown option '%s'; did you mean '--%s'?", word, near[0]);
    return FAIL(ERR_USAGE, "unknown option '%s'; --help lists the options%s", word,
                strstr(usage->synopsis, "key=value") ? ", settings are written as key=value" : "");
}

int cli_parse(const struct cli_usage *usage, int *argc, char **argv)
{
    struct option options[MAX_OPTIONS + 2] = {{0}};
    assert(usage->option_count <= MAX_OPTIONS);
    for (int i = 0; i < usage->option_count; i++)
        options[i] = (struct option){usage->options[i].name, usage->options[i].argument != NULL, NULL, i};
    options[usage->option_count] = (struct option){"help", no_argument, NULL, HELP_VALUE};

    optind = 0; /* 0, not 1: glibc also forgets what it kept from an earlier scan */
    opterr = 0;
    int found;
    while ((found = getopt_long(*argc, argv, ":h", options, NULL)) != -1) {
        const char *word = optind > 0 && optind <= *argc ? argv[optind - 1] : "";
        if (found == HELP_VALUE || found == 'h') {
            print_usage(usage);
            return CLI_HELPED;
        }
        if (found == ':')
            return FAIL(ERR_USAGE, "option '%s' needs a value; --help shows which", word);
        if (found == '?')
            return unknown_option(usage, word);
        const struct cli_option *option = &usage->options[found];
        if (option->argument)
            *option->text = optarg;
        else
            *option->flag = true;
    }
    int words = 1;
    for (int i = optind; i < *argc; i++)
        argv[words++] = argv[i];
    *argc = words;
    return OK;
}

int cli_exit(int status)
{
    if (status >= 0)
        return status;
    if (status == CLI_HELPED)
        return EX_OK;
    log_error("%s", fail_text());
    return status_exit_code(status);
}

int cli_stopped(int by)
{
    return by == 0 ? EX_OK : by == SIGINT ? 128 + SIGINT : EX_TEMPFAIL;
}

int cli_config(struct config *config, int argc, char **argv)
{
    if (argc < 2)
        return FAIL(ERR_USAGE, "%s needs a config file, such as configs/quickstart.ini", argv[0]);
    return config_load(config, argv[1], (const char *const *)argv + 2, argc - 2, stderr);
}

int cli_model(struct session *session, const struct config *config, const char *run, const char *weights,
              char checkpoint[static PATH_BYTES])
{
    if (weights && strcmp(weights, "best") != 0 && strcmp(weights, "last") != 0)
        return FAIL(ERR_USAGE, "--weights %s: expected best or last", weights);
    TRY(train_find_checkpoint(config, run, weights, checkpoint));
    return session_open_model(session, config, checkpoint, config->train.batch_size);
}

int cli_integer(const char *option, const char *text, int64_t low, int64_t high, int64_t *value)
{
    if (text && (!text_to_int64(text, value) || *value < low || *value > high))
        return FAIL(ERR_USAGE, "--%s %s: expected a whole number from %lld to %lld", option, text, (long long)low,
                    (long long)high);
    return OK;
}

int cli_count(const char *option, const char *text, int low, int high, int *value)
{
    int64_t whole = *value;
    TRY(cli_integer(option, text, low, high, &whole));
    *value = (int)whole;
    return OK;
}

int cli_number(const char *option, const char *text, double low, double high, double *value)
{
    if (text && (!text_to_double(text, value) || !(*value >= low) || *value > high))
        return FAIL(ERR_USAGE, "--%s %s: expected a number from %g to %g", option, text, low, high);
    return OK;
}

int cli_image(const char *text, struct shape *image)
{
    char rest;
    int c = 3;
    const int fields = sscanf(text, "%dx%dx%d%c", &image->h, &image->w, &c, &rest);
    if ((fields != 2 && fields != 3) || image->h < 1 || image->w < 1 || image->h > 4096 || image->w > 4096 ||
        (c != 1 && c != 3))
        return FAIL(ERR_USAGE,
                    "--image %s: expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS with 1 or 3 channels, such as 64x64x3",
                    text);
    image->n = 1;
    image->c = c;
    return OK;
}

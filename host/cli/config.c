/* config: shows a config as it would be used, and what may be written in one. Knows nothing of training. */
#include "config.h"
#include "cli.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

/* The first word is the file, unless it is an override. */
static int show_config(int count, char **words)
{
    struct config config;
    bool file = count > 0 && !strchr(words[0], '=');
    int status = config_load(&config, file ? words[0] : NULL, (const char *const *)words + file, count - file, stderr);
    if (status == OK)
        status = config_write(&config, stdout);
    if (status == OK)
        config_advise(&config, log_warn);
    config_free(&config);
    return status;
}

int command_config(int argc, char **argv)
{
    bool defaults = false, markdown = false, keys = false;
    const struct cli_option options[] = {
        {"defaults", NULL, &defaults, NULL, "print every key with type, default, range and meaning"},
        {"markdown", NULL, &markdown, NULL, "with --defaults: as Markdown tables"},
        {"keys", NULL, &keys, NULL, "print the names of all keys and their fixed values, for completion"},
    };
    const struct cli_usage usage = {
        .synopsis = "config [FILE] [key=value…]\nconfig --defaults [--markdown]\nconfig --keys",
        .about = "Prints the config as a run would use it: every key, after FILE and the overrides.",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    TRY(cli_parse(&usage, &argc, argv));
    if ((defaults || keys || markdown) && argc > 1)
        return FAIL(ERR_USAGE, "config --defaults and --keys take no file, got '%s'", argv[1]);
    if (markdown && !defaults)
        return FAIL(ERR_USAGE, "--markdown goes with --defaults");
    if (!defaults && !keys)
        return show_config(argc - 1, argv + 1);
    if (defaults)
        config_print_defaults(stdout, markdown);
    else
        config_print_keys(stdout);
    return OK;
}

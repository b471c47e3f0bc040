/* make: from what is swept to the runs of a plan: combinations, learning rates that follow the batch, seeds, names.
 * Must not know files but the config it starts from
 * and the images that it names. */
#include "axes.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char batch_key[] = "train.batch_size", lr_key[] = "optim.lr", seed_key[] = "train.seed",
                  rule_label[] = "lr_rule";

/* The factor of the learning rate when a step takes ratio times the images. */
static double rule_constant(double ratio)
{
    (void)ratio;
    return 1.0;
}
static double rule_linear(double ratio)
{
    return ratio;
}
static const struct rule {
    const char *name;
    double (*factor)(double ratio);
} rules[] = {{"constant", rule_constant}, {"linear", rule_linear}, {"sqrt", sqrt}};

struct maker {
    struct sweep *sweep;
    const struct sweep_request *request;
    struct config config; /* with the first of several values */
    struct axes axes;
    const struct rule *rule[COUNT_OF(rules)]; /* asked for */
    int rule_count, base;                     /* images of a step for which optim.lr holds */
};

static const struct rule *find_rule(const char *name)
{
    for (int i = 0; i < COUNT_OF(rules); i++)
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    return NULL;
}

static const struct axis *find_axis(const struct axes *axes, const char *key)
{
    for (int i = 0; i < axes->count; i++)
        if (strcmp(axes->axis[i].key, key) == 0)
            return &axes->axis[i];
    return NULL;
}

/* The batch size that the file itself has, whatever is swept. */
static int base_of_file(struct maker *maker)
{
    struct config config;
    int status = config_load(&config, maker->request->file, NULL, 0, stderr);
    maker->base = config.train.batch_size;
    config_free(&config);
    return status;
}

static int read_rules(struct maker *maker)
{
    const struct sweep_request *request = maker->request;
    if (!request->lr_rules) {
        if (request->base_batch)
            return FAIL(ERR_USAGE, "--base-batch is the batch size for which optim.lr holds, so it needs --lr-rule");
        return OK;
    }
    const char **names;
    int count = axes_split("--lr-rule", request->lr_rules, &names, &maker->sweep->arena);
    TRY(count);
    for (int i = 0; i < count; i++) {
        const struct rule *rule = find_rule(names[i]);
        if (!rule)
            return FAIL(ERR_USAGE, "--lr-rule %s: expected constant, linear or sqrt, or several with commas", names[i]);
        maker->rule[maker->rule_count++] = rule;
    }
    if (!find_axis(&maker->axes, batch_key))
        return FAIL(ERR_USAGE, "--lr-rule makes the learning rate follow the batch size; sweep that: batch_size=32,64");
    maker->base = request->base_batch;
    return maker->base ? OK : base_of_file(maker);
}

/* "train.batch_size" = "64" as it stands in the name of a folder: "batch_size-64". */
static char *name_part(struct arena *arena, const struct sweep_setting *setting)
{
    const char *dot = strchr(setting->key, '.');
    char *part =
        dot ? arena_format(arena, "-%s-%s", dot + 1, setting->value) : arena_format(arena, "-%s", setting->value);
    for (char *at = part; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-", *at))
            *at = '_';
    return part;
}

static const char *make_name(struct maker *maker, const struct sweep_run *run, int number, int digits)
{
    enum { LONGEST = 100 }; /* the number in front keeps names apart that are cut off */
    struct arena *arena = &maker->sweep->arena;
    char *name = arena_format(arena, "%0*d", digits, number);
    for (int i = 0; i < run->setting_count; i++) {
        bool follows =
            maker->rule_count && strcmp(run->settings[i].key, lr_key) == 0 && !find_axis(&maker->axes, lr_key);
        if (!follows)
            name = arena_format(arena, "%s%s", name, name_part(arena, &run->settings[i]));
    }
    if (strlen(name) > LONGEST)
        name[LONGEST] = '\0';
    return name;
}

struct combination {
    const char *values[AXES]; /* by axis */
    const struct rule *rule;  /* or NULL */
};

/* The batch's learning rate by the rule. false: an earlier rule gives the same run. */
static int add_rate(struct maker *maker, const struct combination *combination, const char *rate,
                    struct sweep_setting settings[2], int *count)
{
    struct arena *arena = &maker->sweep->arena;
    int64_t batch;
    double base_rate = maker->config.optim.lr;
    const struct axis *axis = find_axis(&maker->axes, batch_key);
    if (!text_to_int64(combination->values[axis - maker->axes.axis], &batch) ||
        (rate && !text_to_double(rate, &base_rate)))
        return FAIL(ERR_USAGE, "--lr-rule needs plain numbers for %s and %s", batch_key, lr_key);
    bool same = batch == maker->base && maker->rule_count > 1;
    double factor = combination->rule->factor((double)batch / maker->base);
    settings[(*count)++] = (struct sweep_setting){rule_label, same ? "any" : combination->rule->name};
    settings[(*count)++] = (struct sweep_setting){lr_key, arena_format(arena, "%.6g", base_rate * factor)};
    return !same || combination->rule == maker->rule[0];
}

/* Settings of one run. 0: it would be the same as an earlier one. */
static int fill_run(struct maker *maker, const struct combination *combination, int seed, struct sweep_run *run)
{
    struct arena *arena = &maker->sweep->arena;
    struct sweep_setting *settings = arena_push(arena, (AXES + 3) * sizeof *settings);
    const char *rate = NULL;
    int count = 0, fresh = 1;
    for (int i = 0; i < maker->axes.count; i++) {
        const char *key = maker->axes.axis[i].key;
        if (combination->rule && strcmp(key, lr_key) == 0)
            rate = combination->values[i];
        else if (strcmp(key, seed_key) != 0)
            settings[count++] = (struct sweep_setting){key, combination->values[i]};
    }
    if (combination->rule)
        fresh = add_rate(maker, combination, rate, settings, &count);
    TRY(fresh);
    const struct axis *seeds = find_axis(&maker->axes, seed_key);
    settings[count++] = (struct sweep_setting){
        seed_key, seeds ? combination->values[seeds - maker->axes.axis]
                        : arena_format(arena, "%lld", (long long)maker->config.train.seed + seed)};
    *run = (struct sweep_run){.settings = settings, .setting_count = count};
    return fresh;
}

/* The combination of that number, the last axis and then the rule changing fastest. */
static void combine(const struct maker *maker, int64_t number, struct combination *combination)
{
    *combination = (struct combination){0};
    if (maker->rule_count) {
        combination->rule = maker->rule[number % maker->rule_count];
        number /= maker->rule_count;
    }
    for (int i = maker->axes.count - 1; i >= 0; i--) {
        combination->values[i] = maker->axes.axis[i].values[number % maker->axes.axis[i].count];
        number /= maker->axes.axis[i].count;
    }
}

static int make_runs(struct maker *maker)
{
    struct sweep *sweep = maker->sweep;
    int64_t combinations = maker->rule_count ? maker->rule_count : 1;
    for (int i = 0; i < maker->axes.count && combinations <= SWEEP_RUNS; i++)
        combinations *= maker->axes.axis[i].count;
    if (combinations * maker->request->seeds > SWEEP_RUNS)
        return FAIL(ERR_USAGE, "these are more than %d runs; sweep fewer values", SWEEP_RUNS);
    struct sweep_run *runs = arena_push(&sweep->arena, (size_t)(combinations * maker->request->seeds) * sizeof *runs);
    sweep->runs = runs;
    for (int seed = 0; seed < maker->request->seeds; seed++)
        for (int64_t i = 0; i < combinations; i++) {
            struct combination combination;
            combine(maker, i, &combination);
            int fresh = fill_run(maker, &combination, seed, &runs[sweep->run_count]);
            TRY(fresh);
            sweep->run_count += fresh;
        }
    int digits = snprintf(NULL, 0, "%d", sweep->run_count);
    for (int i = 0; i < sweep->run_count; i++)
        runs[i].name = make_name(maker, &runs[i], i + 1, digits);
    sweep_number_points(sweep, runs);
    return OK;
}

/* All words together as one run would have them, with the first of several values: mistakes are printed. */
static int load_first(struct maker *maker)
{
    const struct sweep_request *request = maker->request;
    struct arena *arena = &maker->sweep->arena;
    const char **first = arena_push(arena, (size_t)(request->word_count + 1) * sizeof *first);
    for (int i = 0; i < request->word_count; i++) {
        const char *equals = strchr(request->words[i], '='), **values;
        first[i] = request->words[i];
        if (!equals || !axes_several(equals + 1))
            continue;
        const char *key = arena_format(arena, "%.*s", (int)(equals - request->words[i]), request->words[i]);
        TRY(axes_split(key, equals + 1, &values, arena));
        first[i] = arena_format(arena, "%s=%s", key, values[0]);
    }
    return config_load(&maker->config, request->file, first, request->word_count, stderr);
}

/* What holds for every run; a learning rate does not where rules make others of it. */
static void keep_every(struct maker *maker)
{
    struct axes *axes = &maker->axes;
    int kept = 0;
    for (int i = 0; i < axes->every_count; i++)
        if (!maker->rule_count || strncmp(axes->every[i], "optim.lr=", 9) != 0)
            axes->every[kept++] = axes->every[i];
    maker->sweep->every = axes->every;
    maker->sweep->every_count = kept;
}

static int make(struct maker *maker)
{
    const struct sweep_request *request = maker->request;
    struct sweep *sweep = maker->sweep;
    TRY(load_first(maker));
    TRY(axes_read(&maker->axes, request, &sweep->arena));
    TRY(read_rules(maker));
    keep_every(maker);
    if (request->out && !text_copy(sweep->path, sizeof sweep->path, request->out))
        return FAIL(ERR_CREATE, "--out: the path is too long");
    if (!request->out) {
        const char *name = arena_format(&sweep->arena, "%s-sweep", maker->config.name);
        TRY(path_join(sweep->path, maker->config.run.dir, name));
    }
    return make_runs(maker);
}

int sweep_make(struct sweep *sweep, const struct sweep_request *request)
{
    *sweep = (struct sweep){0};
    struct maker maker = {.sweep = sweep, .request = request};
    int status = make(&maker);
    config_free(&maker.config);
    TRY(status);
    for (int i = 0; i < sweep->run_count; i++) {
        struct config config;
        status = sweep_load_run(sweep, request->file, &sweep->runs[i], &config, stderr);
        config_free(&config);
        TRY(status);
    }
    return OK;
}

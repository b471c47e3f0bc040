/* test_config: what configs may hold, that what is written loads back, and what others make of the files. */
#include "cli.h"
#include "config_text.h"
#include "random.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

/* ---- what is accepted ---- */

static void load_good(struct config *config, const char *text, const char *overrides)
{
    char *said;
    if (config_text_load(config, text, strlen(text), overrides, &said) != OK)
        fail_msg("%s|%s: %s", text, overrides ? overrides : "", said);
    assert_string_equal(said, "");
    free(said);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config config;
    assert_int_equal(config_load(&config, NULL, NULL, 0, stderr), OK);
    assert_string_equal(config.name, "run");
    assert_int_equal(config.optim.name, OPTIMIZER_ADAM);
    assert_true(config.optim.lr == 0.001 && config.optim.beta1 == 0.9 && config.optim.beta2 == 0.999);
    assert_true(config.optim.eps == 1e-8 && config.optim.momentum == 0.9 && config.optim.weight_decay == 0);
    assert_true(config.schedule.factor == 0.1 && config.schedule.threshold == 1e-4 && config.schedule.eps == 1e-8);
    assert_int_equal(config.schedule.patience, 10);
    assert_int_equal(config.early_stop.patience, 0);
    assert_int_equal(config.augment.normalize, NORMALIZE_AUTO);
    assert_string_equal(config.train.device, "auto");
    assert_string_equal(config.run.dir, "runs");
    config_free(&config);
}

#define TRAIN  "[data]\ntrain = \"t\"\n"
#define CUSTOM "[model]\nname = custom\n[[layer]]\n"

static void test_syntax(void **state)
{
    (void)state;
    struct config config;
    load_good(&config,
              "\xEF\xBB\xBF# a comment = 1\r\n; another\r\n[ data ] # which\r\n"
              "   train = \"a ; b # c\" ; note\r\n val = 'C:\\new' # note\r\n"
              "[augment]\nmean = [ 0.1,0.2 , 0.3, ] # three\nstd = 0.5, 0.5,0.25\n"
              "[run]\nname = my run#2 # note\ndir = \"t\\u00e4s\\\"t\\\\\"\n"
              "[optim]\n  name=AdamW ; note\nlearning_rate=1e-2\n[train]\nepochs = +7",
              NULL);
    assert_string_equal(config.data.train, "a ; b # c");
    assert_string_equal(config.data.val, "C:\\new");
    assert_int_equal(config.augment.mean_count, 3);
    assert_true(config.augment.mean[2] == 0.3 && config.augment.std[2] == 0.25);
    assert_int_equal(config.augment.normalize, NORMALIZE_GIVEN); /* implied */
    assert_string_equal(config.run.name, "my run#2");
    assert_string_equal(config.name, "my run#2");
    assert_string_equal(config.run.dir, "t\xC3\xA4s\"t\\");
    assert_int_equal(config.optim.name, OPTIMIZER_ADAMW);
    assert_true(config.optim.weight_decay == 0.01); /* PyTorch's default of AdamW */
    assert_true(config.optim.lr == 0.01);
    assert_int_equal(config.train.epochs, 7);
    config_free(&config);
}

static void test_long_line(void **state)
{
    (void)state;
    struct config config;
    char text[2000] = "[data]\ntrain = \"";
    size_t head = strlen(text);
    memset(text + head, 'p', 1023);
    strcpy(text + head + 1023, "\"\nval = \"v\"\n");
    load_good(&config, text, NULL);
    assert_int_equal(strlen(config.data.train), 1023); /* libinih alone cuts at 200 */
    assert_string_equal(config.data.val, "v");
    config_free(&config);
}

static void test_overrides(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, TRAIN "[optim]\nlr = 1\n",
              " lr =0.5|batch=7|wd=0.25|epochs=3|momentum=0.5|seed=11|device=cpu|threads=2|precision=bf16|model=mlp|"
              "train=a b # c|val=\"q\"|augment.mean=0.5,0.5,0.5|std=[0.5,0.5,1]|optimizer=sgd|ema=0.5|workers=3");
    assert_true(config.optim.lr == 0.5 && config.optim.weight_decay == 0.25 && config.optim.momentum == 0.5);
    assert_int_equal(config.train.batch_size, 7);
    assert_int_equal(config.train.epochs, 3);
    assert_int_equal(config.train.seed, 11);
    assert_int_equal(config.train.threads, 2);
    assert_int_equal(config.data.threads, 3);
    assert_int_equal(config.train.precision, PRECISION_BF16);
    assert_int_equal(config.model.name, MODEL_MLP);
    assert_int_equal(config.optim.name, OPTIMIZER_SGD);
    assert_string_equal(config.train.device, "cpu");
    assert_string_equal(config.data.train, "a b # c"); /* no comments on a command line */
    assert_string_equal(config.data.val, "q");
    assert_int_equal(config.augment.mean_count, 3);
    assert_string_equal(config.name, "x");
    config_free(&config);
    load_good(&config, "[augment]\nmean = [0.5]\nstd = [0.5]\n", "mean=[]|std=[]|normalize=none");
    assert_int_equal(config.augment.mean_count, 0);
    assert_int_equal(config.augment.normalize, NORMALIZE_NONE);
    config_free(&config);
    load_good(&config, TRAIN "val = \"q\"\n", "val=|run.name="); /* what a shell leaves of val="" */
    assert_string_equal(config.data.val, "");
    assert_string_equal(config.run.name, "x");
    config_free(&config);
}

static void test_layers(void **state)
{
    (void)state;
    struct config config;
    load_good(&config,
              CUSTOM "type = \"conv\"\nfilters = 8\nbias = false\n[[layer]] # comment\ntype = conv\nfilters = 4\n"
                     "name = conv1\nsize = 5\n[[layer]]\ntype = add\nfrom = conv2\nrelu = yes\n"
                     "[[ layer ]]\ntype = dropout\nrate = 0\nactivation = \"ReLU\" # comment\n"
                     "[[layer]]\ntype = linear\nactivation = none\n",
              NULL);
    assert_int_equal(config.layer_count, 5);
    const struct config_layer *layer = config.layers;
    assert_string_equal(layer[0].name, "conv2"); /* conv1 is taken */
    assert_int_equal(layer[0].line, 3);
    assert_true(layer[0].bias_set && !layer[0].bias && !layer[1].bias_set);
    assert_true(layer[0].kernel == -1 && layer[1].kernel == 5 && layer[1].line == 7);
    assert_true(layer[2].relu && strcmp(layer[2].from, "conv2") == 0);
    assert_string_equal(layer[3].name, "dropout1");
    assert_true(layer[3].relu && !layer[4].relu);
    config_free(&config);
}

static void test_get(void **state)
{
    (void)state;
    struct config config;
    char text[64];
    load_good(&config, TRAIN "[optim]\nlr = 1e-3\n[augment]\nmean=[0.5, 0.1]\nstd=[1,1]\n", "seed=9007199254740991");
    static const char *const expected[][2] = {{"optim.lr", "0.001"},          {"data.train", "\"t\""},
                                              {"optim.name", "\"adam\""},     {"optim.nesterov", "false"},
                                              {"augment.mean", "[0.5, 0.1]"}, {"train.seed", "9007199254740991"}};
    for (int i = 0; i < COUNT_OF(expected); i++) {
        assert_true(config_get(&config, expected[i][0], text, sizeof text));
        assert_string_equal(text, expected[i][1]);
    }
    assert_false(config_get(&config, "optim.nope", text, sizeof text));
    assert_false(config_get(&config, "lr", text, sizeof text));
    config_free(&config);
}

/* ---- writing and loading back ---- */

static char *written(const struct config *config)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(config_write(config, stream), OK);
    fclose(stream);
    return text;
}

/* Every value but the file's path and layers' lines is the same, to the last bit. */
static void assert_same(const struct config *a, const struct config *b)
{
    const size_t first = offsetof(struct config, data), layers = offsetof(struct config, layers);
    const size_t after = offsetof(struct config, optim), end = offsetof(struct config, origin);
    assert_string_equal(a->name, b->name);
    assert_memory_equal((const char *)a + first, (const char *)b + first, layers - first);
    assert_memory_equal((const char *)a + after, (const char *)b + after, end - after);
    assert_int_equal(a->layer_count, b->layer_count);
    for (int i = 0; i < a->layer_count; i++) {
        struct config_layer one = a->layers[i], other = b->layers[i];
        one.line = other.line = 0;
        assert_memory_equal(&one, &other, sizeof one);
    }
}

/* Frees the config. */
static void check_round_trip(struct config *config)
{
    struct config again;
    char *first = written(config);
    load_good(&again, first, NULL);
    char *second = written(&again);
    assert_string_equal(first, second);
    assert_same(config, &again);
    config_free(&again);
    config_free(config);
    free(first);
    free(second);
}

/* Calls use for each .ini file of configs/. Returns how many. */
static int for_each_config(void (*use)(const char *path))
{
    DIR *list = opendir("configs");
    assert_non_null(list); /* tests run in the repository's root */
    int count = 0;
    for (struct dirent *entry; (entry = readdir(list));) {
        char path[PATH_BYTES];
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".ini") != 0)
            continue;
        assert_int_equal(path_join(path, "configs", entry->d_name), OK);
        use(path);
        count++;
    }
    closedir(list);
    return count;
}

static void round_trip_file(const char *path)
{
    struct config config;
    if (config_load(&config, path, NULL, 0, stderr) != OK)
        fail_msg("%s", fail_text());
    assert_true(*config.data.train != 0);
    check_round_trip(&config);
}

static void test_shipped_configs(void **state)
{
    (void)state;
    assert_true(for_each_config(round_trip_file) >= 5);
}

static void test_odd_texts(void **state)
{
    (void)state;
    struct config config;
    char path[1024], override[1100];
    for (int i = 0; i < 1023; i++)
        path[i] = (char)(1 + i % 255); /* every byte but zero; escapes make it six times as long */
    path[1023] = 0;
    snprintf(override, sizeof override, "data.train='%s", path);
    for (int i = 0; i < 1023; i++)
        if (path[i] == '\'')
            override[12 + i] = 'q';
    strcat(override, "'");
    const char *const overrides[] = {override};
    assert_int_equal(config_load(&config, NULL, overrides, 1, stderr), OK);
    assert_int_equal(strlen(config.data.train), 1023);
    check_round_trip(&config);
}

static uint32_t draw(uint32_t round, uint32_t count)
{
    static uint64_t turn;
    return random_below(random_words(7, RANDOM_SPOIL, round, turn++, 0).word[0], count);
}

/* A value that some key may like. */
static void draw_value(uint32_t round, char text[static 64])
{
    static const char *const fixed[] = {"0", "1", "true", "false", "[0.5, 0.25, 0.125]", "\"a text\"", "\"\"", "3"};
    uint32_t kind = draw(round, 4);
    double unit = (double)draw(round, 1u << 31) / 2147483648.0;
    if (kind == 0)
        snprintf(text, 64, "%s", fixed[draw(round, COUNT_OF(fixed))]);
    else if (kind == 1)
        snprintf(text, 64, "%u", draw(round, 1u << (1 + draw(round, 20))));
    else if (kind == 2)
        snprintf(text, 64, "%.17g", unit);
    else
        snprintf(text, 64, "[%.17g, %.9g]", unit, unit / 3);
}

/* Names of all keys, and "section.key=value" of those with fixed values. */
static int all_keys(const char *words[static 512], char **text)
{
    size_t size;
    FILE *stream = open_memstream(text, &size);
    config_print_keys(stream);
    fclose(stream);
    int count = 0;
    for (char *word = strtok(*text, "\n"); word; word = strtok(NULL, "\n"))
        words[count++] = word;
    assert_in_range(count, 60, 511);
    return count;
}

/* Random configs: overrides are drawn for all keys, and those are kept that load together with the ones before. */
static void test_random_configs(void **state)
{
    (void)state;
    const char *words[512], *kept[512];
    static char overrides[512][160];
    char *text;
    int count = all_keys(words, &text), changed = 0;
    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    for (uint32_t round = 0; round < 40; round++) {
        struct config config;
        int used = 0;
        for (int i = 0; i < count; i++) {
            bool fixed = strchr(words[i], '=');
            if (fixed && draw(round, 3) > 0)
                continue;
            char value[64];
            draw_value(round, value);
            snprintf(overrides[used], sizeof overrides[used], fixed ? "%s" : "%s=%s", words[i], value);
            kept[used] = overrides[used];
            used += config_load(&config, NULL, kept, used + 1, nowhere) == OK;
            config_free(&config);
        }
        assert_int_equal(config_load(&config, NULL, kept, used, stderr), OK);
        changed += used;
        check_round_trip(&config);
    }
    fclose(nowhere);
    free(text);
    assert_true(changed > 40 * 20);
}

/* ---- what others make of it ---- */

static void resolve_file(const char *path)
{
    struct config config;
    struct new_file file;
    assert_int_equal(config_load(&config, path, NULL, 0, stderr), OK);
    assert_int_equal(new_file_open(&file, config_path(path_base(path))), OK);
    assert_int_equal(config_write(&config, file.stream), OK);
    assert_int_equal(new_file_commit(&file), OK);
    config_free(&config);
}

static void test_toml(void **state)
{
    (void)state;
    char command[2 * PATH_BYTES];
    if (system("python3 -c 'import tomllib' 2>/dev/null") != 0)
        skip();
    for_each_config(resolve_file);
    remove(config_path("x.ini"));
    snprintf(command, sizeof command, "python3 tests/config_toml.py configs '%s'", config_folder);
    assert_int_equal(system(command), 0);
}

static void test_reference_page(void **state)
{
    (void)state;
    char *text;
    size_t size, bytes;
    void *page;
    FILE *stream = open_memstream(&text, &size);
    config_print_defaults(stream, true);
    fclose(stream);
    assert_int_equal(file_read("docs/config.md", 1 << 20, &page, &bytes), OK);
    if (strcmp(text, page) != 0)
        fail_msg("docs/config.md is out of date: run build/evenkeel config --defaults --markdown >docs/config.md");
    memory_give(page);
    free(text);
}

static char **strings(char *list[static 8], int *count, const char *words)
{
    static char text[256];
    text_copy(text, sizeof text, words);
    *count = 0;
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        list[(*count)++] = word;
    list[*count] = NULL;
    return list;
}

/* Runs the command and returns what it printed; its errors go nowhere. */
static char *command_output(const char *words, int expected_exit)
{
    static char text[1 << 16];
    char *list[8], *path = config_path("stdout");
    int count;
    strings(list, &count, words);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), nowhere = open("/dev/null", O_WRONLY);
    dup2(file, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    int status = cli_exit(command_config(count, list));
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    close(kept);
    close(kept_err);
    close(file);
    close(nowhere);
    remove(path);
    assert_true(length >= 0);
    text[length] = 0;
    if (status != expected_exit)
        fail_msg("'%s' ended with %d", words, status);
    return text;
}

/* Not at a terminal: 100 columns, and only a key begins a line. */
static void test_help_fits(void **state)
{
    (void)state;
    int keys = 0;
    for (char *row = strtok(command_output("config --defaults", 0), "\n"); row; row = strtok(NULL, "\n")) {
        if (text_columns(row) > 100)
            fail_msg("%d columns: %s", text_columns(row), row);
        keys += *row != ' ';
    }
    assert_true(keys > 100);
}

static void test_command(void **state)
{
    (void)state;
    assert_non_null(strstr(command_output("config configs/quickstart.ini lr=0.25 epochs=3", 0), "\nlr = 0.25\n"));
    assert_non_null(strstr(command_output("config lr=0.25", 0), "\nlr = 0.25\n"));
    assert_non_null(strstr(command_output("config --defaults", 0), "\noptim.lr "));
    assert_non_null(strstr(command_output("config --defaults --markdown", 0), "\n| `lr` | number | `0.001` |"));
    assert_non_null(strstr(command_output("config --keys", 0), "\noptim.name=adamw\n"));
    assert_string_equal(command_output("config configs/quickstart.ini lr=x", 78), "");
    assert_string_equal(command_output("config absent.ini", 66), "");
    assert_string_equal(command_output("config --keys absent.ini", 64), "");
    assert_string_equal(command_output("config --markdown", 64), "");
}

/* ---- broken files ---- */

/* Anything is either refused with a reason or loads back after writing. */
static void check_anything(const char *text, size_t bytes)
{
    struct config config;
    char *said;
    int status = config_text_load(&config, text, bytes, NULL, &said);
    assert_true(status == OK || status == ERR_CONFIG);
    assert_true((status == OK) == (*said == 0));
    free(said);
    if (status == OK)
        check_round_trip(&config);
    else
        config_free(&config);
}

static void mutate(const char *path)
{
    enum { ROUNDS = 250 };
    static const char *const snippets[] = {"[[layer]]\n", "=", "\"",    "[",   "]",   "\n",
                                           " ;",          "#", "\\u12", "nan", "\0x", "1e9"};
    void *data;
    size_t bytes;
    assert_int_equal(file_read(path, 1 << 20, &data, &bytes), OK);
    char *text = malloc(bytes + 64);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        size_t length = bytes;
        memcpy(text, data, bytes);
        for (uint32_t change = 0, changes = 1 + draw(round, 4); change < changes; change++) {
            size_t at = draw(round, (uint32_t)length);
            const char *snippet = snippets[draw(round, COUNT_OF(snippets))];
            if (draw(round, 3) == 0)
                text[at] = (char)draw(round, 256);
            else if (draw(round, 8) == 0)
                length = at + 1;
            else if (length + 16 < bytes + 64) {
                size_t added = *snippet ? strlen(snippet) : 2;
                memmove(text + at + added, text + at, length - at);
                memcpy(text + at, snippet, added);
                length += added;
            }
        }
        check_anything(text, length);
    }
    free(text);
    memory_give(data);
}

static void test_mutations(void **state)
{
    (void)state;
    for_each_config(mutate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_long_line),       cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_layers),          cmocka_unit_test(test_get),
        cmocka_unit_test(test_shipped_configs), cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_random_configs),  cmocka_unit_test(test_toml),
        cmocka_unit_test(test_reference_page),  cmocka_unit_test(test_command),
        cmocka_unit_test(test_help_fits),       cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, config_folder_make, config_folder_remove);
}

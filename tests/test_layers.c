/* test_layers: layers.csv of whole runs: what its rows add up to, and that surveying and resuming change nothing. */
#include "doctor.h"
#include "table.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

static const char network[] = "model.name=small_cnn model.width=4 model.dropout=0.1 augment.hflip=0.5 ";

static double cell(const struct train_result *run, int row, const char *column)
{
    return tiny_cell_at(run->path, "layers.csv", row, column);
}

static int count_rows(const struct train_result *run)
{
    char *text = tiny_read_text(run->path, "layers.csv");
    int rows = -1;
    for (const char *at = text; *at; at++)
        rows += *at == '\n';
    memory_give(text);
    return rows;
}

static bool has_cell(const struct train_result *run, int row, const char *column)
{
    char *text = tiny_read_text(run->path, "layers.csv"), *rest = text, *head = strsep(&rest, "\n"), *name,
         *line = NULL;
    int at = -1;
    for (int i = 0; (name = strsep(&head, ",")); i++)
        if (strcmp(name, column) == 0)
            at = i;
    for (int i = 0; i < row; i++)
        line = strsep(&rest, "\n");
    for (int i = 0; i < at; i++)
        strsep(&line, ",");
    const bool filled = *strsep(&line, ",") != '\0';
    memory_give(text);
    return filled;
}

/* The squares of the layers' norms are those of the whole, and what is of one kind of layer stands there alone. */
static void test_rows_add_up(void **state)
{
    (void)state;
    static const char *const columns[] = {"weight_norm", "grad_norm", "update_norm"};
    struct train_result run;
    char words[512];
    snprintf(words, sizeof words, "%s train.epochs=2 stats.layers_every=5", network);
    tiny_train_ok(NULL, words, &run);
    const int rows = count_rows(&run), nodes = (int)cell(&run, rows, "node") + 1;
    assert_int_equal(rows % nodes, 0);
    assert_true(rows / nodes >= 2);
    for (int set = 0; set < rows / nodes; set++) {
        const int step = (int)cell(&run, set * nodes + 1, "step");
        assert_int_equal(step, 5 * set);
        for (int c = 0; c < COUNT_OF(columns); c++) {
            double squares = 0.0;
            for (int row = set * nodes + 1; row <= (set + 1) * nodes; row++)
                if (has_cell(&run, row, columns[c]))
                    squares += pow(cell(&run, row, columns[c]), 2.0);
            const double whole = tiny_cell_at(run.path, "steps.csv", step + 1, columns[c]);
            assert_true(whole > 0.0 && fabs(sqrt(squares) - whole) <= 1e-5 * whole);
        }
        int gaps = 0, rectified = 0;
        for (int row = set * nodes + 1; row <= (set + 1) * nodes; row++) {
            assert_true(cell(&run, row, "deviation") > 0.0);
            assert_true(cell(&run, row, "positive") >= 0.0 && cell(&run, row, "positive") <= 1.0);
            gaps += has_cell(&run, row, "mean_gap");
            rectified += has_cell(&run, row, "dead");
            /* Before the first step the running mean is 0 and the variance 1: the batch's lie elsewhere. */
            if (set == 0 && has_cell(&run, row, "mean_gap"))
                assert_true(cell(&run, row, "mean_gap") > 0.0 && cell(&run, row, "variance_gap") > 0.0);
        }
        assert_true(gaps > 0 && rectified >= gaps && rectified < nodes);
    }
}

static void test_nothing_else_changes(void **state)
{
    (void)state;
    struct train_result with, without;
    char words[512];
    snprintf(words, sizeof words, "%s train.epochs=2 stats.layers_every=1", network);
    tiny_train_ok(NULL, words, &with);
    snprintf(words, sizeof words, "%s train.epochs=2 stats.layers_every=0", network);
    tiny_train_ok(NULL, words, &without);
    tiny_assert_same_run(with.path, without.path);
    assert_false(tiny_has_file(without.path, "layers.csv"));
}

static void test_resumed(void **state)
{
    (void)state;
    struct train_result whole, part, rest;
    char words[512];
    snprintf(words, sizeof words, "%s train.epochs=3 stats.layers_every=2 train.accumulate=2 bs=8", network);
    tiny_train_ok(NULL, words, &whole);
    snprintf(words, sizeof words, "%s train.epochs=3 stats.layers_every=2 train.accumulate=2 bs=8 train.max_steps=7",
             network);
    tiny_train_ok(NULL, words, &part);
    tiny_train_ok(part.path, "train.max_steps=0", &rest);
    tiny_assert_same_run(whole.path, part.path);
    tiny_assert_same_text(whole.path, part.path, "layers.csv");
    /* Of two batches' statistics none is how far a batch's lie from the running ones. */
    for (int row = 1; row <= count_rows(&whole); row++)
        assert_false(has_cell(&whole, row, "mean_gap") || has_cell(&whole, row, "variance_gap"));
}

/* Died after its last checkpoint: with rows of steps that the resumed run has not taken. */
static void die_late(struct train_result *run)
{
    char words[512], path[2 * PATH_BYTES];
    snprintf(words, sizeof words, "%s train.epochs=3 stats.layers_every=1 train.max_steps=7", network);
    tiny_train_ok(NULL, words, run);
    snprintf(path, sizeof path, "%s/layers.csv", run->path);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs("7,1,0,conv1,conv2d,1,1,1,1,1,1,1,,,\n8,1,0,conv1,conv2d,1,1", file);
    assert_int_equal(fclose(file), 0);
}

static void test_rows_past_the_checkpoint(void **state)
{
    (void)state;
    struct train_result whole, part, rest;
    char words[512];
    snprintf(words, sizeof words, "%s train.epochs=3 stats.layers_every=1", network);
    tiny_train_ok(NULL, words, &whole);
    die_late(&part);
    tiny_train_ok(part.path, "train.max_steps=0", &rest);
    tiny_assert_same_text(whole.path, part.path, "layers.csv");
    /* Also where it writes none itself. */
    die_late(&part);
    char *before = tiny_read_text(part.path, "layers.csv");
    *strstr(before, "\n7,") = '\0';
    tiny_train_ok(part.path, "train.max_steps=0 stats.layers_every=0", &rest);
    char *after = tiny_read_text(part.path, "layers.csv");
    after[strlen(after) - 1] = '\0';
    assert_string_equal(after, before);
    memory_give(after);
    memory_give(before);
}

static int synced;

/* In place of the system's. */
int fdatasync(int descriptor)
{
    char link[64], path[PATH_BYTES] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    assert_true(readlink(link, path, sizeof path - 1) > 0);
    synced += strcmp(path_base(path), "layers.csv") == 0;
    return (int)syscall(SYS_fdatasync, descriptor);
}

static void test_rows_are_on_disk_before_a_checkpoint(void **state)
{
    (void)state;
    struct train_result run;
    char words[512];
    snprintf(words, sizeof words, "%s train.epochs=3 stats.layers_every=1", network);
    synced = 0;
    tiny_train_ok(NULL, words, &run);
    assert_true(synced >= 3);
}

/* The first and the last layer with a gradient, before the first update and at the last step that was measured. */
static void test_what_the_doctor_reads(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    struct layer_evidence layers;
    assert_int_equal(path_join(path, tiny_folder, "layers.csv"), OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("step,layer,op,grad_norm,dead\n0,conv1,conv2d,0.25,\n0,relu1,relu,,0.5\n0,conv2,conv2d,3,\n0,fc,linear,2,\n"
          "256,conv1,conv2d,0.5,\n256,relu1,relu,,0.75\n256,conv2,conv2d,7,\n256,fc,linear,4,\n",
          file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(evidence_layers(&layers, tiny_folder), OK);
    assert_true(layers.first_drawn == 0.25 && layers.last_drawn == 2.0);
    assert_true(layers.first_grad == 0.5 && layers.last_grad == 4.0);
    assert_true(layers.dead_drawn == 0.5 && layers.dead_share == 0.75 && layers.dead_step == 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_add_up),
        cmocka_unit_test(test_nothing_else_changes),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_rows_past_the_checkpoint),
        cmocka_unit_test(test_rows_are_on_disk_before_a_checkpoint),
        cmocka_unit_test(test_what_the_doctor_reads),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}

/* test_report: reports of whole, unfinished, failed and damaged runs: what is in them, and that they are well-formed.
 */
#include "fixtures.h"
#include "report.h"
#include "tiny_run.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static char whole[PATH_BYTES]; /* a run that ended well */

static int set_up(void **state)
{
    struct train_result result;
    if (tiny_set_up(state) != 0)
        return -1;
    /* A class whose name means something in HTML. */
    char from[PATH_BYTES], to[PATH_BYTES];
    if (path_join(from, tiny_data, "beach") < 0 || path_join(to, tiny_data, "a<b>&\"c'") < 0 || rename(from, to) != 0)
        return -1;
    if (tiny_train(NULL, "run.name=whole train.epochs=8", &result) < 0)
        return -1;
    memcpy(whole, result.path, sizeof whole);
    return 0;
}

/* ---- well-formed ---- */

static const char *skip_quoted(const char *at)
{
    for (char quote = 0; *at && (quote || *at != '>'); at++) {
        if (!quote && (*at == '"' || *at == '\''))
            quote = *at;
        else if (*at == quote)
            quote = 0;
        else if (*at == '<')
            return NULL;
    }
    return at;
}

/* Every tag is closed, in order; every & begins an entity. Of the pages' own HTML, which is XML as well. */
static void assert_well_formed(const char *page)
{
    enum { DEEP = 64 };
    struct {
        const char *name;
        size_t length;
    } open[DEEP];
    int depth = 0;
    for (const char *at = page; *at; at++) {
        if (*at == '&')
            assert_true(strspn(at + 1, "abcdefghijklmnopqrstuvwxyz0123456789#") > 0 &&
                        at[1 + strspn(at + 1, "abcdefghijklmnopqrstuvwxyz0123456789#")] == ';');
        if (*at != '<' || at[1] == '!')
            continue;
        const bool closing = at[1] == '/';
        const char *name = at + 1 + closing, *end = skip_quoted(name);
        size_t length = 0;
        while (isalnum((unsigned char)name[length]))
            length++;
        assert_non_null(end);
        assert_true(*end == '>' && length > 0);
        if (closing) {
            assert_true(depth > 0);
            depth--;
            if (open[depth].length != length || memcmp(open[depth].name, name, length) != 0)
                fail_msg("</%.*s> closes <%.*s>", (int)length, name, (int)open[depth].length, open[depth].name);
        } else if (end[-1] != '/') {
            assert_true(depth < DEEP);
            open[depth].name = name;
            open[depth++].length = length;
        }
        at = end;
    }
    assert_int_equal(depth, 0);
}

/* The report of a run, checked; memory_give it. */
static char *report_of(const char *run)
{
    char path[PATH_BYTES];
    void *text;
    size_t bytes;
    assert_int_equal(path_join(path, tiny_folder, "page.html"), OK);
    if (report_write_run(run, path) < 0)
        fail_msg("%s", fail_text());
    assert_int_equal(file_read(path, 1 << 24, &text, &bytes), OK);
    assert_well_formed(text);
    assert_true(bytes < 1500000);
    return text;
}

static void assert_holds(const char *page, const char *text)
{
    if (!strstr(page, text))
        fail_msg("the page does not hold: %s", text);
}

static void test_whole_run(void **state)
{
    (void)state;
    char *page = report_of(whole);
    static const char *const parts[] = {"plot ends flagged", "id=\"loss\"",    "id=\"accuracy\"", "id=\"rate\"",
                                        "id=\"gradient\"",   "id=\"update\"",  "id=\"speed\"",    "id=\"confusion\"",
                                        "id=\"classes\"",    "data:image/png", "optim",           "verdict"};
    for (int i = 0; i < COUNT_OF(parts); i++)
        assert_holds(page, parts[i]);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "src=\"http"));
    assert_null(strstr(page, "NaN"));
    memory_give(page);
}

static void test_names_are_escaped(void **state)
{
    (void)state;
    char *page = report_of(whole);
    assert_holds(page, "a&lt;b&gt;&amp;&quot;c&#39;");
    assert_null(strstr(page, "a<b>"));
    memory_give(page);
}

static void test_confusion_is_what_was_predicted(void **state)
{
    (void)state;
    struct run_facts facts;
    assert_int_equal(run_facts_read(&facts, whole), OK);
    int64_t right = 0, all = 0;
    for (int i = 0; i < facts.confusion.class_count; i++)
        for (int k = 0; k < facts.confusion.class_count; k++) {
            all += facts.confusion.counts[i * facts.confusion.class_count + k];
            right += i == k ? facts.confusion.counts[i * facts.confusion.class_count + k] : 0;
        }
    assert_int_equal(facts.confusion.class_count, 10);
    assert_true(all == facts.confusion.images && all > 0);
    /* The last best epoch of results.csv. */
    double accuracy = -1.0;
    for (int row = 1; row <= tiny_result_rows(whole); row++)
        if (tiny_result_at(whole, row, "best") == 1.0)
            accuracy = tiny_result_at(whole, row, "metrics/accuracy_top1");
    assert_true(fabs((double)right / (double)all - accuracy) < 1e-9);
    for (int i = 1; i < facts.lost_train.count; i++)
        assert_true(facts.lost_train.list[i].loss <= facts.lost_train.list[i - 1].loss);
    assert_int_equal(facts.lost_train.count, LOST_IMAGES);
    run_facts_free(&facts);
}

/* The hardest class comes first. */
static void test_classes_are_in_order(void **state)
{
    (void)state;
    char *page = report_of(whole);
    double before = -1.0;
    int classes = 0;
    for (const char *at = strstr(page, "id=\"classes\""); at && (at = strstr(at, "<td class=\"n\">")); classes++) {
        const double accuracy = strtod(at += strlen("<td class=\"n\">"), NULL);
        assert_true(accuracy >= before);
        before = accuracy;
        if (classes == 9)
            break;
    }
    assert_true(classes == 9 && before > 0.0);
    memory_give(page);
}

/* ---- other runs ---- */

/* A copy of some of the whole run's files, in a folder of that name. */
static const char *copy_run(const char *name, const char *const *files)
{
    static char folder[PATH_BYTES];
    char to[PATH_BYTES];
    assert_int_equal(path_join(folder, tiny_folder, name), OK);
    assert_int_equal(folder_make(folder), OK);
    for (; *files; files++) {
        char *text = tiny_read_text(whole, *files);
        assert_int_equal(path_join(to, folder, *files), OK);
        assert_int_equal(file_write(to, text, strlen(text)), OK);
        memory_give(text);
    }
    return folder;
}

static void write_file(const char *run, const char *name, const char *text)
{
    char path[PATH_BYTES];
    assert_int_equal(path_join(path, run, name), OK);
    assert_int_equal(file_write(path, text, strlen(text)), OK);
}

static void test_run_that_goes_on(void **state)
{
    (void)state;
    const char *run = copy_run("going", (const char *const[]){"config.resolved.ini", "log.jsonl", "results.csv", NULL});
    char *steps = tiny_read_text(whole, "steps.csv");
    steps[strlen(steps) / 2] = 0; /* in the middle of a line */
    write_file(run, "steps.csv", steps);
    memory_give(steps);
    char *page = report_of(run);
    assert_holds(page, "going on, or interrupted");
    assert_holds(page, "id=\"loss\"");
    assert_null(strstr(page, "id=\"confusion\""));
    memory_give(page);
    /* In its first epoch: steps, and no epoch yet. */
    write_file(run, "results.csv", "epoch,time\n");
    page = report_of(run);
    assert_null(strstr(page, "no step has been recorded yet"));
    assert_holds(page, "class=\"card verdict");
    memory_give(page);
}

static void test_run_that_has_only_begun(void **state)
{
    (void)state;
    const char *run = copy_run("begun", (const char *const[]){"config.resolved.ini", NULL});
    char *page = report_of(run);
    assert_holds(page, "no step has been recorded yet");
    memory_give(page);
    write_file(run, "steps.csv", "step,epoch,samples,loss\n");
    write_file(run, "results.csv", "epoch,time\n");
    write_file(run, "predictions.csv", "");
    page = report_of(run);
    assert_holds(page, "no step has been recorded yet");
    memory_give(page);
}

static void test_failed_run(void **state)
{
    (void)state;
    struct train_result result;
    assert_int_equal(tiny_train(NULL, "run.name=failed optim.name=sgd optim.lr=1000 train.epochs=200", &result),
                     ERR_TRAINING);
    char run[PATH_BYTES];
    assert_int_equal(path_join(run, tiny_folder, "failed"), OK);
    char *page = report_of(run);
    assert_holds(page, "pill bad");
    assert_holds(page, "the learning rate is too high");
    assert_holds(page, "id=\"finding-1\"");
    assert_holds(page, "<code>evenkeel find-lr CONFIG</code>");
    assert_null(strchr(page, '`'));
    static const char end[] = "<text x=\"8\" y=\"14\">"; /* a line's value at its end has room for nine letters */
    int ends = 0;
    for (const char *at = page; (at = strstr(at, end)); ends++) {
        at += sizeof end - 1;
        if (strcspn(at, "<") > 9)
            fail_msg("%.20s", at);
    }
    assert_true(ends > 0);
    memory_give(page);
}

static void test_run_without_validation_or_statistics(void **state)
{
    (void)state;
    struct train_result result;
    tiny_train_ok(NULL, "run.name=blind data.val_fraction=0 train.epochs=2", &result);
    char *page = report_of(result.path);
    assert_holds(page, "id=\"accuracy\"");
    assert_null(strstr(page, "id=\"confusion\""));
    memory_give(page);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    char out[PATH_BYTES];
    assert_int_equal(path_join(out, tiny_folder, "never.html"), OK);
    CHECK_FAILS(report_write_run(tiny_data, out), ERR_NO_INPUT, "no run directory");
    const char *run = copy_run("damaged", (const char *const[]){"config.resolved.ini", NULL});
    assert_false(file_exists(out));
    /* Rows that cannot be read are left out, and the page says which. */
    write_file(run, "results.csv", "");
    write_file(run, "steps.csv", "step,epoch,samples,loss\n0,1,10,none\n1,1,10,2.5\n2\n3,1,10,1.5\n");
    write_file(run, "predictions.csv",
               "sample,label,class,prediction,predicted,loss,file\n0,1,ant,1,ant,0.5,f\n0,x\n1,0,bee,1,ant,1.5,f\n");
    char *page = report_of(run);
    assert_holds(page, "steps.csv:2: loss is");
    assert_holds(page, "no number; the file was changed or damaged; 1 more row likewise");
    assert_holds(page, "results.csv: is no table");
    assert_holds(page, "predictions.csv:3: is no row");
    assert_holds(page, "id=\"loss\"");
    assert_holds(page, "bee taken for ant: 1 of 1");
    memory_give(page);
    const char *const runs[] = {run, whole};
    assert_int_equal(report_write_runs(runs, COUNT_OF(runs), out), OK);
    size_t bytes;
    assert_int_equal(file_read(out, 1 << 24, (void **)&page, &bytes), OK);
    assert_holds(page, "steps.csv:2: loss is");
    memory_give(page);
    write_file(run, "predictions.csv", "a,b\n1,2\n");
    page = report_of(run);
    assert_holds(page, "predictions.csv:2: is no row");
    memory_give(page);
    page = report_of(whole);
    assert_null(strstr(page, "could not be read"));
    memory_give(page);
}

/* The training loss of a run that came down is the one that it came to, in its own report and beside others. */
static void test_loss_it_came_to(void **state)
{
    (void)state;
    char steps[100 * 32 + 64], path[PATH_BYTES];
    void *page;
    size_t bytes;
    int used = sprintf(steps, "step,epoch,samples,loss,loss_variance,bad\n");
    for (int i = 0; i < 100; i++)
        used += sprintf(steps + used, "%d,1,16,%g,0.01,0\n", i, i < 70 ? 3.0 - 0.025 * i : 1.25);
    const char *run =
        copy_run("fallen", (const char *const[]){"config.resolved.ini", "results.csv", "log.jsonl", NULL});
    write_file(run, "steps.csv", steps);
    char *own = report_of(run);
    assert_holds(own, "<b>1.25</b>");
    assert_holds(own, "training loss, mean of the last 25 steps");
    memory_give(own);
    const char *const runs[] = {run, whole};
    assert_int_equal(path_join(path, tiny_folder, "fallen.html"), OK);
    assert_int_equal(report_write_runs(runs, COUNT_OF(runs), path), OK);
    assert_int_equal(file_read(path, 1 << 24, &page, &bytes), OK);
    assert_holds(page, "<td class=\"n\">1.25</td>");
    memory_give(page);
}

static void test_several_runs(void **state)
{
    (void)state;
    char path[PATH_BYTES], begun[PATH_BYTES];
    void *page;
    size_t bytes;
    const char *run = copy_run("empty", (const char *const[]){"config.resolved.ini", NULL});
    memcpy(begun, run, sizeof begun);
    char *config = tiny_read_text(begun, "config.resolved.ini"), *momentum = strstr(config, "\nmomentum = 0.9");
    assert_non_null(momentum);
    momentum[strlen("\nmomentum = 0.9") - 1] = '8';
    write_file(begun, "config.resolved.ini", config);
    memory_give(config);
    const char *const runs[] = {whole, begun, whole};
    assert_int_equal(path_join(path, tiny_folder, "several.html"), OK);
    if (report_write_runs(runs, COUNT_OF(runs), path) < 0)
        fail_msg("%s", fail_text());
    assert_int_equal(file_read(path, 1 << 24, &page, &bytes), OK);
    assert_well_formed(page);
    assert_holds(page, "id=\"val-loss\"");
    assert_holds(page, "optim.<wbr/>momentum");
    assert_holds(page, "cannot be judged");
    memory_give(page);
    const char *many[CHART_SERIES + 1];
    for (int i = 0; i <= CHART_SERIES; i++)
        many[i] = whole;
    CHECK_FAILS(report_write_runs(many, CHART_SERIES + 1, path), ERR_USAGE, "at most");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_run),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_confusion_is_what_was_predicted),
        cmocka_unit_test(test_run_that_goes_on),
        cmocka_unit_test(test_run_that_has_only_begun),
        cmocka_unit_test(test_failed_run),
        cmocka_unit_test(test_run_without_validation_or_statistics),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_loss_it_came_to),
        cmocka_unit_test(test_classes_are_in_order),
        cmocka_unit_test(test_several_runs),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_tear_down);
}

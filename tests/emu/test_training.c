/* test_training: whole runs on the emulated GPU, from config to checkpoint: near the CPU's, resumed bit for bit, and
 * what fp16's loss scale does in them. */
#include "emu.h"
#include "steps.h"
#include "text.h"
#include "tiny_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the standard headers first */
#include <cmocka.h>

extern const struct backend backend_cuda;

#define NETWORK "model.name=small_cnn model.width=2 augment.hflip=0.5 augment.crop_padding=2 augment.crop=16 "

static void train(const char *device, const char *resume, const char *words, struct train_result *result)
{
    char joined[2048];
    emu_reset_round(3); /* asynchronous: records come late */
    if (resume)
        snprintf(joined, sizeof joined, "%s", words);
    else
        snprintf(joined, sizeof joined, "train.device=%s %s", device, words);
    tiny_train_ok(resume, joined, result);
}

static void check_near(const char *precision, double tolerance)
{
    struct train_result cuda, cpu;
    char words[1024];
    snprintf(words, sizeof words, NETWORK "train.precision=%s", precision);
    train("cuda", NULL, words, &cuda);
    train("cpu", NULL, NETWORK "train.precision=fp32 train.threads=1", &cpu);
    for (int row = 1; row <= 2; row++) {
        const double got = tiny_result_at(cuda.path, row, "val/loss"), want = tiny_result_at(cpu.path, row, "val/loss");
        if (!(fabs(got - want) <= tolerance * want))
            fail_msg("%s: validation loss %.9g, on the CPU %.9g", precision, got, want);
    }
}

static void test_runs_are_near_the_cpus(void **state)
{
    (void)state;
    check_near("fp32", 1e-5);
    check_near("bf16", 1e-3);
    check_near("fp16", 1e-4);
}

/* kept: of the state, as an uninterrupted run has it in the end. */
static void check_resume(const char *words, const char *kept)
{
    struct train_result whole, part, rest;
    char joined[1024];
    train("cuda", NULL, words, &whole);
    snprintf(joined, sizeof joined, "%s train.max_steps=4", words);
    train("cuda", NULL, joined, &part);
    train("cuda", part.path, "train.max_steps=0", &rest);
    tiny_assert_same_run(whole.path, part.path);
    char *text = tiny_read_text(part.path, "checkpoints/last/state.json");
    assert_non_null(strstr(text, kept));
    memory_give(text);
}

static void test_resume_is_exact(void **state)
{
    (void)state;
    check_resume(NETWORK "train.precision=fp32 optim.ema_decay=0.9 train.accumulate=2 train.batch_size=8",
                 "\"update\":10,\"scale_exponent\":0,\"scale_good\":0");
    check_resume(NETWORK "train.precision=fp16 optim.name=sgd optim.momentum=0.9",
                 "\"update\":10,\"scale_exponent\":16,\"scale_good\":10");
}

static void test_the_loss_scale_is_told(void **state)
{
    (void)state;
    struct train_result result;
    train("cuda", NULL, NETWORK "train.precision=fp16 optim.name=sgd optim.lr=0.01 train.max_steps=4", &result);
    assert_true(tiny_cell_at(result.path, "steps.csv", 1, "loss_scale") == 65536.0);
    assert_true(tiny_cell_at(result.path, "steps.csv", 1, "bad") == 0.0);
}

/* ---- memory ---- */

static void test_images_sent_batch_by_batch_give_the_same_bits(void **state)
{
    (void)state;
    static const char *const words = NETWORK "train.precision=bf16 augment.rotate=10 train.accumulate=2 "
                                             "train.batch_size=8 data.device_share=";
    struct train_result resident, sent;
    char joined[1024];
    snprintf(joined, sizeof joined, "%s1", words);
    train("cuda", NULL, joined, &resident);
    snprintf(joined, sizeof joined, "%s0", words);
    train("cuda", NULL, joined, &sent);
    tiny_assert_same_run(resident.path, sent.path);
    for (int row = 1; row <= 2; row++)
        assert_true(tiny_result_at(resident.path, row, "val/loss") == tiny_result_at(sent.path, row, "val/loss"));
}

static void load(struct config *config, int batch, const char *share)
{
    char words_batch[64], words_share[64];
    snprintf(words_batch, sizeof words_batch, "train.batch_size=%d", batch);
    snprintf(words_share, sizeof words_share, "data.device_share=%s", share);
    const char *const words[] = {words_batch,
                                 words_share,
                                 "train.device=cuda",
                                 "model.name=small_cnn",
                                 "model.width=8",
                                 "train.precision=fp32",
                                 "train.deterministic=false"};
    assert_int_equal(config_load(config, tiny_config, words, COUNT_OF(words), stderr), OK);
}

static void check_share(const char *share, bool resident)
{
    struct session session;
    struct config config;
    emu_reset_round(0);
    load(&config, 16, share);
    assert_int_equal(session_open(&session, &config), OK);
    assert_int_equal(!session.train_source.streamed, resident);
    assert_false(session.plan.options.deterministic);
    session_close(&session);
    config_free(&config);
}

/* 120 images of 768 bytes, in some 16 GB. */
static void test_images_stay_on_the_device_where_their_share_is_enough(void **state)
{
    (void)state;
    check_share("0.5", true);
    check_share("0.00001", true);
    check_share("0.000001", false);
    check_share("0", false);
}

enum { MEGABYTE = 1 << 20, TOO_MANY = 64 };

/* Bytes that a plan of this batch takes, and, by measure, what planning alone says of it. */
static size_t needed(int batch, struct shape image, bool measure)
{
    struct session session;
    struct config config;
    size_t bytes;
    load(&config, batch, "0.5");
    if (session_open_bare(&session, &config, image, 10) < 0)
        fail_msg("%s", fail_text());
    bytes = plan_bytes(&session.plan);
    if (measure)
        assert_int_equal(plan_measure(&session.graph, session.backend, session.device, &session.plan.options, &bytes),
                         OK);
    session_close(&session);
    config_free(&config);
    return bytes;
}

/* Refused in memory of so many bytes; what was said is fail_text(). */
static void refuse(int batch, struct shape image, size_t memory_bytes)
{
    struct session session;
    struct config config;
    emu_config.memory_bytes = memory_bytes;
    load(&config, batch, "0.5");
    assert_int_equal(session_open_bare(&session, &config, image, 10), ERR_MEMORY);
    session_close(&session);
    config_free(&config);
}

/* What does not fit is refused with what it needs, which is what a plan that fits takes; with what is free; and with
 * the largest batch that fits: one more would not. */
static void test_out_of_memory_names_the_largest_batch(void **state)
{
    (void)state;
    const size_t before = emu_config.memory_bytes, memory_bytes = (size_t)400 * MEGABYTE;
    const struct shape image = {1, 256, 256, 3};
    char needs[24], wanted[128];
    double is_free = 0;
    int batch = 0;
    emu_reset_round(0);
    text_bytes(needs, (double)needed(TOO_MANY, image, false));
    refuse(TOO_MANY, image, memory_bytes);
    snprintf(wanted, sizeof wanted, "the plan needs %s of the device's memory at train.batch_size = %d, ", needs,
             TOO_MANY);
    const char *said = strstr(fail_text(), wanted),
               *largest = strstr(fail_text(), "the largest train.batch_size that fits");
    const char *rest = said ? said + strlen(wanted) : "";
    if (!largest || sscanf(rest, "and %lf MiB are free", &is_free) != 1 ||
        sscanf(strpbrk(largest, "0123456789"), "%d", &batch) != 1)
        fail_msg("%s, not %s", fail_text(), wanted);
    /* All but what the device holds for itself, some 4 MiB, and what is left to the driver, 48. */
    assert_true(is_free >= 400 - 48 - 8 && is_free <= 400 - 48 - 4);
    assert_in_range(batch, 2, TOO_MANY - 1);
    emu_config.memory_bytes = before;
    assert_true((double)needed(batch, image, true) <= (is_free + 0.5) * MEGABYTE);
    assert_true((double)needed(batch + 1, image, true) > (is_free - 0.5) * MEGABYTE);
    emu_config.memory_bytes = memory_bytes;
    needed(batch, image, false); /* it really can be opened */

    refuse(TOO_MANY, image, (size_t)60 * MEGABYTE);
    assert_non_null(strstr(fail_text(), "too little for even one image"));
    emu_config.memory_bytes = before;
}

/* ---- refused ---- */

/* Black images, and one whose pixels divided by augment.std are beyond fp16. */
enum { IMAGES = 24, IMAGE_SIDE = 12, WHITE = 13 };

static void write_images(char folder[static PATH_BYTES])
{
    static uint8_t images[16 + IMAGES * IMAGE_SIDE * IMAGE_SIDE] = {0, 0, 8, 3,          0, 0, 0, IMAGES,
                                                                    0, 0, 0, IMAGE_SIDE, 0, 0, 0, IMAGE_SIDE};
    static uint8_t labels[8 + IMAGES] = {0, 0, 8, 1, 0, 0, 0, IMAGES};
    char path[PATH_BYTES];
    memset(images + 16 + WHITE * IMAGE_SIDE * IMAGE_SIDE, 255, (size_t)IMAGE_SIDE * IMAGE_SIDE);
    for (int i = 0; i < IMAGES; i++)
        labels[8 + i] = (uint8_t)(i % 3 == 0);
    assert_int_equal(path_join(folder, tiny_folder, "black"), OK);
    assert_int_equal(folder_make(folder), OK);
    assert_int_equal(path_join(path, folder, "train-images-idx3-ubyte"), OK);
    assert_int_equal(file_write(path, images, sizeof images), OK);
    assert_int_equal(path_join(path, folder, "train-labels-idx1-ubyte"), OK);
    assert_int_equal(file_write(path, labels, sizeof labels), OK);
}

/* Trains on them and returns what log.jsonl says of the one refused step; to give back. */
static char *train_black(int round, const char *folder, const char *name, struct train_result *result)
{
    char words[2 * PATH_BYTES];
    emu_reset_round(round);
    snprintf(
        words, sizeof words,
        "train.device=cuda data.train=%s data.val_fraction=0 model.name=small_cnn model.width=2 train.epochs=1 "
        "train.batch_size=2 augment.normalize=given augment.mean=0 augment.std=1e-5 train.precision=fp16 run.name=%s",
        folder, name);
    tiny_train_ok(NULL, words, result);
    return tiny_read_text(result->path, "log.jsonl");
}

/* Where the host is ahead of the device it hears of a refused step when later ones have changed the weights, and runs
 * that batch again with these: it says so, the rest of the run is the same. */
static void test_a_step_refused_late_is_run_again_with_later_weights(void **state)
{
    (void)state;
    char folder[PATH_BYTES], wanted[64];
    struct train_result at_once, late;
    write_images(folder);
    char *first = train_black(0, folder, "at-once", &at_once), *second = train_black(3, folder, "late", &late);
    tiny_assert_same_run(at_once.path, late.path);
    const char *event = strstr(first, "\"refused\""), *late_event = strstr(second, "\"refused\"");
    int step = 0;
    assert_true(event && late_event);
    if (!strstr(event, "the network's input") || !strstr(event, "\"updates_since\":0,") || !strstr(event, "13]") ||
        sscanf(strstr(event, "\"step\":"), "\"step\":%d", &step) != 1)
        fail_msg("%s", event);
    const int later = IMAGES / 2 - 1 - step;
    assert_true(step > 0 && later > 0);
    snprintf(wanted, sizeof wanted, "run again %d update%s later", later, later == 1 ? "" : "s");
    if (!strstr(late_event, wanted) || !strstr(late_event, "the network's input") || !strstr(late_event, "13]"))
        fail_msg("%s in %s", wanted, late_event);
    memory_give(first);
    memory_give(second);
}

/* ---- step by step ---- */

/* Starts far too high: the first steps are refused and halve it, until gradients are finite again. */
static void check_overflow(int round, struct outcome *outcome)
{
    static const struct recipe recipe = {DT_F16, OPTIMIZER_ADAM, 1, STEPS_MOST, false};
    enum { TOO_HIGH = 30 };
    struct trainee trainee;
    struct outcome before, after;
    emu_reset_round(round);
    trainee_open(&trainee, &backend_cuda, &recipe);
    assert_int_equal(plan_set_kept(&trainee.plan, (struct step_kept){.updates = 5, .scale_exponent = TOO_HIGH}), OK);
    trainee_weights(&trainee, &before);
    int step = 0, scale = TOO_HIGH;
    for (;; step++, scale--) {
        struct step_record record;
        trainee_step(&trainee, step);
        assert_int_equal(backend_cuda.wait(trainee.device), OK);
        assert_true(plan_record(&trainee.plan, step, &record));
        assert_true(record.loss_scale == ldexpf(1.0f, scale) && isfinite(record.loss));
        outcome->records[step] = record;
        if (!record.bad)
            break;
        assert_int_equal(record.bad, REFUSED_SCALE);
        assert_true(record.nonfinite > 0);
        assert_int_equal(record.kept.updates, 5);
        assert_int_equal(record.kept.scale_exponent, scale - 1);
        trainee_weights(&trainee, &after);
        assert_memory_equal(before.weights, after.weights, (size_t)before.count * sizeof(float));
        memory_give(after.weights);
    }
    assert_true(step >= 2 && step < TOO_HIGH);
    assert_int_equal(outcome->records[step].kept.updates, 6);
    assert_int_equal(outcome->records[step].kept.scale_good, 1);
    outcome->late = step;
    trainee_weights(&trainee, outcome);
    memory_give(before.weights);
    trainee_close(&trainee);
}

static void test_overflow_halves_the_scale(void **state)
{
    (void)state;
    struct outcome first, other;
    memset(&first, 0, sizeof first);
    memset(&other, 0, sizeof other);
    check_overflow(0, &first);
    check_overflow(3, &other);
    assert_int_equal(first.late, other.late);
    assert_memory_equal(first.records, other.records, sizeof first.records);
    assert_memory_equal(first.weights, other.weights, (size_t)first.count * sizeof(float));
    memory_give(first.weights);
    memory_give(other.weights);
}

static void test_patience_doubles_the_scale(void **state)
{
    (void)state;
    static const struct recipe recipe = {DT_F16, OPTIMIZER_SGD, 1, STEPS_MOST, false};
    struct trainee trainee;
    struct step_record record;
    emu_reset_round(0);
    trainee_open(&trainee, &backend_cuda, &recipe);
    assert_int_equal(plan_set_kept(&trainee.plan, (struct step_kept){.scale_exponent = 3, .scale_good = 1998}), OK);
    for (int step = 0; step < 4; step++) {
        trainee_step(&trainee, step);
        assert_true(plan_record(&trainee.plan, step, &record));
        assert_true(record.bad == 0 && record.loss_scale == (step < 2 ? 8.0f : 16.0f));
    }
    trainee_close(&trainee);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_sent_batch_by_batch_give_the_same_bits),
        cmocka_unit_test(test_images_stay_on_the_device_where_their_share_is_enough),
        cmocka_unit_test(test_out_of_memory_names_the_largest_batch),
        cmocka_unit_test(test_runs_are_near_the_cpus),
        cmocka_unit_test(test_resume_is_exact),
        cmocka_unit_test(test_the_loss_scale_is_told),
        cmocka_unit_test(test_a_step_refused_late_is_run_again_with_later_weights),
        cmocka_unit_test(test_overflow_halves_the_scale),
        cmocka_unit_test(test_patience_doubles_the_scale),
    };
    return cmocka_run_group_tests(tests, tiny_set_up, tiny_tear_down);
}

/* found_images: see found_images.h. */
#include "found_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct symptom found[CAUSE_COUNT];

int examine(void)
{
    return doctor_examine(&run.evidence, found);
}

void expect(enum cause cause, const char *rule)
{
    const int count = examine();
    assert_string_equal(cause_table[doctor_cause(found, count)].name, cause_table[cause].name);
    assert_string_equal(found[0].rule, rule);
}

/* Before training a rule of include/check.h found something. */
void find_images(const char *rule)
{
    struct symptom *symptom = &run.evidence.images[run.evidence.image_count++];
    assert_true(doctor_image(symptom, rule));
    strcpy(symptom->evidence, "what was found in the images");
    if (symptom->needs & (EFFECT_COSTLY | EFFECT_WEIGHED))
        symptom->cost = 0.2, symptom->cost_error = 0.02;
}

/* In the last epoch, by training and by validation. */
void learn_all(void)
{
    fill(run.correct, STEPS - 100, STEPS, 64.0 * 0.96);
    fill(run.val_accuracy, EPOCHS - 1, EPOCHS, 0.96);
}

void expect_doubtful(enum cause cause, enum cause doubt)
{
    const int count = examine();
    assert_string_equal(cause_table[doctor_cause(found, count)].name, cause_table[cause].name);
    assert_int_equal(found[count - 1].cause, doubt);
    assert_true(found[count - 1].doubtful);
}

/* test_card: whether data fit a trained model: classes by name, images by shape. */
#include "trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *trained[] = {"b", "caf\xef\xbf\xbd"}, *same[] = {"b", "caf\xe9"}, *other[] = {"b", "d"};
static const struct model_card card = {.image = {1, 8, 8, 3}, .class_count = 2, .class_names = trained};

static struct dataset data_of(const char **names, int size)
{
    return (struct dataset){
        .source = "photos", .format = "folder", .image = {1, size, size, 3}, .class_count = 2, .class_names = names};
}

static void assert_refused(const struct dataset *data, const char *part)
{
    assert_int_equal(card_match(&card, "the model", data), ERR_DATA);
    if (!strstr(fail_text(), part))
        fail_msg("'%s' is not in: %s", part, fail_text());
}

static void test_classes_and_shape(void **state)
{
    (void)state;
    const struct dataset right = data_of(trained, 8), renamed = data_of(other, 8), larger = data_of(trained, 9);
    assert_int_equal(card_match(&card, "the model", &right), OK);
    assert_refused(&renamed, "'d'");
    assert_refused(&larger, "9 x 9");
}

/* A card is JSON: of a name that is not UTF-8 it keeps what it can, and the folder is still the class. */
static void test_name_that_is_not_utf8(void **state)
{
    (void)state;
    const struct dataset data = data_of(same, 8);
    assert_int_equal(card_match(&card, "the model", &data), OK);
    assert_string_equal(data.class_names[1], "caf\xe9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_and_shape),
        cmocka_unit_test(test_name_that_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

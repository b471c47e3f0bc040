/* check: measures, then asks every rule. Knows no rule. */
#include "facts.h"

#include <string.h>

const char *const severity_names[] = {"info", "warn", "fault"};

static void judge(struct findings *findings, const struct facts *facts)
{
    findings->list = arena_push(&findings->arena, (size_t)check_rule_count * sizeof *findings->list);
    for (int i = 0; i < check_rule_count; i++) {
        struct finding finding = {.name = check_rules[i].name};
        if (check_rules[i].judge(facts, &findings->arena, &finding))
            findings->list[findings->count++] = finding;
    }
}

int check_images(struct findings *findings, const struct check_input *input)
{
    struct facts facts = {.input = input};
    *findings = (struct findings){0};
    int status = facts_measure(&facts);
    if (status == OK)
        status = facts_pair(&facts);
    if (status == OK) {
        findings->train_seen = facts.train_count;
        findings->val_seen = facts.count - facts.train_count;
        judge(findings, &facts);
    }
    facts_free(&facts);
    return status;
}

void findings_free(struct findings *findings)
{
    arena_free(&findings->arena);
    *findings = (struct findings){0};
}

int findings_worst(const struct findings *findings)
{
    int worst = -1;
    for (int i = 0; i < findings->count; i++)
        worst = (int)findings->list[i].severity > worst ? (int)findings->list[i].severity : worst;
    return worst;
}

/* check: measures, then asks every rule. Knows no rule. */
#include "facts.h"

#include <string.h>

const char *const severity_names[] = {"info", "warn", "fault"};

static int judge(struct findings *findings, const struct facts *facts)
{
    bool by_image = false;
    findings->list = arena_push(&findings->arena, (size_t)check_rule_count * sizeof *findings->list);
    for (int i = 0; i < check_rule_count; i++) {
        struct finding finding = {.name = check_rules[i].name};
        if (!check_rules[i].judge(facts, &findings->arena, &finding))
            continue;
        findings->list[findings->count++] = finding;
        by_image = by_image || finding.of_light || finding.of_odd;
    }
    return by_image ? facts_light(facts, &findings->arena, &findings->light) : OK;
}

/* What is told whatever the rules find. */
static void keep_figures(struct findings *findings, const struct facts *facts)
{
    findings->train_seen = facts->train_count;
    findings->val_seen = facts->count - facts->train_count;
    findings->class_count = facts->input->train->data->class_count;
    facts_statistics(facts, false, findings->mean, findings->std);
    const size_t bytes = (size_t)findings->class_count * sizeof *facts->class_counts[0];
    for (int part = 0; part < 2; part++)
        if (facts->class_counts[part])
            findings->class_counts[part] =
                memcpy(arena_push(&findings->arena, bytes), facts->class_counts[part], bytes);
}

int check_images(struct findings *findings, const struct check_input *input)
{
    struct facts facts = {.input = input};
    *findings = (struct findings){0};
    int status = facts_measure(&facts);
    if (status == OK)
        status = facts_pair(&facts);
    if (status == OK) {
        keep_figures(findings, &facts);
        facts_mark_odd(&facts);
        status = facts_compare(&facts);
    }
    if (status == OK)
        status = facts_relate(&facts);
    if (status == OK)
        status = judge(findings, &facts);
    facts_free(&facts);
    return status;
}

void finding_number(struct finding *finding, const char *name, double value)
{
    finding->evidence[finding->evidence_count].name = name;
    finding->evidence[finding->evidence_count++].value = value;
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

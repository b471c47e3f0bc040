/* facts: what a run directory says of its data and its network, so that it can be judged without them. */
#include "text.h"
#include "train.h"

#include <stdio.h>
#include <stdlib.h>

int facts_log(struct trainer *trainer)
{
    const struct session *session = &trainer->session;
    const struct subset *subset = &session->train.subset;
    struct arena arena = {0};
    int64_t *counts = arena_push(&arena, (size_t)session->card.class_count * sizeof *counts);
    for (int64_t i = 0; i < subset->count; i++)
        counts[subset->data->labels[subset->samples[i]]]++;
    const char *list = "";
    for (int c = 0; c < session->card.class_count; c++)
        list = arena_format(&arena, "%s%s%lld", list, c ? "," : "", (long long)counts[c]);
    const struct node *narrowest;
    const int64_t bottleneck = graph_bottleneck(&session->graph, &narrowest);
    int status =
        run_log_event(&trainer->run, "data",
                      "\"train\":%lld,\"val\":%lld,\"class_images\":[%s],\"parameters\":%lld,\"bottleneck\":%lld,"
                      "\"narrowest\":%s",
                      (long long)subset->count, (long long)session->val.subset.count, list,
                      (long long)graph_param_count(&session->graph), (long long)bottleneck,
                      text_quote(&arena, narrowest ? narrowest->name : ""));
    if (status == OK && session->started_from)
        status =
            run_log_event(&trainer->run, "first_weights", "\"from\":%s", text_quote(&arena, session->started_from));
    arena_free(&arena);
    return status;
}

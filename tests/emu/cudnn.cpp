/* cudnn: stands in for cuDNN's graph API where the CUDA backend runs in the emulator: the calls that dnn*.c and
 * libraries.c make. Descriptors keep what is said to them; a graph is offered several engines, good ones and such as a
 * careful caller does not take (emu_cudnn.h); a plan's JSON names its engine and its graph. Workspaces are asked for
 * and spoilt, so that a caller who leaves no room is found out. What a graph computes is cudnn_work.cpp's. */
#include "emu.h"
#include "emu_cudnn.h"
#include "emu_dnn.h"
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

struct cudnnContext {
    CUstream_st *stream;
};
struct emu_cudnn emu_cudnn = {};

namespace
{
using emu_dnn::descriptor;
using emu_dnn::find;
using emu_dnn::get;
using shared_graph = std::shared_ptr<const emu_dnn::graph>;

enum { WORKSPACE_BYTES = 1000, HUNGRY_BYTES = 1 << 30, CHANNELS = 8, ALIGNMENT = 16, PLAIN_NORM_BACKWARD = 7 };
std::atomic<int> runs, joined_runs, alive, last = -1;
std::string &last_error = *new std::string;

struct engine {
    int ticks;
    int numerical; /* note; -1: none */
    bool compiled, fails, spoils;
};
const engine engines[EMU_ENGINES] = {
    {3, -1, false, false, false},
    {8, -1, false, false, false},
    {2, -1, false, false, false},
    {1, -1, false, true, false},
    {1, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, false, false, false},
    {1, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, false, false, true},
    {1, -1, false, false, true},
    {1, -1, true, false, false},
};

cudnnStatus_t refuse(cudnnStatus_t status, const std::string &why)
{
    last_error = why;
    return status;
}

/* Compiled engines are slow, but where the number of channels made is a multiple of 3. */
int ticks_of(const descriptor &plan)
{
    const emu_dnn::operation &first = plan.graph->operations[0];
    const auto last_kind = plan.graph->operations.back().kind;
    const int joined = first.kind == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR       ? emu_cudnn.made_ticks
                       : last_kind == CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR      ? emu_cudnn.sums_ticks
                       : last_kind == CUDNN_BACKEND_OPERATION_BN_BWD_WEIGHTS_DESCRIPTOR ? emu_cudnn.backward_ticks
                                                                                        : 0;
    return engines[plan.engine].ticks + joined +
           (engines[plan.engine].compiled && first.tensors[emu_dnn::Y].shape.c % 3 ? 3 : 0);
}

size_t workspace_of(const descriptor &plan)
{
    const size_t own = plan.engine == EMU_ENGINE_HUNGRY  ? HUNGRY_BYTES
                       : plan.engine == EMU_ENGINE_QUICK ? 0
                                                         : WORKSPACE_BYTES;
    return plan.graph->inner_bytes + own;
}

/* ---- engines ---- */

/* As the library has precompiled engines for joined graphs: fp16 alone, channels in eights, what a normalisation is
 * applied with in fp16 too, and what adds gradients for a stride of 1 alone. */
bool precompiled(const emu_dnn::graph &graph)
{
    if (graph.operations.size() > PLAIN_NORM_BACKWARD && (graph.operations[0].strides[0] != 1 || emu_cudnn.refuses_met))
        return false;
    for (const emu_dnn::operation &operation : graph.operations)
        for (int o = 0; o < emu_dnn::OPERANDS && graph.joined(); o++) {
            const emu_dnn::tensor &tensor = operation.tensors[o];
            const bool per_channel = shape_count(tensor.shape) == tensor.shape.c;
            if (tensor.given &&
                (tensor.shape.c % CHANNELS || (!tensor.inner && !per_channel && tensor.dtype != DT_F16)))
                return false;
            if (operation.mode == CUDNN_POINTWISE_MUL && o == emu_dnn::B && &operation == &graph.operations[0] &&
                tensor.given && tensor.dtype != DT_F16)
                return false;
        }
    return true;
}

/* The library's heuristics know nothing of a gradient of weights that is wider than what it is made of, although an
 * engine does. */
bool heuristics_know(const emu_dnn::graph &graph)
{
    const emu_dnn::operation &first = graph.operations[0];
    return first.kind != CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR ||
           first.tensors[emu_dnn::W].dtype == first.tensors[emu_dnn::X].dtype;
}

bool offered(const emu_dnn::graph &graph, int number)
{
    const emu_dnn::operation &first = graph.operations[0];
    const bool narrow = first.kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR &&
                        first.tensors[emu_dnn::W].dtype != DT_F32;
    if ((graph.joined() && emu_cudnn.refuses_joined) || (narrow && emu_cudnn.refuses_narrow))
        return false;
    return engines[number].compiled || (precompiled(graph) && heuristics_know(graph));
}

std::vector<int> suggestions(const emu_dnn::graph &graph, cudnnBackendHeurMode_t mode)
{
    static const std::vector<int> all[] = {
        {EMU_ENGINE_RANDOM, EMU_ENGINE_HUNGRY, EMU_ENGINE_ROUNDING, EMU_ENGINE_RIGHT, EMU_ENGINE_SLOW},
        {EMU_ENGINE_RIGHT, EMU_ENGINE_FAILING, EMU_ENGINE_QUICK},
        {EMU_ENGINE_COMPILED}};
    static const std::vector<int> few[] = {{EMU_ENGINE_RIGHT}, {}, {EMU_ENGINE_COMPILED}};
    std::vector<int> suggested;
    if (heuristics_know(graph))
        for (int number : (emu_cudnn.all ? all : few)[mode])
            if (offered(graph, number))
                suggested.push_back(number);
    return suggested;
}

/* ---- plans ---- */

/* Graphs are known again by their text: what a JSON names must have been described in this process. */
std::map<std::string, shared_graph> &graphs = *new std::map<std::string, shared_graph>;

std::string json_of(const descriptor &plan)
{
    return "{\"engine\": " + std::to_string(plan.engine) + ", \"graph\": \"" + plan.graph->text + "\"}";
}

bool from_json(descriptor &plan, const std::string &json)
{
    char graph[4096];
    if (sscanf(json.c_str(), "{\"engine\": %d, \"graph\": \"%4095[^\"]\"}", &plan.engine, graph) != 2)
        return false;
    const auto known = graphs.find(graph);
    if (known == graphs.end() || plan.engine < 0 || plan.engine >= EMU_ENGINES)
        return false;
    plan.graph = known->second;
    return offered(*plan.graph, plan.engine);
}

descriptor *pointed(const descriptor &from, cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type)
{
    void *to = nullptr;
    if (!get(from, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &to))
        return nullptr;
    descriptor *pointed = static_cast<descriptor *>(to);
    return pointed->type == type && pointed->finished ? pointed : nullptr;
}

bool finish_plan(descriptor &plan)
{
    const auto json = plan.attributes.find(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
    if (json != plan.attributes.end())
        return from_json(plan, std::string(json->second.bytes.begin(), json->second.bytes.end()));
    const descriptor *config =
        pointed(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (!config)
        return false;
    plan.graph = config->graph;
    plan.engine = config->engine;
    return true;
}

/* Whether it is said which device a heuristic or an engine is for: by it, or by the graph. Where neither says so the
 * library does not refuse, but answers for a device of its own choice, with fewer and slower plans. */
bool knows_device(const descriptor &asked, cudnnBackendAttributeName_t name, const descriptor &graph)
{
    cudnnHandle_t handle = nullptr;
    return pointed(asked, name, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR) ||
           (get(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle) && handle);
}

bool finish(descriptor &descriptor)
{
    const emu_dnn::descriptor *of;
    int64_t number;
    switch (descriptor.type) {
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        descriptor.graph = emu_dnn::read_graph(descriptor, &last_error);
        if (descriptor.graph)
            graphs.emplace(descriptor.graph->text, descriptor.graph);
        return descriptor.graph != nullptr;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        of = pointed(descriptor, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
        descriptor.graph = of ? of->graph : nullptr;
        return of && knows_device(descriptor, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *of) && heuristics_know(*of->graph);
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
        of = pointed(descriptor, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
        if (!of || !knows_device(descriptor, CUDNN_ATTR_ENGINE_DEVICEPROP, *of) ||
            !get(descriptor, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, &number) ||
            !offered(*of->graph, int(number)))
            return false;
        descriptor.graph = of->graph;
        descriptor.engine = int(number);
        return true;
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
        of = pointed(descriptor, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
        if (!of)
            return false;
        descriptor.graph = of->graph;
        descriptor.engine = of->engine;
        return true;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: return finish_plan(descriptor);
    default: return true; /* read where it is used */
    }
}

/* ---- running ---- */

struct work {
    shared_graph graph;
    std::map<int64_t, void *> memory;
    unsigned char *workspace;
    size_t workspace_bytes;
    bool spoils;
};

void run(void *argument)
{
    const work &queued = *static_cast<work *>(argument);
    if (queued.workspace_bytes)
        memset(queued.workspace, 0xFF, queued.workspace_bytes);
    compute(*queued.graph, queued.memory, queued.workspace);
    if (queued.spoils)
        spoil(*queued.graph, queued.memory);
}

void tick(void *) {}

bool read_pack(const descriptor &pack, const descriptor &plan, work *to)
{
    const auto ids = pack.attributes.find(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS),
               pointers = pack.attributes.find(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    if (ids == pack.attributes.end() || pointers == pack.attributes.end() || ids->second.type != CUDNN_TYPE_INT64 ||
        pointers->second.type != CUDNN_TYPE_VOID_PTR || ids->second.count != pointers->second.count ||
        !get(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &to->workspace))
        return false;
    for (int64_t i = 0; i < ids->second.count; i++) {
        int64_t id;
        void *pointer;
        memcpy(&id, ids->second.bytes.data() + size_t(i) * sizeof id, sizeof id);
        memcpy(&pointer, pointers->second.bytes.data() + size_t(i) * sizeof pointer, sizeof pointer);
        if (uintptr_t(pointer) % ALIGNMENT || !to->memory.emplace(id, pointer).second)
            return false; /* as the tensor was described, and each once */
    }
    for (const emu_dnn::operation &operation : plan.graph->operations)
        for (const emu_dnn::tensor &tensor : operation.tensors)
            if (tensor.given && !tensor.inner && (!to->memory.count(tensor.id) || !to->memory[tensor.id]))
                return false;
    return to->workspace || to->workspace_bytes == 0;
}

/* ---- what can be asked ---- */

template <class T> cudnnStatus_t answer(const std::vector<T> &known, int64_t room, int64_t *count, void *values)
{
    *count = int64_t(known.size());
    if (room == 0 || !values)
        return CUDNN_STATUS_SUCCESS;
    *count = std::min<int64_t>(*count, room);
    memcpy(values, known.data(), size_t(*count) * sizeof(T));
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t answer_heuristic(const descriptor &heuristic, int64_t room, int64_t *count, void *values)
{
    cudnnBackendHeurMode_t mode;
    if (!get(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode))
        return refuse(CUDNN_STATUS_BAD_PARAM, "no mode");
    const std::vector<int> suggested = suggestions(*heuristic.graph, mode);
    *count = int64_t(suggested.size()) + (room == 0); /* one more is promised than there is */
    for (int64_t i = 0; i < room && i < *count; i++) {
        descriptor &config = *static_cast<descriptor **>(values)[i];
        config.graph = heuristic.graph;
        config.engine = suggested[size_t(i)];
        config.finished = true;
    }
    *count = std::min(*count, room ? room : *count);
    return CUDNN_STATUS_SUCCESS;
}
} // namespace

int emu_cudnn_runs()
{
    return runs;
}

int emu_cudnn_joined()
{
    return joined_runs;
}

int emu_cudnn_alive()
{
    return alive;
}

int emu_cudnn_last()
{
    return last;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *made)
{
    *made = new descriptor{type, false, {}, nullptr, -1};
    alive++;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t gone)
{
    delete static_cast<descriptor *>(gone);
    alive--;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    static const size_t sizes[EMU_CUDNN_TYPES] = {
        sizeof(void *),
        sizeof(cudnnDataType_t),
        sizeof(bool),
        sizeof(int64_t),
        sizeof(float),
        sizeof(void *),
        sizeof(cudnnConvolutionMode_t),
        sizeof(cudnnBackendHeurMode_t),
        sizeof(cudnnBackendNumericalNote_t),
        sizeof(cudnnBackendBehaviorNote_t),
        sizeof(cudnnPointwiseMode_t),
        sizeof(cudnnGenStatsMode_t),
        1,
        sizeof(void *),
    };
    descriptor &descriptor = *static_cast<emu_dnn::descriptor *>(to);
    if (descriptor.finished || count <= 0 || !values)
        return refuse(CUDNN_STATUS_BAD_PARAM, "an attribute of what is finished, or no value");
    const unsigned char *bytes = static_cast<const unsigned char *>(values);
    descriptor.attributes[name] = {type, count, {bytes, bytes + size_t(count) * sizes[type]}};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    emu_dnn::descriptor &finished = *static_cast<emu_dnn::descriptor *>(descriptor);
    finished.finished = finish(finished);
    return finished.finished ? CUDNN_STATUS_SUCCESS
           : finished.type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR
               ? CUDNN_STATUS_BAD_PARAM
               : refuse(CUDNN_STATUS_NOT_SUPPORTED, "there is no such thing");
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const from, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t room, int64_t *count, void *values)
{
    const descriptor &descriptor = *static_cast<emu_dnn::descriptor *>(from);
    if (!descriptor.finished)
        return refuse(CUDNN_STATUS_BAD_PARAM, "asked of what is not finished");
    const engine *engine = descriptor.engine >= 0 ? &engines[descriptor.engine] : nullptr;
    switch (name) {
    case CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT:
        return answer(std::vector<int64_t>{EMU_ENGINES}, room, count, values);
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: return answer_heuristic(descriptor, room, count, values);
    case CUDNN_ATTR_ENGINECFG_ENGINE: {
        emu_dnn::descriptor &to = **static_cast<emu_dnn::descriptor **>(values);
        to.graph = descriptor.graph;
        to.engine = descriptor.engine;
        to.finished = true;
        *count = 1;
        return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: {
        std::vector<cudnnBackendNumericalNote_t> notes;
        if (engine->numerical >= 0)
            notes.push_back(cudnnBackendNumericalNote_t(engine->numerical));
        return answer(notes, room, count, values);
    }
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE: {
        std::vector<cudnnBackendBehaviorNote_t> notes;
        if (engine->compiled)
            notes.push_back(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION);
        return answer(notes, room, count, values);
    }
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        return answer(std::vector<int64_t>{int64_t(workspace_of(descriptor))}, room, count, values);
    case CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION: {
        const std::string json = json_of(descriptor);
        return answer(std::vector<char>(json.begin(), json.end()), room, count, values);
    }
    default: return refuse(CUDNN_STATUS_NOT_SUPPORTED, "never asked");
    }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t of, cudnnBackendDescriptor_t with)
{
    const descriptor &plan = *static_cast<descriptor *>(of), &pack = *static_cast<descriptor *>(with);
    const engine &engine = engines[plan.engine];
    work *queued = new work{plan.graph, {}, nullptr, workspace_of(plan), engine.spoils};
    cudnnHandle_t made_for = nullptr;
    const bool here = get(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &made_for) && made_for == handle;
    if (engine.fails || !plan.finished || !here || !pack.finished || !read_pack(pack, plan, queued)) {
        delete queued;
        return refuse(CUDNN_STATUS_EXECUTION_FAILED, engine.fails ? "planted"
                                                     : here       ? "a pointer is missing, twice there or not aligned"
                                                                  : "the plan is for another device");
    }
    runs++;
    joined_runs += plan.graph->joined();
    last = plan.engine;
    const auto remove = [](void *gone) { delete static_cast<work *>(gone); };
    int status = emu_enqueue(handle->stream, run, queued, remove);
    for (int i = 1; i < ticks_of(plan); i++)
        status |= emu_enqueue(handle->stream, tick, nullptr, [](void *) {});
    return status == 0 ? CUDNN_STATUS_SUCCESS : refuse(CUDNN_STATUS_EXECUTION_FAILED, "not queued");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    *handle = new cudnnContext{nullptr};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    delete handle;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, CUstream_st *stream)
{
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    static const char *const texts[] = {"CUDNN_STATUS_SUCCESS", "CUDNN_STATUS_ALLOC_FAILED", "CUDNN_STATUS_BAD_PARAM",
                                        "CUDNN_STATUS_NOT_SUPPORTED", "CUDNN_STATUS_EXECUTION_FAILED"};
    return texts[status];
}

void cudnnGetLastErrorString(char *text, size_t bytes)
{
    snprintf(text, bytes, "%s", last_error.c_str());
}

size_t cudnnGetVersion()
{
    return CUDNN_MAJOR * 10000 + CUDNN_MINOR * 100;
}

/* array: an array in the emulated device's memory, for tests of the emulator. */
#ifndef EMU_ARRAY_H
#define EMU_ARRAY_H
#include "cuda_emu.h"
#include <vector>

template <class T> struct array {
    T *memory = nullptr;
    size_t count;

    explicit array(size_t count_) : count(count_)
    {
        cudaMalloc(reinterpret_cast<void **>(&memory), bytes());
        cudaMemset(memory, 0, bytes());
    }
    explicit array(const std::vector<T> &values) : array(values.size())
    {
        cudaMemcpy(memory, values.data(), bytes(), cudaMemcpyHostToDevice);
    }
    array(const array &) = delete;
    ~array() { cudaFree(memory); }
    size_t bytes() const { return count * sizeof(T); }
    std::vector<T> values() const
    {
        std::vector<T> all(count);
        cudaMemcpy(all.data(), memory, bytes(), cudaMemcpyDeviceToHost);
        return all;
    }
};
#endif

#pragma once
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace sentinel::promql {

// Sorts and keeps the order of what is equal (libstdc++'s stable_sort calls a function that C++20 deprecates).
template <class T, class Less>
void sort_stably(std::vector<T>& items, const Less& less) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (less(items[a], items[b])) return true;
    if (less(items[b], items[a])) return false;
    return a < b;
  });
  std::vector<T> sorted;
  sorted.reserve(items.size());
  for (size_t i : order) sorted.push_back(std::move(items[i]));
  items = std::move(sorted);
}

}  // namespace sentinel::promql

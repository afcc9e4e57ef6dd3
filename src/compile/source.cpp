#include "compile/source.hpp"

#include "graph/memory.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lazyfx::compile {

std::uint64_t Source::fingerprint() const {
  XXH64_state_t state;
  XXH64_reset(&state, 0x6c617a796678ULL);
  const auto add = [&](std::uint64_t v) { XXH64_update(&state, &v, sizeof v); };
  add(graph.structure_fingerprint());
  add(graph.constants_fingerprint());
  for (const auto& [path, tensor] : *tensors) {
    add(path.size());
    XXH64_update(&state, path.data(), path.size());
    add(tensor.digest());
  }
  if (subgraphs) {
    for (const auto& [path, source] : *subgraphs) {
      add(path.size());
      XXH64_update(&state, path.data(), path.size());
      add(source.fingerprint());
    }
  }
  // A callable has no content to compare, so its table stands for itself.
  if (!modules->empty()) add(reinterpret_cast<std::uintptr_t>(modules.get()));
  return XXH64_digest(&state);
}

namespace {

bool same_subgraphs(const SubgraphTable* a, const SubgraphTable* b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr || a->size() != b->size()) return false;
  for (auto i = a->begin(), j = b->begin(); i != a->end(); ++i, ++j) {
    if (i->first != j->first || !i->second.same_content(j->second)) return false;
  }
  return true;
}

}  // namespace

bool Source::same_content(const Source& other) const {
  if (modules != other.modules && !(modules->empty() && other.modules->empty())) return false;
  if (tensors != other.tensors) {
    if (tensors->size() != other.tensors->size()) return false;
    for (auto a = tensors->begin(), b = other.tensors->begin(); a != tensors->end(); ++a, ++b) {
      if (a->first != b->first || !(a->second.is_same(b->second) || equal(a->second, b->second))) return false;
    }
  }
  return same_subgraphs(subgraphs.get(), other.subgraphs.get()) && graph.same_content(other.graph);
}

std::size_t tensor_bytes(const TensorTable& tensors) {
  return tensors.sum([](const Tensor& tensor) { return tensor.defined() ? tensor.byte_size() : 0; });
}

std::size_t graph_bytes(const Source& source) {
  std::size_t bytes = detail::memory_of(source.graph);
  if (source.subgraphs) {
    for (const auto& [path, subgraph] : *source.subgraphs) bytes += sizeof subgraph + graph_bytes(subgraph);
  }
  return bytes;
}

std::size_t kept_bytes(const Source& source) { return tensor_bytes(*source.tensors) + graph_bytes(source); }

namespace {

std::size_t nodes_of(const Source& source) { return source.graph.size() + (source.subgraphs ? source.subgraphs->sum(nodes_of) : 0); }

}  // namespace

std::size_t compile_bytes(const Source& source) {
  constexpr std::size_t per_node = 2048;  // measured at the peak: 1.5 to 2 kB
  // A module's tensors are those of its subgraphs too.
  return tensor_bytes(*source.tensors) + nodes_of(source) * per_node;
}

}  // namespace lazyfx::compile

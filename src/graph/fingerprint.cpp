#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "graph/graph_impl.hpp"

// A trie node's hash is the sum, modulo 2^64, of hashes of (id, next id, body) over its live rows. A sum does not depend on the
// shape of the trie, and adds nothing for erased rows, so graphs with equal nodes agree whatever their history was.

namespace lazyfx {
namespace {

using namespace detail;

// Part of every key: raise it when what is hashed, or how, changes.
constexpr std::uint64_t schema = 1;

/// The bytes of a node's content, without room for two contents to give the same: every part has its tag and length.
class Writer {
 public:
  void number(std::uint64_t v) { bytes_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void tag(char c) { bytes_.push_back(c); }
  void text(std::string_view s) {
    number(s.size());
    bytes_.append(s);
  }
  std::uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string bytes_;
};

void write_type(Writer& out, const TensorType& type) {
  out.tag(static_cast<char>(type.dtype));
  out.tag(type.dims ? '[' : '?');
  if (!type.dims) return;
  out.number(type.dims->size());
  for (const Dim& dim : *type.dims) {
    out.number(static_cast<std::uint64_t>(dim.size));
    out.text(dim.name);
  }
}

/// Structure goes to `out`; the digests of tensors, in order, to `constants`.
void write_argument(Writer& out, Writer& constants, const Argument& a) {
  if (a.is_none()) {
    out.tag('0');
  } else if (a.is_bool()) {
    out.tag(a.as_bool() ? 't' : 'f');
  } else if (a.is_int()) {
    out.tag('i');
    out.number(static_cast<std::uint64_t>(a.as_int()));
  } else if (a.is_double()) {
    out.tag('d');
    out.number(std::bit_cast<std::uint64_t>(a.as_double()));
  } else if (a.is_string()) {
    out.tag('s');
    out.text(a.as_string());
  } else if (a.is_dtype()) {
    out.tag('y');
    out.tag(static_cast<char>(a.as_dtype()));
  } else if (a.is_tensor()) {
    const Tensor& tensor = a.as_tensor();
    out.tag(tensor.defined() ? 'T' : 'U');
    if (!tensor.defined()) return;
    write_type(out, TensorType(tensor.dtype(), tensor.shape()));
    constants.number(tensor.digest());
  } else if (a.is_node()) {
    out.tag('n');
    out.number(index_of(a.as_node()));
  } else if (a.is_list() || a.is_tuple()) {
    out.tag(a.is_list() ? '[' : '(');
    out.number(a.items().size());
    for (const auto& item : a.items()) write_argument(out, constants, item);
  } else if (a.is_dict()) {
    out.tag('{');
    out.number(a.entries().size());
    for (const auto& [key, value] : a.entries()) {
      out.text(key);
      write_argument(out, constants, value);
    }
  } else {
    const auto& s = a.as_slice();
    out.tag(':');
    for (const Argument* part : {&s.start, &s.stop, &s.step}) write_argument(out, constants, *part);
  }
}

void hash_body(const NodeBody& body) {
  Writer out;
  Writer constants;
  out.tag(static_cast<char>(body.op));
  out.text(*body.target);
  out.number(body.args.size());
  for (const auto& arg : body.args) write_argument(out, constants, arg);
  out.number(body.kwargs.size());
  for (const auto& [key, value] : body.kwargs) {
    out.text(key);
    write_argument(out, constants, value);
  }
  out.tag(body.type ? 'T' : '0');
  if (body.type) write_type(out, **body.type);
  body.hashes.structure.set(out.hash());
  body.hashes.constants.set(constants.empty() ? 0 : constants.hash());
}

std::uint64_t hash_row(std::uint64_t id, std::uint64_t next, std::uint64_t content) {
  const std::uint64_t words[] = {schema, id << 32 | next, content};
  return XXH3_64bits(words, sizeof words);
}

enum class Key { structure, constants };

template <Key key>
const CachedHash& cache_of(const Hashes& hashes) {
  return key == Key::structure ? hashes.structure : hashes.constants;
}

template <Key key>
std::uint64_t hash_of(const NodeBody& body) {
  const auto& cache = cache_of<key>(body.hashes);
  if (const auto known = cache.get()) return *known;
  hash_body(body);
  return cache.get().value_or(0);
}

template <Key key>
std::uint64_t hash_of(const Chunk* chunk, unsigned height, std::size_t first) {
  if (!chunk) return 0;
  const auto& cache = cache_of<key>(chunk->hashes);
  if (const auto known = cache.get()) return *known;
  std::uint64_t sum = 0;
  if (height == 0) {
    const auto& rows = static_cast<const Leaf*>(chunk)->rows;
    for (std::size_t i = 0; i < leaf_size; ++i) {
      if (!rows[i].body) continue;
      const std::uint64_t content = hash_of<key>(*rows[i].body);
      if (key == Key::structure)
        sum += hash_row(first + i, index_of(rows[i].next), content);
      else if (content != 0)
        sum += hash_row(first + i, 0, content);
    }
  } else {
    const auto& children = static_cast<const Inner*>(chunk)->children;
    for (std::size_t i = 0; i < inner_size; ++i) { sum += hash_of<key>(children[i], height - 1, first + (i << child_bits(height))); }
  }
  cache.set(sum);
  return sum;
}

bool all_erased(const Chunk* chunk, unsigned height) {
  if (!chunk) return true;
  if (height == 0) {
    for (const auto& row : static_cast<const Leaf*>(chunk)->rows) {
      if (row.body) return false;
    }
    return true;
  }
  for (const Chunk* child : static_cast<const Inner*>(chunk)->children) {
    if (!all_erased(child, height - 1)) return false;
  }
  return true;
}

/// Tensors first by digest, which is kept, so that unequal ones are seldom read through.
bool equal_arguments(const Argument& a, const Argument& b) {
  if (a.is_tensor() && b.is_tensor() && a.as_tensor().defined() && b.as_tensor().defined()) {
    const Tensor& s = a.as_tensor();
    const Tensor& t = b.as_tensor();
    if (s.is_same(t)) return true;
    return s.dtype() == t.dtype() && s.shape() == t.shape() && s.digest() == t.digest() && equal(s, t);
  }
  return a == b;
}

bool equal_bodies(const NodeBody& a, const NodeBody& b) {
  if (&a == &b) return true;
  const auto x = a.hashes.structure.get();
  const auto y = b.hashes.structure.get();
  if (x && y && *x != *y) return false;
  if (a.op != b.op || *a.target != *b.target || a.args.size() != b.args.size() || a.kwargs.size() != b.kwargs.size()) return false;
  if (a.type.get() != b.type.get() && (!a.type || !b.type || *a.type != *b.type)) return false;
  for (std::size_t i = 0; i < a.args.size(); ++i) {
    if (!equal_arguments(a.args[i], b.args[i])) return false;
  }
  for (std::size_t i = 0; i < a.kwargs.size(); ++i) {
    if (a.kwargs[i].first != b.kwargs[i].first || !equal_arguments(a.kwargs[i].second, b.kwargs[i].second)) return false;
  }
  return true;
}

bool equal_rows(const NodeRecord& a, const NodeRecord& b) {
  if (!a.body || !b.body) return a.body == b.body;
  return a.next == b.next && equal_bodies(*a.body, *b.body);
}

bool equal_chunks(const Chunk* a, unsigned height_a, const Chunk* b, unsigned height_b) {
  if (a == b && height_a == height_b) return true;
  if (height_a < height_b) {
    std::swap(a, b);
    std::swap(height_a, height_b);
  }
  if (!a || !b) return all_erased(a, height_a) && all_erased(b, height_b);
  if (height_a > height_b) {
    const auto& children = static_cast<const Inner*>(a)->children;
    for (std::size_t i = 1; i < inner_size; ++i) {
      if (!all_erased(children[i], height_a - 1)) return false;
    }
    return equal_chunks(children[0], height_a - 1, b, height_b);
  }
  const auto x = a->hashes.structure.get();
  const auto y = b->hashes.structure.get();
  if (x && y && *x != *y) return false;
  if (height_a == 0) {
    const auto& p = static_cast<const Leaf*>(a)->rows;
    const auto& q = static_cast<const Leaf*>(b)->rows;
    for (std::size_t i = 0; i < leaf_size; ++i) {
      if (!equal_rows(p[i], q[i])) return false;
    }
    return true;
  }
  const auto& p = static_cast<const Inner*>(a)->children;
  const auto& q = static_cast<const Inner*>(b)->children;
  for (std::size_t i = 0; i < inner_size; ++i) {
    if (!equal_chunks(p[i], height_a - 1, q[i], height_b - 1)) return false;
  }
  return true;
}

}  // namespace

std::uint64_t Snapshot::structure_fingerprint() const {
  const std::uint64_t sum = hash_of<Key::structure>(impl_->root, impl_->height, 0);
  return hash_row(index_of(impl_->head), impl_->size, sum);
}

std::uint64_t Snapshot::constants_fingerprint() const { return hash_row(0, 0, hash_of<Key::constants>(impl_->root, impl_->height, 0)); }

bool Snapshot::same_content(const Snapshot& other) const {
  if (impl_ == other.impl_) return true;
  const Impl& a = *impl_;
  const Impl& b = *other.impl_;
  return a.size == b.size && a.head == b.head && equal_chunks(a.root, a.height, b.root, b.height);
}

}  // namespace lazyfx

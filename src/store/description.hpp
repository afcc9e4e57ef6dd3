#pragma once

#include <boost/serialization/nvp.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/tracking.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/serialization/version.hpp>
#include <cstdint>
#include <string>
#include <vector>

/// What is saved, as tables of flat values: the one description that archives, packages, deep copies and the readable forms share.
/// Numbers called "name", "target", "key" or "text" are indices into Description::strings. docs/format.md says what each field means.
namespace lazyfx::store {

/// One step of an argument or value, in preorder: a list of three is {list, 3} and then its items. Values are part of saved files: append only.
enum class AtomKind : std::uint8_t { none, boolean, integer, real, text, dtype, tensor, node, list, tuple, dict, slice };

struct Atom {
  std::uint8_t kind = 0;
  std::uint64_t value = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(kind) & BOOST_SERIALIZATION_NVP(value);
  }
};

struct DimRow {
  std::int64_t size = -1;
  std::uint32_t name = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(size) & BOOST_SERIALIZATION_NVP(name);
  }
};

struct TypeRow {
  std::uint8_t dtype = 0;
  bool ranked = false;
  std::vector<DimRow> dims;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(dtype) & BOOST_SERIALIZATION_NVP(ranked) & BOOST_SERIALIZATION_NVP(dims);
  }
};

struct NodeRow {
  std::uint32_t id = 0;
  std::uint8_t op = 0;
  std::uint32_t name = 0;
  std::uint32_t target = 0;
  std::uint32_t args = 0;  ///< how many; their atoms follow those of the node before
  std::uint32_t kwargs = 0;  ///< pairs of a text atom and an argument
  std::uint32_t metadata = 0;  ///< pairs of a text atom and a value
  std::uint32_t type = 0;  ///< 1 + index into GraphTable::types; 0: not known
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(id) & BOOST_SERIALIZATION_NVP(op) & BOOST_SERIALIZATION_NVP(name) & BOOST_SERIALIZATION_NVP(target) &
        BOOST_SERIALIZATION_NVP(args) & BOOST_SERIALIZATION_NVP(kwargs) & BOOST_SERIALIZATION_NVP(metadata) & BOOST_SERIALIZATION_NVP(type);
  }
};

/// The users of a node whose order is not that of the graph.
struct UserRow {
  std::uint32_t id = 0;
  std::vector<std::uint32_t> users;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(id) & BOOST_SERIALIZATION_NVP(users);
  }
};

struct SuffixRow {
  std::uint32_t base = 0;
  std::uint64_t highest = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(base) & BOOST_SERIALIZATION_NVP(highest);
  }
};

struct GraphTable {
  std::uint64_t id_limit = 0;
  std::vector<NodeRow> nodes;  ///< in graph order
  std::vector<Atom> atoms;
  std::vector<TypeRow> types;
  std::vector<UserRow> users;
  std::vector<SuffixRow> suffixes;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(id_limit) & BOOST_SERIALIZATION_NVP(nodes) & BOOST_SERIALIZATION_NVP(atoms) &
        BOOST_SERIALIZATION_NVP(types) & BOOST_SERIALIZATION_NVP(users) & BOOST_SERIALIZATION_NVP(suffixes);
  }
};

struct TensorRow {
  std::uint8_t dtype = 0;
  std::vector<std::int64_t> dims;
  std::uint64_t digest = 0;  ///< Tensor::digest()
  std::uint64_t byte_size = 0;  ///< of the stored form
  std::string sha256;  ///< of the stored form, 32 bytes; names it in a package
  std::uint64_t offset = 0;  ///< in the archive's data section; 0 in a package
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(dtype) & BOOST_SERIALIZATION_NVP(dims) & BOOST_SERIALIZATION_NVP(digest) &
        BOOST_SERIALIZATION_NVP(byte_size) & BOOST_SERIALIZATION_NVP(sha256) & BOOST_SERIALIZATION_NVP(offset);
  }
};

struct TensorMember {
  std::uint32_t name = 0;
  std::uint32_t tensor = 0;
  std::uint8_t kind = 0;  ///< Module::TensorKind
  bool persistent = true;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(name) & BOOST_SERIALIZATION_NVP(tensor) & BOOST_SERIALIZATION_NVP(kind) &
        BOOST_SERIALIZATION_NVP(persistent);
  }
};

struct ModuleMember {
  std::uint32_t name = 0;
  std::uint32_t module = 0;  ///< lower than the index of the module it stands in
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(name) & BOOST_SERIALIZATION_NVP(module);
  }
};

struct ModuleRow {
  std::uint32_t reconstructor = 0;
  std::uint32_t class_name = 0;
  std::uint32_t graph = 0;  ///< 1 + index of a graph module's graph; 0 for other modules
  bool lazy = false;
  std::uint8_t schedule = 0;  ///< Schedule
  std::uint64_t generation = 0;
  std::vector<TensorMember> tensors;
  std::vector<ModuleMember> modules;
  std::vector<Atom> state;  ///< one value: what the reducer of a user's type said; empty: nothing
  std::uint64_t quiet_ns = 10'000'000;  ///< of Schedule::debounced; since version 2
  template <class Archive>
  void serialize(Archive& archive, unsigned version) {
    archive& BOOST_SERIALIZATION_NVP(reconstructor) & BOOST_SERIALIZATION_NVP(class_name) & BOOST_SERIALIZATION_NVP(graph) &
        BOOST_SERIALIZATION_NVP(lazy) & BOOST_SERIALIZATION_NVP(schedule) & BOOST_SERIALIZATION_NVP(generation) &
        BOOST_SERIALIZATION_NVP(tensors) & BOOST_SERIALIZATION_NVP(modules) & BOOST_SERIALIZATION_NVP(state);
    if (version >= 2) archive& BOOST_SERIALIZATION_NVP(quiet_ns);
  }
};

struct Description {
  std::vector<std::string> strings;
  std::vector<TensorRow> tensors;
  std::vector<GraphTable> graphs;
  std::vector<ModuleRow> modules;  ///< what is contained before what contains it; the last is the one that was saved
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(strings) & BOOST_SERIALIZATION_NVP(tensors) & BOOST_SERIALIZATION_NVP(graphs) &
        BOOST_SERIALIZATION_NVP(modules);
  }
};

}  // namespace lazyfx::store

// Raise a version when fields are added, and read the older ones too (`serialize` is told the version of what it reads).
#define LAZYFX_STORED(Class, version)                \
  BOOST_CLASS_VERSION(lazyfx::store::Class, version) \
  BOOST_CLASS_TRACKING(lazyfx::store::Class, boost::serialization::track_never)
LAZYFX_STORED(Atom, 1)
LAZYFX_STORED(DimRow, 1)
LAZYFX_STORED(TypeRow, 1)
LAZYFX_STORED(NodeRow, 1)
LAZYFX_STORED(UserRow, 1)
LAZYFX_STORED(SuffixRow, 1)
LAZYFX_STORED(GraphTable, 1)
LAZYFX_STORED(TensorRow, 1)
LAZYFX_STORED(TensorMember, 1)
LAZYFX_STORED(ModuleMember, 1)
LAZYFX_STORED(ModuleRow, 2)
LAZYFX_STORED(Description, 1)
#undef LAZYFX_STORED

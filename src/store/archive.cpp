#include "lazyfx/store/archive.hpp"

#include <unordered_map>

#include "lazyfx/module/lazy_graph_module.hpp"
#include "store/atomic_file.hpp"
#include "store/frame.hpp"
#include "store/input_archive.hpp"
#include "store/mapped_file.hpp"
#include "store/output_archive.hpp"
#include "store/sha256.hpp"
#include "store/state.hpp"
#include "store/tensor_bytes.hpp"

namespace lazyfx {
namespace store {
namespace {

/// Appends what the tensors hold to one section, equal contents once, and says in their rows where they are.
std::string store_tensors(Description& description, const std::vector<Tensor>& tensors) {
  std::string data;
  std::unordered_map<std::string, std::uint64_t> offsets;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorBytes stored(tensors[i]);
    TensorRow& row = description.tensors[i];
    row.digest = tensors[i].digest();
    row.byte_size = stored.bytes().size();
    row.sha256 = sha256(stored.bytes());
    const auto [at, added] = offsets.try_emplace(row.sha256, 0);
    if (added) {
      data.resize((data.size() + section_alignment - 1) / section_alignment * section_alignment);
      at->second = data.size();
      data.append(reinterpret_cast<const char*>(stored.bytes().data()), stored.bytes().size());
    }
    row.offset = at->second;
  }
  return data;
}

std::vector<Tensor> load_tensors(const Description& description, std::span<const std::byte> data, const std::shared_ptr<const void>& owner,
                                 const std::string& place) {
  std::vector<Tensor> tensors;
  for (const TensorRow& row : description.tensors) {
    const std::string origin = place + ": tensor " + std::to_string(tensors.size());
    if (row.offset > data.size() || row.byte_size > data.size() - row.offset) {
      throw StoreError(StoreFault::corrupted, origin + " lies outside of the file");
    }
    try {
      // The section's own digest has been compared: the elements are those that were saved.
      tensors.push_back(tensor_from_bytes(row, data.subspan(row.offset, row.byte_size), owner, origin, TensorCheck::at_first_use));
    } catch (const Error& e) { throw StoreError(StoreFault::corrupted, origin + ": " + e.what()); }
  }
  return tensors;
}

std::shared_ptr<Module> load(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner, Runtime& runtime,
                             const LoadOptions& options, const std::string& place) {
  std::span<const std::byte> state, data;
  bool found = false;
  for (const SectionView& section : open_frame(bytes, place)) {
    if (section.tag == state_tag) state = section.bytes, found = true;
    if (section.tag == data_tag) data = section.bytes;
  }
  if (!found) throw StoreError(StoreFault::corrupted, place + ": it has no section '" + std::string(state_tag) + "'");
  Description description;
  InputArchive archive(state, options.limits().memory(), place);
  archive >> description;
  archive.finish();
  const auto tensors = load_tensors(description, data, owner, place);
  auto module = rebuild(description, tensors, {runtime, options.reconstructors(), options.limits(), place, nullptr});
  if (options.schedule_on_load()) {
    if (auto* lazy = dynamic_cast<LazyGraphModule*>(module.get())) lazy->prefetch();
  }
  return module;
}

}  // namespace
}  // namespace store

std::string save_to_bytes(const Module& module, const Reconstructors& reconstructors) {
  const auto state = store::describe(module, reconstructors);
  store::Description description = state->description;
  store::Section data{std::string(store::data_tag), true, store::store_tensors(description, state->tensors)};
  store::OutputArchive archive;
  archive << description;
  std::vector<store::Section> sections;
  sections.push_back({std::string(store::state_tag), true, archive.take()});
  sections.push_back(std::move(data));
  return store::make_frame(sections);
}

std::shared_ptr<Module> load_from_bytes(std::span<const std::byte> bytes, Runtime& runtime, const LoadOptions& options,
                                        const std::string& display_name) {
  return store::load(bytes, nullptr, runtime, options, display_name);
}

void save_to_file(const std::filesystem::path& file, const Module& module, const Reconstructors& reconstructors) {
  const std::string bytes = save_to_bytes(module, reconstructors);
  store::AtomicFile out(file);
  out.write(store::as_bytes(bytes));
  out.commit();
}

std::shared_ptr<Module> load_from_file(const std::filesystem::path& file, Runtime& runtime, const LoadOptions& options) {
  const store::FileView view = store::open_file(file, false);
  return store::load(view.bytes, view.owner, runtime, options, file.string());
}

}  // namespace lazyfx

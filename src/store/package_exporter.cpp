#include "lazyfx/store/package_exporter.hpp"

#include <map>
#include <set>

#include "lazyfx/graph/code.hpp"
#include "lazyfx/module/graph_module.hpp"
#include "lazyfx/module/subgraph.hpp"
#include "store/atomic_file.hpp"
#include "store/frame.hpp"
#include "store/manifest.hpp"
#include "store/output_archive.hpp"
#include "store/package_layout.hpp"
#include "store/package_rules.hpp"
#include "store/sha256.hpp"
#include "store/state.hpp"
#include "store/tensor_bytes.hpp"
#include "store/zip.hpp"
#include "what.hpp"

namespace lazyfx {

using namespace store;

PackagingError::PackagingError(const std::string& message, DependencyReport report)
    : StoreError(StoreFault::incompatible, message), report_(std::make_shared<const DependencyReport>(std::move(report))) {}

struct PackageExporter::Impl {
  Impl(std::filesystem::path f, ExportOptions o) : file(std::move(f)), options(std::move(o)) {}

  struct SavedModule {
    std::string name;
    std::shared_ptr<const State> state;  // null: it could not be described
    std::string code;
  };
  using Hook = std::function<void(const std::string&)>;

  const std::filesystem::path file;
  const ExportOptions options;
  const OperatorRegistry shipped = OperatorRegistry::standard();
  PackageRules rules;
  DependencyReport report;
  std::map<std::string, std::size_t, std::less<>> numbers;  // of the report's items
  std::vector<SavedModule> modules;
  std::map<std::string, std::string, std::less<>> resources;  // by entry name
  std::set<std::string, std::less<>> taken;
  std::vector<Hook> intern_hooks, extern_hooks, mock_hooks;
  std::size_t ids = 0;
  bool closed = false;

  void take(const std::string& name) {
    if (closed) throw Error(ErrorKind::invalid_argument, file.string() + ": the package is closed");
    if (!is_safe_entry_name(name)) throw Error(ErrorKind::invalid_argument, "'" + name + "' cannot name an entry of a package");
    if (!taken.insert(name).second) throw Error(ErrorKind::invalid_argument, "'" + name + "' is in the package already");
  }

  std::size_t item(const std::string& name, bool is_operator, PackageAction action) {
    const auto [at, added] = numbers.try_emplace(name, report.items.size());
    if (added) {
      report.items.push_back({name, is_operator, action, {}});
      check(report.items.back());
    }
    return at->second;
  }

  static void check(DependencyReport::Item& item) {
    if (item.action == PackageAction::deny) item.problem = "is denied";
    if (item.action == PackageAction::none) item.problem = "is an operator that does not ship with lazyfx and that no rule covers";
    if (item.is_operator && item.action == PackageAction::intern) item.problem = "is an operator, whose code cannot be interned";
  }

  Presence presence(const std::string& path) {
    const PackageAction action = rules.action_for(path).value_or(PackageAction::intern);
    const std::size_t child = item(path, false, action);
    report.edges.emplace_back(numbers.at(path.substr(0, path.rfind('.'))), child);
    switch (action) {
      case PackageAction::extern_: return Presence::named_extern;
      case PackageAction::mock:
      case PackageAction::deny: return Presence::named_mock;
      case PackageAction::intern:
      case PackageAction::none: break;
    }
    return Presence::stored;
  }

  void save(const std::string& name, const Module& module) {
    take(graph_entry(name));
    const std::size_t self = item(name, false, PackageAction::intern);
    SavedModule saved{name, nullptr, {}};
    try {
      saved.state = describe(module, options.reconstructors(), name, [this](const std::string& path) { return presence(path); });
    } catch (const Error& e) {
      report.items[self].problem = std::string("cannot be saved: ") + what_of(e);
      return;
    }
    if (const auto* graph_module = dynamic_cast<const GraphModule*>(&module)) {
      const Snapshot graph = graph_module->graph().freeze();
      saved.code = render_code(graph, module.class_name(), subgraphs_of(graph, module)).text;
    }
    for (const std::string& name_of_operator : operators_of(saved.state->description)) {
      const auto otherwise = shipped.find(name_of_operator) ? PackageAction::extern_ : PackageAction::none;
      const auto action = rules.action_for(name_of_operator).value_or(otherwise);
      report.edges.emplace_back(self, item(name_of_operator, true, action));
    }
    modules.push_back(std::move(saved));
  }

  void check_all() const {
    std::string problems;
    for (const std::string& rule : rules.unmatched()) problems += "; " + rule + " matched nothing";
    for (const auto& i : report.items) {
      if (i.problem.empty()) continue;
      const auto users = report.needed_by(i.name);
      problems += "; " + i.name + (users.empty() ? "" : ", needed by " + users.front() + ",") + " " + i.problem;
    }
    if (!problems.empty()) throw PackagingError(file.string() + ": it cannot be packaged: " + problems.substr(2), report);
  }

  void call_hooks() const {
    const auto call = [this](const std::vector<Hook>& hooks, PackageAction action) {
      for (const std::string& name : report.with(action)) {
        for (const Hook& hook : hooks) hook(name);
      }
    };
    call(intern_hooks, PackageAction::intern);
    call(extern_hooks, PackageAction::extern_);
    call(mock_hooks, PackageAction::mock);
  }

  Manifest manifest() const {
    Manifest manifest;
    for (const SavedModule& m : modules) manifest.modules.push_back(m.name);
    for (const auto& i : report.items) {
      if (i.is_operator) {
        const auto known = options.operators().find(i.name);
        manifest.operators.push_back({i.name, known ? std::optional(known->effect) : std::nullopt, i.action == PackageAction::mock});
      } else if (i.action == PackageAction::extern_) {
        manifest.extern_modules.push_back(i.name);
      } else if (i.action == PackageAction::mock) {
        manifest.mocked_modules.push_back(i.name);
      }
    }
    return manifest;
  }

  void write() const {
    AtomicFile out(file);
    ZipWriter zip(out);
    Manifest contents = manifest();
    const auto add = [&](const std::string& name, std::span<const std::byte> bytes, std::string digest, std::size_t alignment) {
      if (!contents.files.emplace(name, Manifest::File{bytes.size(), std::move(digest)}).second) return;
      zip.add(name, bytes, alignment);
    };
    for (const SavedModule& m : modules) {
      Description description = m.state->description;
      for (std::size_t i = 0; i < m.state->tensors.size(); ++i) {
        const TensorBytes stored(m.state->tensors[i]);
        TensorRow& row = description.tensors[i];
        row.digest = m.state->tensors[i].digest();
        row.byte_size = stored.bytes().size();
        row.sha256 = sha256(stored.bytes());
        add(tensor_entry(to_hex(row.sha256)), stored.bytes(), row.sha256, section_alignment);
      }
      OutputArchive archive;
      archive << description;
      std::vector<Section> sections;
      sections.push_back({std::string(state_tag), true, archive.take()});
      const std::string frame = make_frame(sections);
      add(graph_entry(m.name), as_bytes(frame), sha256(as_bytes(frame)), section_alignment);
      if (!m.code.empty()) add(code_entry(m.name), as_bytes(m.code), sha256(as_bytes(m.code)), 1);
    }
    for (const auto& [name, bytes] : resources) add(name, as_bytes(bytes), sha256(as_bytes(bytes)), section_alignment);
    const std::string json = to_json(contents);
    zip.add(std::string(manifest_entry), as_bytes(json));
    zip.finish(make_seal(json));
    out.commit();
  }
};

PackageExporter::PackageExporter(std::filesystem::path file, ExportOptions options)
    : impl_(std::make_unique<Impl>(std::move(file), std::move(options))) {}
PackageExporter::~PackageExporter() = default;

void PackageExporter::intern(Glob names, bool allow_empty) { impl_->rules.add(PackageAction::intern, std::move(names), allow_empty); }
void PackageExporter::extern_(Glob names, bool allow_empty) { impl_->rules.add(PackageAction::extern_, std::move(names), allow_empty); }
void PackageExporter::mock(Glob names, bool allow_empty) { impl_->rules.add(PackageAction::mock, std::move(names), allow_empty); }
void PackageExporter::deny(Glob names) { impl_->rules.add(PackageAction::deny, std::move(names), true); }

void PackageExporter::save_module(const std::string& name, const Module& module) { impl_->save(name, module); }

void PackageExporter::save_text(const std::string& package, const std::string& resource, std::string_view text) {
  save_binary(package, resource, as_bytes(text));
}

void PackageExporter::save_binary(const std::string& package, const std::string& resource, std::span<const std::byte> bytes) {
  const std::string name = resource_entry(package, resource);
  impl_->take(name);
  impl_->resources.emplace(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string PackageExporter::get_unique_id() { return std::to_string(impl_->ids++); }

void PackageExporter::on_intern(std::function<void(const std::string&)> hook) { impl_->intern_hooks.push_back(std::move(hook)); }
void PackageExporter::on_extern(std::function<void(const std::string&)> hook) { impl_->extern_hooks.push_back(std::move(hook)); }
void PackageExporter::on_mock(std::function<void(const std::string&)> hook) { impl_->mock_hooks.push_back(std::move(hook)); }

const DependencyReport& PackageExporter::dependencies() const noexcept { return impl_->report; }

void PackageExporter::close() {
  if (impl_->closed) return;
  impl_->check_all();
  impl_->call_hooks();
  impl_->write();
  impl_->closed = true;
}

}  // namespace lazyfx

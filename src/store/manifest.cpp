#include "store/manifest.hpp"

#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <variant>

#include "lazyfx/store/store_error.hpp"
#include "store/sha256.hpp"

namespace lazyfx::store {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view seal_start = "lazyfx package ";
constexpr std::string_view seal_middle = " sha256 ";
constexpr std::array effects = {"pure", "random", "mutating", "io"};

[[noreturn]] void fail(StoreFault fault, const std::string& place, const std::string& what) {
  throw StoreError(fault, place + ": " + what);
}

Effect effect_from(const std::string& name, const std::string& place) {
  for (std::size_t i = 0; i < effects.size(); ++i) {
    if (effects[i] == name) return static_cast<Effect>(i);
  }
  fail(StoreFault::too_new, place, "the manifest names an effect that is not known here");
}

/// Fills a manifest as the parser meets its parts, and leaves out what is not known here. No json value stands between: those of nested
/// values allocate where they are destroyed.
class ManifestReader final : public nlohmann::json_sax<Json> {
 public:
  explicit ManifestReader(const std::string& place) : place_(place) {}

  Manifest take() {
    for (const char* name : {"format", "version", "modules", "operators", "extern_modules", "mocked_modules", "entries"}) {
      if (!parts_.contains(name)) missing(name);
    }
    return std::move(manifest_);
  }

  bool null() override { return scalar({}); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t) override { return scalar(other_number); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(std::uint64_t{value}); }
  bool number_float(number_float_t, const string_t&) override { return scalar(other_number); }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t&) override { return scalar(other_number); }

  bool key(string_t& name) override {
    if (depth_ == 1)
      parts_.insert(part_ = std::move(name));
    else if (depth_ == 3 && rows())
      field_ = std::move(name);
    return true;
  }

  bool start_object(std::size_t) override { return open(false); }
  bool start_array(std::size_t) override { return open(true); }
  bool end_array() override { return close(); }
  bool end_object() override {
    close();
    if (depth_ == 2 && rows()) finish_row();
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override { misunderstood(error.what()); }

 private:
  static constexpr double other_number = 0;
  /// null, or what stands there; numbers that are no unsigned ones are all alike.
  using Scalar = std::variant<std::monostate, bool, std::uint64_t, double, std::string>;

  [[noreturn]] void misunderstood(const std::string& why) const {
    fail(StoreFault::corrupted, place_, "the manifest cannot be understood: " + why);
  }
  [[noreturn]] void missing(const std::string& name) const { misunderstood("it has no '" + name + "'"); }
  template <class T>
  T as(Scalar& value, const std::string& name) const {
    if (!std::holds_alternative<T>(value)) misunderstood("'" + name + "' is of another type");
    return std::get<T>(std::move(value));
  }

  // A row of either is an object, which stands at depth 2 and has its fields at depth 3.
  bool rows() const { return part_ == "operators" || part_ == "entries"; }
  std::vector<std::string>* names() {
    if (part_ == "modules") return &manifest_.modules;
    if (part_ == "extern_modules") return &manifest_.extern_modules;
    return part_ == "mocked_modules" ? &manifest_.mocked_modules : nullptr;
  }
  bool field_is_known() const {
    return field_ == "name" || (part_ == "operators" ? field_ == "effect" || field_ == "mocked" : field_ == "size" || field_ == "sha256");
  }

  bool open(bool is_array) {
    const bool list = rows() || names() != nullptr;
    bool fits = true;
    if (depth_ == 0) fits = !is_array;
    if (depth_ == 1) fits = list ? is_array : part_ != "format" && part_ != "version";
    if (depth_ == 2 && list) fits = rows() && !is_array;
    if (depth_ == 3 && rows()) fits = !field_is_known();
    if (!fits) misunderstood("'" + part_ + "' is of another type");
    if (depth_ == 2 && rows()) row_.clear();
    ++depth_;
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }

  bool scalar(Scalar value) {
    if (depth_ == 0 || (depth_ == 1 && (rows() || names() != nullptr)) || (depth_ == 2 && rows()))
      misunderstood("'" + part_ + "' is of another type");
    if (depth_ == 1 && part_ == "format") {
      if (as<std::string>(value, part_) != "lazyfx package") fail(StoreFault::corrupted, place_, "the manifest is of another format");
    } else if (depth_ == 1 && part_ == "version") {
      if (as<std::uint64_t>(value, part_) != package_version)
        fail(StoreFault::corrupted, place_, "the manifest is of another version than its seal");
    } else if (depth_ == 2 && names() != nullptr) {
      names()->push_back(as<std::string>(value, part_));
    } else if (depth_ == 3 && rows() && field_is_known()) {
      row_[field_] = std::move(value);
    }
    return true;
  }

  Scalar& field(const std::string& name) {
    const auto found = row_.find(name);
    if (found == row_.end()) missing(name);
    return found->second;
  }
  template <class T>
  T field_as(const std::string& name) {
    return as<T>(field(name), name);
  }

  void finish_row() {
    if (part_ == "operators") {
      Manifest::NeededOperator needed{field_as<std::string>("name"), {}, field_as<bool>("mocked")};
      if (!std::holds_alternative<std::monostate>(field("effect"))) needed.effect = effect_from(field_as<std::string>("effect"), place_);
      manifest_.operators.push_back(std::move(needed));
      return;
    }
    const auto name = field_as<std::string>("name");
    Manifest::File file{field_as<std::uint64_t>("size"), digest_from_hex(field_as<std::string>("sha256"))};
    if (file.sha256.empty()) fail(StoreFault::corrupted, place_, "the manifest has no digest of entry " + name);
    if (!manifest_.files.emplace(name, std::move(file)).second)
      fail(StoreFault::corrupted, place_, "the manifest has entry " + name + " twice");
  }

  const std::string& place_;
  Manifest manifest_;
  std::set<std::string, std::less<>> parts_;  // that were met
  std::size_t depth_ = 0;
  std::string part_, field_;
  std::map<std::string, Scalar> row_;
};

/// A JSON list, each item on a line of its own.
template <class Items, class Put>
void put_list(std::string& out, const Items& items, Put&& put) {
  const char* before = "[\n    ";
  for (const auto& item : items) {
    out += std::exchange(before, ",\n    ");
    put(item);
  }
  out += items.empty() ? "[]" : "\n  ]";
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  const auto text = [](const std::string& name) {
    try {
      return Json(name).dump();
    } catch (const Json::exception& e) {
      throw Error(ErrorKind::unsupported, std::string("a name cannot be written into the manifest: ") + e.what());
    }
  };
  std::string out = "{\n  \"format\": \"lazyfx package\",\n  \"version\": " + std::to_string(package_version);
  const auto put_names = [&](const char* part, const std::vector<std::string>& names) {
    out += std::string(",\n  \"") + part + "\": ";
    put_list(out, names, [&](const std::string& name) { out += text(name); });
  };
  put_names("modules", manifest.modules);
  out += ",\n  \"operators\": ";
  put_list(out, manifest.operators, [&](const Manifest::NeededOperator& o) {
    out += "{\n      \"name\": " + text(o.name);
    out += ",\n      \"effect\": " + (o.effect ? text(effects[static_cast<std::size_t>(*o.effect)]) : "null");
    out += std::string(",\n      \"mocked\": ") + (o.mocked ? "true" : "false") + "\n    }";
  });
  put_names("extern_modules", manifest.extern_modules);
  put_names("mocked_modules", manifest.mocked_modules);
  out += ",\n  \"entries\": ";
  put_list(out, manifest.files, [&](const auto& entry) {
    const auto& [name, file] = entry;
    out += "{\n      \"name\": " + text(name);
    out += ",\n      \"size\": " + std::to_string(file.size);
    out += ",\n      \"sha256\": " + text(to_hex(file.sha256)) + "\n    }";
  });
  return out + "\n}\n";
}

Manifest manifest_from_json(std::string_view text, const std::string& place) {
  ManifestReader reader(place);
  Json::sax_parse(text, &reader);
  return reader.take();
}

std::string make_seal(std::string_view manifest) {
  return std::string(seal_start) + std::to_string(package_version) + std::string(seal_middle) + to_hex(sha256(as_bytes(manifest)));
}

void check_seal(std::string_view seal, std::string_view manifest, const std::string& place) {
  if (!seal.starts_with(seal_start)) fail(StoreFault::corrupted, place, "the package has lost its seal, the comment of the zip file");
  seal.remove_prefix(seal_start.size());
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(seal.data(), seal.data() + seal.size(), version);
  if (error != std::errc()) fail(StoreFault::corrupted, place, "the seal of the package is damaged");
  if (version > package_version) {
    fail(StoreFault::too_new, place, "package version " + std::to_string(version) + " is newer than " + std::to_string(package_version));
  }
  if (version == 0) fail(StoreFault::outdated, place, "package version 0 is not read");
  if (std::string_view(end, seal.data() + seal.size()) != std::string(seal_middle) + to_hex(sha256(as_bytes(manifest)))) {
    fail(StoreFault::corrupted, place, "the manifest is not the one that was sealed");
  }
}

}  // namespace lazyfx::store

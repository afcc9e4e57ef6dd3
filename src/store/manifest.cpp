#include "store/manifest.hpp"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

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

Manifest read(const Json& json, const std::string& place) {
  Manifest manifest;
  if (json.at("format").get<std::string>() != "lazyfx package") fail(StoreFault::corrupted, place, "the manifest is of another format");
  const auto version = json.at("version").get<std::uint64_t>();
  if (version != package_version) fail(StoreFault::corrupted, place, "the manifest is of another version than its seal");
  json.at("modules").get_to(manifest.modules);
  json.at("extern_modules").get_to(manifest.extern_modules);
  json.at("mocked_modules").get_to(manifest.mocked_modules);
  for (const Json& row : json.at("operators")) {
    Manifest::NeededOperator needed{row.at("name").get<std::string>(), {}, row.at("mocked").get<bool>()};
    if (!row.at("effect").is_null()) needed.effect = effect_from(row.at("effect").get<std::string>(), place);
    manifest.operators.push_back(std::move(needed));
  }
  for (const Json& row : json.at("entries")) {
    const auto name = row.at("name").get<std::string>();
    Manifest::File file{row.at("size").get<std::uint64_t>(), digest_from_hex(row.at("sha256").get<std::string>())};
    if (file.sha256.empty()) fail(StoreFault::corrupted, place, "the manifest has no digest of entry " + name);
    if (!manifest.files.emplace(name, std::move(file)).second)
      fail(StoreFault::corrupted, place, "the manifest has entry " + name + " twice");
  }
  return manifest;
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  Json operators = Json::array(), entries = Json::array();
  for (const auto& o : manifest.operators) {
    operators.push_back(
        {{"name", o.name}, {"effect", o.effect ? Json(effects[static_cast<std::size_t>(*o.effect)]) : Json()}, {"mocked", o.mocked}});
  }
  for (const auto& [name, file] : manifest.files) entries.push_back({{"name", name}, {"size", file.size}, {"sha256", to_hex(file.sha256)}});
  const Json json = {{"format", "lazyfx package"},
                     {"version", package_version},
                     {"modules", manifest.modules},
                     {"operators", std::move(operators)},
                     {"extern_modules", manifest.extern_modules},
                     {"mocked_modules", manifest.mocked_modules},
                     {"entries", std::move(entries)}};
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::unsupported, std::string("a name cannot be written into the manifest: ") + e.what());
  }
}

Manifest manifest_from_json(std::string_view text, const std::string& place) {
  try {
    return read(Json::parse(text), place);
  } catch (const Json::exception& e) { fail(StoreFault::corrupted, place, std::string("the manifest cannot be understood: ") + e.what()); }
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

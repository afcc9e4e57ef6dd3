#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lazyfx::store {

/// The bytes around an archive: a header, a directory of sections and the sections, each with its length and SHA-256, so that damage is
/// found before anything is parsed. docs/format.md has every field.
struct Section {
  std::string tag;       ///< at most 8 characters
  bool required = true;  ///< a reader that does not know the tag must refuse; false: it may skip the section
  std::string bytes;
};

inline constexpr std::size_t section_alignment = 64;
inline constexpr std::string_view state_tag = "state";
inline constexpr std::string_view data_tag = "tensors";
inline constexpr std::string_view kernels_tag = "kernels";  ///< reserved; skipped

std::string make_frame(const std::vector<Section>& sections);

struct SectionView {
  std::string_view tag;
  std::span<const std::byte> bytes;
};
/// The known sections of a whole and undamaged frame, digests checked. Throws StoreError; `place` begins its message.
std::vector<SectionView> open_frame(std::span<const std::byte> bytes, const std::string& place);

}  // namespace lazyfx::store

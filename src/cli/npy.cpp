#include "cli/npy.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "lazyfx/error.hpp"

namespace lazyfx::cli {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw Error(ErrorKind::invalid_model, file.string() + ": " + why);
}

const char* descr_of(DType dtype) {
  switch (dtype) {
    case DType::boolean: return "|b1";
    case DType::u8: return "|u1";
    case DType::i8: return "|i1";
    case DType::u16: return "<u2";
    case DType::i16: return "<i2";
    case DType::u32: return "<u4";
    case DType::i32: return "<i4";
    case DType::u64: return "<u8";
    case DType::i64: return "<i8";
    case DType::f16: return "<f2";
    case DType::bf16:
    case DType::f32: return "<f4";
    case DType::f64: return "<f8";
    case DType::string: break;
  }
  return nullptr;
}

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<std::int64_t> dims;
};

/// The few forms of Python literal that the header's dict is written in.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::filesystem::path& file) : text_(text), file_(file) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr")
        header.descr = quoted();
      else if (key == "fortran_order")
        header.fortran = boolean();
      else if (key == "shape")
        header.dims = tuple();
      else
        refuse(file_, "its header has an unknown key '" + key + "'");
      accept(',');
    }
    return header;
  }

 private:
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse(file_, "its header is damaged at character " + std::to_string(at_));
  }
  std::string quoted() {
    expect('\'');
    const auto end = text_.find('\'', at_);
    if (end == std::string_view::npos) refuse(file_, "its header is cut off");
    std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    space();
    for (const std::string_view word : {"True", "False"}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return word == "True";
    }
    refuse(file_, "its header is damaged at character " + std::to_string(at_));
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> values;
    expect('(');
    while (!accept(')')) {
      space();
      std::int64_t value = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (error != std::errc()) refuse(file_, "its shape is damaged");
      at_ = static_cast<std::size_t>(end - text_.data());
      values.push_back(value);
      accept(',');
    }
    return values;
  }

  std::string_view text_;
  const std::filesystem::path& file_;
  std::size_t at_ = 0;
};

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18 & 7));
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// Malformed bytes come through as themselves, one character each.
std::vector<std::uint32_t> code_points(const std::string& text) {
  std::vector<std::uint32_t> points;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 1;
    std::uint32_t point = length == 1 ? lead : lead & (0x7fU >> length);
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) point = point << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3fU);
    points.push_back(point);
    i += length;
  }
  return points;
}

// Elements in the file's own order, as a flat tensor.
Tensor elements_of(const std::filesystem::path& file, const Header& header, std::int64_t count, std::string_view data) {
  const Shape flat{count};
  if (header.descr.starts_with("<U")) {
    std::size_t width = 0;
    const auto* end = header.descr.data() + header.descr.size();
    const auto [stop, error] = std::from_chars(header.descr.data() + 2, end, width);
    if (error != std::errc() || stop != end || width > data.size()) refuse(file, "its string width is damaged");
    if (data.size() / 4 < width * static_cast<std::size_t>(count)) refuse(file, "it has fewer elements than its shape says");
    Tensor strings = Tensor::empty(DType::string, flat);
    std::size_t at = 0;
    for (std::string& text : strings.mutable_values<std::string>()) {
      for (std::size_t k = 0; k < width; ++k, at += 4) {
        std::uint32_t c = 0;
        std::memcpy(&c, data.data() + at, sizeof c);
        if (c != 0) append_utf8(text, c);
      }
    }
    return strings;
  }
  for (std::size_t d = 0; d < dtype_count; ++d) {
    const auto dtype = static_cast<DType>(d);
    const char* descr = descr_of(dtype);
    if (dtype == DType::bf16 || descr == nullptr || header.descr != descr) continue;
    const auto bytes = static_cast<std::size_t>(count) * size_of(dtype);
    if (data.size() < bytes)
      refuse(file, "it has " + std::to_string(data.size()) + " bytes of elements where its shape takes " + std::to_string(bytes));
    if (dtype == DType::boolean &&
        std::any_of(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(bytes), [](char c) { return c != 0 && c != 1; })) {
      refuse(file, "an element is neither true nor false");
    }
    Tensor tensor = Tensor::empty(dtype, flat);
    if (bytes > 0) std::memcpy(tensor.mutable_raw(), data.data(), bytes);
    return tensor;
  }
  refuse(file, "element type '" + header.descr + "' is not supported");
}

}  // namespace

Tensor read_npy(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) refuse(file, "it cannot be opened");
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const std::string_view all = bytes;
  if (!all.starts_with(magic) || all.size() < 10) refuse(file, "it is not a .npy file");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(all[i])); };
  const bool wide = byte(6) >= 2;  // versions 2 and 3 have four bytes of length
  if (wide && all.size() < 12) refuse(file, "its header is cut off");
  const std::size_t length = wide ? byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24 : byte(8) | byte(9) << 8;
  const std::size_t start = wide ? 12 : 10;
  if (length > all.size() - start) refuse(file, "its header is cut off");
  const Header header = HeaderParser(all.substr(start, length), file).parse();
  try {
    const Shape shape(header.dims);
    if (static_cast<std::uint64_t>(shape.size()) > bytes.size()) refuse(file, "it is too small for its shape " + to_string(shape));
    const Tensor flat = elements_of(file, header, shape.size(), all.substr(start + length));
    if (!header.fortran || shape.rank() < 2) return flat.reshape(shape);
    std::vector<std::int64_t> reversed(header.dims.rbegin(), header.dims.rend());
    std::vector<std::size_t> axes;
    for (std::size_t i = shape.rank(); i-- > 0;) axes.push_back(i);
    return flat.reshape(Shape(reversed)).transpose(axes).contiguous();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_model) throw;
    refuse(file, error.what());
  }
}

void write_npy(const std::filesystem::path& file, const Tensor& tensor) {
  const Tensor dense = tensor.contiguous();
  std::string data, descr;
  if (dense.dtype() == DType::string) {
    std::vector<std::vector<std::uint32_t>> texts;
    std::size_t width = 1;
    for (const auto& text : dense.values<std::string>()) {
      texts.push_back(code_points(text));
      width = std::max(width, texts.back().size());
    }
    descr = "<U" + std::to_string(width);
    for (auto& text : texts) {
      text.resize(width);
      data.append(reinterpret_cast<const char*>(text.data()), width * sizeof(std::uint32_t));
    }
  } else if (dense.dtype() == DType::bf16) {
    descr = descr_of(DType::f32);
    for (const BFloat16 v : dense.values<BFloat16>()) {
      const auto wide = static_cast<float>(v);
      data.append(reinterpret_cast<const char*>(&wide), sizeof wide);
    }
  } else {
    descr = descr_of(dense.dtype());
  }
  std::string dims;
  for (const auto d : dense.shape()) dims += std::to_string(d) + ", ";
  if (dense.rank() > 1)
    dims.resize(dims.size() - 2);
  else if (dense.rank() == 1)
    dims.resize(dims.size() - 1);
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + dims + "), }";
  constexpr std::size_t fixed = 10, alignment = 64;
  header.append(alignment - (fixed + header.size() + 1) % alignment, ' ');
  header += '\n';

  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << magic << '\x01' << '\0' << static_cast<char>(header.size() & 0xff) << static_cast<char>(header.size() >> 8) << header;
  if (data.empty() && dense.dtype() != DType::string) {
    out.write(static_cast<const char*>(dense.raw()), static_cast<std::streamsize>(dense.byte_size()));
  } else {
    out << data;
  }
  out.close();
  if (!out) throw Error(ErrorKind::invalid_argument, file.string() + ": it cannot be written");
}

}  // namespace lazyfx::cli

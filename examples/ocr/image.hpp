#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// A picture of 8-bit red, green, blue pixels, row by row, top first.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;

  Image() = default;
  Image(int w, int h) : width(w), height(h), rgb(3 * static_cast<std::size_t>(w) * static_cast<std::size_t>(h)) {}
  std::uint8_t* pixel(int x, int y) { return rgb.data() + offset(x, y); }
  const std::uint8_t* pixel(int x, int y) const { return rgb.data() + offset(x, y); }

 private:
  std::size_t offset(int x, int y) const {
    return 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x));
  }
};

/// Reads a PNG of any colour type and depth. What is transparent becomes paper: white, or black where the opaque pixels are light.
/// Throws std::runtime_error naming the file when it is no PNG, damaged, or larger than 64 million pixels.
Image load_png(const std::string& path);

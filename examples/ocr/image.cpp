#include "image.hpp"

#include <png.h>

#include <memory>
#include <stdexcept>

namespace {

constexpr std::size_t max_pixels = 64'000'000;

// White, unless the transparent part surrounds something light, which would vanish on white.
int paper_under(const std::vector<std::uint8_t>& rgba) {
  double light = 0;
  double opaque = 0;
  for (std::size_t i = 0; i < rgba.size(); i += 4) {
    light += rgba[i + 3] * (rgba[i] + rgba[i + 1] + rgba[i + 2]) / 3.0;
    opaque += rgba[i + 3];
  }
  const bool mostly_paper = opaque < 0.5 * 255 * static_cast<double>(rgba.size() / 4);
  return mostly_paper && light > 160 * opaque ? 0 : 255;
}

}  // namespace

Image load_png(const std::string& path) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> release(&png, png_image_free);
  if (!png_image_begin_read_from_file(&png, path.c_str())) throw std::runtime_error(path + ": " + png.message);
  if (std::size_t{png.width} * png.height > max_pixels) throw std::runtime_error(path + ": has more than 64 million pixels");

  png.format = PNG_FORMAT_RGBA;
  std::vector<std::uint8_t> rgba(PNG_IMAGE_SIZE(png));
  if (!png_image_finish_read(&png, nullptr, rgba.data(), 0, nullptr)) throw std::runtime_error(path + ": " + png.message);

  Image image(static_cast<int>(png.width), static_cast<int>(png.height));
  const int paper = paper_under(rgba);
  for (std::size_t i = 0; i < rgba.size() / 4; ++i) {
    const int alpha = rgba[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      image.rgb[3 * i + c] = static_cast<std::uint8_t>((rgba[4 * i + c] * alpha + paper * (255 - alpha) + 127) / 255);
    }
  }
  return image;
}

#include "text_line.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace {

using Color = std::array<std::uint8_t, 3>;

struct Range {
  int begin = 0;
  int end = 0;
  int size() const { return end - begin; }
};

// The median of each channel: most pixels of a text are paper.
Color paper_of(const Image& image) {
  std::array<std::array<std::size_t, 256>, 3> histogram{};
  for (std::size_t i = 0; i < image.rgb.size(); ++i) ++histogram[i % 3][image.rgb[i]];
  Color paper{};
  for (std::size_t c = 0; c < 3; ++c) {
    std::size_t below = 0;
    std::size_t value = 0;
    while (value < 255 && (below += histogram[c][value]) * 6 < image.rgb.size()) ++value;
    paper[c] = static_cast<std::uint8_t>(value);
  }
  return paper;
}

// Otsu's threshold: where splitting the histogram leaves the least variance within both parts.
int otsu_threshold(std::span<const std::uint8_t> values) {
  std::array<double, 256> histogram{};
  for (const std::uint8_t v : values) ++histogram[v];
  double sum = 0;
  for (std::size_t v = 0; v < 256; ++v) sum += static_cast<double>(v) * histogram[v];
  const double count = static_cast<double>(values.size());
  double low_count = 0;
  double low_sum = 0;
  double best = -1;
  int threshold = 0;
  for (std::size_t v = 0; v < 255; ++v) {
    low_count += histogram[v];
    low_sum += static_cast<double>(v) * histogram[v];
    if (low_count == 0 || low_count == count) continue;
    const double distance = low_sum / low_count - (sum - low_sum) / (count - low_count);
    const double between = low_count * (count - low_count) * distance * distance;
    if (between > best) {
      best = between;
      threshold = static_cast<int>(v);
    }
  }
  return threshold;
}

// Which pixels stand out from the paper.
class Ink {
 public:
  Ink(const Image& image, const Color& paper) : width_(image.width), ink_(image.rgb.size() / 3) {
    for (std::size_t i = 0; i < image.rgb.size(); ++i) {
      const auto contrast = static_cast<std::uint8_t>(std::abs(image.rgb[i] - paper[i % 3]));
      ink_[i / 3] = std::max(ink_[i / 3], contrast);
    }
    constexpr int faintest_text = 12;
    const int threshold = std::max(otsu_threshold(ink_), faintest_text);
    for (auto& value : ink_) value = value > threshold;
  }

  int in_row(int y, Range columns) const {
    const auto* row = &ink_[index(0, y)];
    return static_cast<int>(std::count(row + columns.begin, row + columns.end, 1));
  }
  int in_column(int x, Range rows) const {
    int count = 0;
    for (int y = rows.begin; y < rows.end; ++y) count += ink_[index(x, y)];
    return count;
  }

 private:
  std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x);
  }
  int width_;
  std::vector<std::uint8_t> ink_;
};

void trim(const Ink& ink, Range& rows, Range& columns) {
  while (rows.size() > 0 && ink.in_row(rows.begin, columns) == 0) ++rows.begin;
  while (rows.size() > 0 && ink.in_row(rows.end - 1, columns) == 0) --rows.end;
  while (columns.size() > 0 && ink.in_column(columns.begin, rows) == 0) ++columns.begin;
  while (columns.size() > 0 && ink.in_column(columns.end - 1, rows) == 0) --columns.end;
}

// A box drawn around the text touches all four sides of what is trimmed; letters do not.
void peel_frame(const Ink& ink, Range& rows, Range& columns) {
  for (;;) {
    trim(ink, rows, columns);
    if (rows.size() < 8 || columns.size() < 8) return;
    const int across = columns.size() * 9 / 10;
    const int down = rows.size() * 9 / 10;
    if (ink.in_row(rows.begin, columns) < across || ink.in_row(rows.end - 1, columns) < across ||
        ink.in_column(columns.begin, rows) < down || ink.in_column(columns.end - 1, rows) < down) {
      return;
    }
    rows = {rows.begin + 1, rows.end - 1};
    columns = {columns.begin + 1, columns.end - 1};
  }
}

// Where lines whose strokes reach into each other should part: the emptiest row of the middle, if it has far less ink than the fullest
// rows above and below. 0 when there is none, as in a single line.
int valley_in(const Ink& ink, Range band, Range columns) {
  std::vector<int> profile;
  for (int y = band.begin; y < band.end; ++y) profile.push_back(ink.in_row(y, columns));
  const auto height = static_cast<std::ptrdiff_t>(profile.size());
  const auto valley = std::min_element(profile.begin() + height * 3 / 10, profile.end() - height * 3 / 10);
  const int lesser_peak = std::min(*std::max_element(profile.begin(), valley + 1), *std::max_element(valley, profile.end()));
  return 4 * *valley < lesser_peak ? band.begin + static_cast<int>(valley - profile.begin()) : 0;
}

// Parts a band until each part is one line.
std::vector<Range> part(const Ink& ink, Range whole, Range columns) {
  constexpr int lowest_line = 12;
  std::vector<Range> parts;
  std::vector<Range> pending{whole};
  while (!pending.empty()) {
    const Range band = pending.back();
    pending.pop_back();
    const int valley = band.size() < lowest_line ? 0 : valley_in(ink, band, columns);
    if (valley == 0) {
      parts.push_back(band);
    } else {
      pending.push_back({valley, band.end});
      pending.push_back({band.begin, valley});
    }
  }
  return parts;
}

// Lines are runs of rows with ink. What is much lower than its neighbour (a dot, an accent, an underline) belongs to it when it is near.
std::vector<Range> lines_of(const Ink& ink, Range rows, Range columns) {
  std::vector<Range> runs;
  for (int y = rows.begin; y < rows.end; ++y) {
    if (ink.in_row(y, columns) == 0) continue;
    if (runs.empty() || runs.back().end != y) runs.push_back({y, y});
    runs.back().end = y + 1;
  }
  std::vector<Range> bands;
  for (const Range& run : runs) {
    if (!bands.empty()) {
      Range& above = bands.back();
      const int taller = std::max(above.size(), run.size());
      const int lower = std::min(above.size(), run.size());
      if (10 * lower < 4 * taller && 10 * (run.begin - above.end) < 4 * taller) {
        above.end = run.end;
        continue;
      }
    }
    bands.push_back(run);
  }
  std::vector<Range> lines;
  int tallest = 0;
  for (const Range& band : bands) {
    for (Range line : part(ink, band, columns)) {
      Range text = columns;
      trim(ink, line, text);
      tallest = std::max(tallest, line.size());
      lines.push_back(line);
    }
  }
  std::erase_if(lines,
                [&](const Range& line) { return line.size() < tallest && line.size() < std::max(4, tallest / 8); });  // specks and rules
  return lines;
}

Image cut(const Image& image, const Color& paper, Range rows, Range columns, Range limits) {
  const int margin = std::max(2, rows.size() * 2 / 5);
  Image line(columns.size() + 2 * margin, rows.size() + 2 * margin);
  for (std::size_t i = 0; i < line.rgb.size(); ++i) line.rgb[i] = paper[i % 3];
  const int x0 = columns.begin - margin;
  const int y0 = rows.begin - margin;
  const Range x{std::max(x0, 0), std::min(columns.end + margin, image.width)};
  const Range y{std::max(y0, limits.begin), std::min(rows.end + margin, limits.end)};
  for (int row = y.begin; row < y.end; ++row) { std::copy_n(image.pixel(x.begin, row), 3 * x.size(), line.pixel(x.begin - x0, row - y0)); }
  return line;
}

// A band that is nearly all ink is no text but a panel: its own paper, with text on it.
bool is_panel(const Ink& ink, Range rows, Range columns) {
  std::int64_t inked = 0;
  for (int y = rows.begin; y < rows.end; ++y) inked += ink.in_row(y, columns);
  return 3 * inked > std::int64_t{2} * rows.size() * columns.size();
}

// The cells of a line: a gap much wider than a space parts them, as in tables.
std::vector<Range> cells_of(const Ink& ink, Range rows, Range columns) {
  std::vector<Range> cells;
  for (int x = columns.begin; x < columns.end; ++x) {
    if (ink.in_column(x, rows) == 0) continue;
    if (cells.empty() || 5 * (x - cells.back().end) > 6 * rows.size()) cells.push_back({x, x});
    cells.back().end = x + 1;
  }
  return cells;
}

Image crop(const Image& image, Range rows, Range columns) {
  Image part(columns.size(), rows.size());
  for (int y = 0; y < part.height; ++y) std::copy_n(image.pixel(columns.begin, rows.begin + y), 3 * part.width, part.pixel(0, y));
  return part;
}

std::vector<Image> find_lines(const Image& picture, int panels_around) {
  constexpr int deepest_panel = 3;
  const Color paper = paper_of(picture);
  const Ink ink(picture, paper);
  Range rows{0, picture.height};
  Range columns{0, picture.width};
  peel_frame(ink, rows, columns);

  std::vector<Image> lines;
  const std::vector<Range> bands = lines_of(ink, rows, columns);
  for (std::size_t i = 0; i < bands.size(); ++i) {
    Range band = bands[i];
    Range text = columns;
    trim(ink, band, text);
    if (panels_around < deepest_panel && is_panel(ink, band, text)) {
      for (Image& line : find_lines(crop(picture, band, text), panels_around + 1)) lines.push_back(std::move(line));
      continue;
    }
    // A margin ends half way to the neighbour, so that none of its ink comes along.
    const Range limits{i == 0 ? rows.begin : (bands[i - 1].end + bands[i].begin) / 2,
                       i + 1 == bands.size() ? rows.end : (bands[i].end + bands[i + 1].begin + 1) / 2};
    for (const Range& cell : cells_of(ink, band, text)) lines.push_back(cut(picture, paper, band, cell, limits));
  }
  return lines;
}

// One axis of a resampling: for each output position, where its window starts and how much each input counts. The window is a triangle
// as wide as two input pixels (bilinear), or as two output pixels where that is wider (area).
struct Window {
  int begin = 0;
  std::vector<float> weights;
};
std::vector<Window> windows(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double radius = std::max(scale, 1.0);
  std::vector<Window> result(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    Window& window = result[static_cast<std::size_t>(i)];
    const double center = (i + 0.5) * scale - 0.5;
    window.begin = std::max(0, static_cast<int>(std::ceil(center - radius)));
    const int end = std::min(from, static_cast<int>(std::floor(center + radius)) + 1);
    double sum = 0;
    for (int j = window.begin; j < end; ++j) sum += 1 - std::abs(j - center) / radius;
    for (int j = window.begin; j < end; ++j) window.weights.push_back(static_cast<float>((1 - std::abs(j - center) / radius) / sum));
  }
  return result;
}

}  // namespace

std::vector<Image> find_lines(const Image& picture) { return find_lines(picture, 0); }

lazyfx::Tensor recogniser_input(const Image& line) {
  constexpr int height = 48;
  constexpr int step = 32;
  constexpr int widest = 4096;
  const int width = std::clamp(static_cast<int>(std::lround(1.0 * height * line.width / line.height)), 1, widest);
  const int padded = (width + step - 1) / step * step;

  // Columns first: `half` is line.height x width, three channels a pixel.
  std::vector<float> half(3 * static_cast<std::size_t>(line.height) * static_cast<std::size_t>(width));
  const auto across = windows(line.width, width);
  for (int y = 0; y < line.height; ++y) {
    for (std::size_t x = 0; x < across.size(); ++x) {
      float* out = &half[3 * (static_cast<std::size_t>(y) * across.size() + x)];
      const std::uint8_t* in = line.pixel(across[x].begin, y);
      for (const float weight : across[x].weights) {
        for (int c = 0; c < 3; ++c) out[c] += weight * static_cast<float>(*in++);
      }
    }
  }

  lazyfx::Tensor input = lazyfx::Tensor::empty(lazyfx::DType::f32, {1, 3, height, padded});
  const std::span<float> out = input.mutable_values<float>();
  const auto down = windows(line.height, height);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t y = 0; y < down.size(); ++y) {
      for (std::size_t x = 0; x < static_cast<std::size_t>(padded); ++x) {
        // Beyond the text its last column goes on, which is paper.
        const std::size_t column = std::min(x, across.size() - 1);
        float value = 0;
        for (std::size_t k = 0; k < down[y].weights.size(); ++k) {
          const std::size_t row = static_cast<std::size_t>(down[y].begin) + k;
          value += down[y].weights[k] * half[3 * (row * across.size() + column) + (2 - c)];
        }
        out[(c * down.size() + y) * static_cast<std::size_t>(padded) + x] = value / 127.5F - 1;
      }
    }
  }
  return input;
}

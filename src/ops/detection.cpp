#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

// Operators on boxes: corners, areas, overlaps and what lies inside.

// NonMaxSuppression

struct Box {
  float x1, y1, x2, y2;
  float area() const { return (x2 - x1) * (y2 - y1); }
};

/// Corners in either order, or centre and size.
Box box_of(const float* b, bool centred) {
  if (centred) return {b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2};
  return {std::min(b[1], b[3]), std::min(b[0], b[2]), std::max(b[1], b[3]), std::max(b[0], b[2])};
}

float overlap(const Box& a, const Box& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(width > 0) || !(height > 0)) return 0;
  const float common = width * height;
  const float whole = a.area() + b.area() - common;
  return whole > 0 && a.area() > 0 && b.area() > 0 ? common / whole : 0;
}

/// The indices of the boxes kept, best first, those without a score left out: each overlaps none kept before by more than `most`.
std::vector<std::int64_t> suppressed(const std::vector<Box>& boxes, std::span<const float> scores, std::int64_t limit, float most,
                                     std::optional<float> least_score) {
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == scores[i] && (!least_score || scores[i] > *least_score)) order.push_back(static_cast<std::int64_t>(i));
  }
  const auto score = [&](std::int64_t i) { return scores[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  std::vector<std::int64_t> kept;
  for (const std::int64_t candidate : order) {
    if (static_cast<std::int64_t>(kept.size()) >= limit) break;
    const auto hides = [&](std::int64_t other) {
      return overlap(boxes[static_cast<std::size_t>(candidate)], boxes[static_cast<std::size_t>(other)]) > most;
    };
    if (std::none_of(kept.begin(), kept.end(), hides)) kept.push_back(candidate);
  }
  return kept;
}

std::vector<TensorType> non_max_suppression_type(const TypeContext& c) {
  const auto& boxes = input(c, 0, {DType::f32}, "boxes").dims;
  const auto& scores = input(c, 1, {DType::f32}, "scores").dims;
  if (boxes && (boxes->size() != 3 || ((*boxes)[2].known() && (*boxes)[2].size != 4)))
    fail("input 0 (boxes) has shape " + describe(*boxes) + " where batches x boxes x 4 is expected");
  if (scores && scores->size() != 3)
    fail("input 1 (scores) has shape " + describe(*scores) + " where batches x classes x boxes is expected");
  if (boxes && scores) {
    merge((*boxes)[0], (*scores)[0], "the batches of boxes and scores");
    merge((*boxes)[1], (*scores)[2], "the numbers of boxes and of scores");
  }
  return {TensorType(DType::i64, {Dim(), Dim(3)})};
}

std::vector<Tensor> non_max_suppression_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const bool centred = attributes.get_int("center_point_box", 0) != 0;
  const std::int64_t limit = argument(in, 2).defined() ? int_of(in[2], "input 2 (max_output_boxes_per_class)") : 0;
  const float most = argument(in, 3).defined() ? static_cast<float>(real_of(in[3], "input 3 (iou_threshold)")) : 0;
  std::optional<float> least_score;
  if (argument(in, 4).defined()) least_score = static_cast<float>(real_of(in[4], "input 4 (score_threshold)"));
  const Tensor boxes = in[0].contiguous();
  const Tensor scores = in[1].contiguous();
  const auto batches = scores.shape()[0], classes = scores.shape()[1], count = scores.shape()[2];
  std::vector<std::int64_t> rows;
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    std::vector<Box> batch_boxes;
    for (std::int64_t i = 0; i < count; ++i) batch_boxes.push_back(box_of(boxes.values<float>().data() + (batch * count + i) * 4, centred));
    for (std::int64_t cls = 0; cls < classes; ++cls) {
      const auto row =
          scores.values<float>().subspan(static_cast<std::size_t>((batch * classes + cls) * count), static_cast<std::size_t>(count));
      for (const std::int64_t box : suppressed(batch_boxes, row, limit, most, least_score)) rows.insert(rows.end(), {batch, cls, box});
    }
  }
  const auto found = static_cast<std::int64_t>(rows.size()) / 3;
  return {write(DType::i64, Shape{found, 3}, rows)};
}

// RoiAlign and MaxRoiPool: each region of interest becomes a plane of one size.

std::int64_t size_from(const Attributes& attributes, const char* name, std::int64_t fallback) {
  const std::int64_t size = attributes.get_int(name, fallback);
  if (size < 1 || size > (1 << 20)) fail(std::string("attribute ") + name + " is " + std::to_string(size) + ", which is out of range");
  return size;
}

const TensorType& planes(const TypeContext& c) {
  const TensorType& x = input(c, 0, floats, "X");
  if (x.dims && x.dims->size() != 4) fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where 4 are expected");
  require_same_dtype(c, 0, 1);
  return x;
}

Dim regions(const TypeContext& c, std::int64_t columns) {
  const auto& rois = input(c, 1).dims;
  if (!rois) return {};
  if (rois->size() != 2 || ((*rois)[1].known() && (*rois)[1].size != columns)) {
    fail("input 1 (rois) has shape " + describe(*rois) + " where regions x " + std::to_string(columns) + " is expected");
  }
  return rois->front();
}

std::vector<TensorType> roi_align_type(const TypeContext& c) {
  const TensorType& x = planes(c);
  Dim count = regions(c, 4);
  const TensorType& batches = input(c, 2, {DType::i64}, "batch_indices");
  if (batches.dims && batches.dims->size() != 1) fail("input 2 (batch_indices) is no vector");
  if (batches.dims) count = merge(count, batches.dims->front(), "the numbers of rois and of batch_indices");
  const std::string mode = c.attributes.get_string("mode", "avg");
  if (mode != "avg" && mode != "max") fail("attribute mode is \"" + mode + "\", which is neither avg nor max");
  const std::int64_t samples = c.attributes.get_int("sampling_ratio", 0);
  if (samples < 0 || samples > (1 << 10)) fail("attribute sampling_ratio is " + std::to_string(samples) + ", which is out of range");
  return {TensorType(x.dtype, Dims{count, x.dims ? (*x.dims)[1] : Dim(), size_from(c.attributes, "output_height", 1),
                                   size_from(c.attributes, "output_width", 1)})};
}

/// The four elements around a place in a plane, with their weights; all weights are 0 outside.
struct Corners {
  std::int64_t at[4];
  double weight[4];
};

Corners corners(double y, double x, std::int64_t height, std::int64_t width) {
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width)) || height == 0 || width == 0)
    return {{0, 0, 0, 0}, {0, 0, 0, 0}};
  const auto split = [](double v, std::int64_t size, std::int64_t& low, std::int64_t& high) {
    v = std::max(v, 0.0);
    low = static_cast<std::int64_t>(v);
    if (low >= size - 1) {
      low = high = size - 1;
      return 0.0;
    }
    high = low + 1;
    return v - static_cast<double>(low);
  };
  std::int64_t y0 = 0, y1 = 0, x0 = 0, x1 = 0;
  const double dy = split(y, height, y0, y1);
  const double dx = split(x, width, x0, x1);
  return {{y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1},
          {(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx}};
}

/// What the samples of one cell give. The largest is taken of the weighted corners, as ONNX Runtime does, not of interpolated values.
double cell(const double* plane, const std::vector<Corners>& samples, bool largest) {
  double sum = 0;
  double most = -std::numeric_limits<double>::infinity();
  for (const Corners& s : samples) {
    for (int k = 0; k < 4; ++k) {
      const double v = plane[s.at[k]] * s.weight[k];
      sum += v;
      most = std::max(most, v);
    }
  }
  return largest ? most : sum / static_cast<double>(std::max<std::size_t>(samples.size(), 1));
}

constexpr std::int64_t most_samples = 1 << 16;  // of one cell: its region would be larger than any picture

std::vector<Tensor> roi_align(std::span<const Tensor> in, const Attributes& attributes, double shift) {
  const Shape& shape = in[0].shape();
  const std::int64_t height = shape[2], width = shape[3], plane = height * width;
  const std::int64_t rows = attributes.get_int("output_height", 1), columns = attributes.get_int("output_width", 1);
  const double scale = attributes.get_float("spatial_scale", 1);
  const std::int64_t ratio = attributes.get_int("sampling_ratio", 0);
  const bool largest = attributes.get_string("mode", "avg") == "max";
  const std::vector<double> x = read<double>(in[0]);
  const std::vector<double> rois = read<double>(in[1]);
  const std::vector<std::int64_t> batches = read<std::int64_t>(in[2]);
  const Shape result{in[1].shape()[0], shape[1], rows, columns};
  std::vector<double> out(static_cast<std::size_t>(result.size()));
  for (std::int64_t r = 0; r < result[0] && result.size() != 0; ++r) {
    const std::int64_t batch = batches.at(static_cast<std::size_t>(r));
    if (batch < 0 || batch >= shape[0])
      throw Error(ErrorKind::invalid_argument,
                  "region " + std::to_string(r) + " lies in batch " + std::to_string(batch) + " of " + std::to_string(shape[0]));
    const double* roi = rois.data() + r * 4;
    const double x1 = roi[0] * scale - shift, y1 = roi[1] * scale - shift;
    // Without the shift, regions are at least one element wide.
    const auto extent = [&](double size) { return shift == 0 ? std::max(size, 1.0) : size; };
    const double cell_width = extent(roi[2] * scale - shift - x1) / static_cast<double>(columns);
    const double cell_height = extent(roi[3] * scale - shift - y1) / static_cast<double>(rows);
    const auto samples_on = [&](double size) {
      const double wanted = ratio > 0 ? static_cast<double>(ratio) : std::ceil(size);
      if (!(wanted <= 4096)) throw Error(ErrorKind::invalid_argument, "region " + std::to_string(r) + " is too large to be sampled");
      return static_cast<std::int64_t>(std::max(wanted, 0.0));
    };
    const std::int64_t down = samples_on(cell_height), across = samples_on(cell_width);
    if (down * across > most_samples) {
      throw Error(ErrorKind::invalid_argument,
                  "region " + std::to_string(r) + " asks for " + std::to_string(down * across) + " samples a cell");
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        std::vector<Corners> samples;
        for (std::int64_t i = 0; i < down; ++i) {
          for (std::int64_t j = 0; j < across; ++j) {
            const double y = y1 + cell_height * (static_cast<double>(row) + (static_cast<double>(i) + 0.5) / static_cast<double>(down));
            const double at =
                x1 + cell_width * (static_cast<double>(column) + (static_cast<double>(j) + 0.5) / static_cast<double>(across));
            samples.push_back(corners(y, at, height, width));
          }
        }
        for (std::int64_t channel = 0; channel < shape[1]; ++channel) {
          const double* from = x.data() + (batch * shape[1] + channel) * plane;
          out[static_cast<std::size_t>(((r * shape[1] + channel) * rows + row) * columns + column)] =
              cell(from, samples, largest && !samples.empty());
        }
      }
    }
  }
  return {write(in[0].dtype(), result, out)};
}

std::vector<Tensor> roi_align_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const std::string mode = attributes.get_string("coordinate_transformation_mode", "output_half_pixel");
  if (mode != "half_pixel" && mode != "output_half_pixel")
    fail("attribute coordinate_transformation_mode is \"" + mode + "\", which is neither half_pixel nor output_half_pixel");
  return roi_align(in, attributes, mode == "half_pixel" ? 0.5 : 0);
}

std::vector<TensorType> max_roi_pool_type(const TypeContext& c) {
  const TensorType& x = planes(c);
  const auto pooled = c.attributes.get_ints("pooled_shape");
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1 || pooled[0] > (1 << 11) || pooled[1] > (1 << 11)) {
    fail("attribute pooled_shape is not two sizes from 1 to 2048");
  }
  return {TensorType(x.dtype, Dims{regions(c, 5), x.dims ? (*x.dims)[1] : Dim(), pooled[0], pooled[1]})};
}

std::vector<Tensor> max_roi_pool_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Shape& shape = in[0].shape();
  const auto pooled = attributes.get_ints("pooled_shape");
  const double scale = attributes.get_float("spatial_scale", 1);
  const std::vector<double> x = read<double>(in[0]);
  const std::vector<double> rois = read<double>(in[1]);
  const Shape result{in[1].shape()[0], shape[1], pooled[0], pooled[1]};
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(result.size()));
  // Cell `i` of `cells` over [first, first + size), cut off at the plane's end.
  const auto part = [](std::int64_t i, std::int64_t cells, double first, double size, std::int64_t limit) {
    const auto clamped = [&](double v) { return static_cast<std::int64_t>(std::clamp(v + first, 0.0, static_cast<double>(limit))); };
    const double cell = size / static_cast<double>(cells);
    return std::pair(clamped(std::floor(static_cast<double>(i) * cell)), clamped(std::ceil(static_cast<double>(i + 1) * cell)));
  };
  for_each_index(result, [&](std::span<const std::int64_t> index) {
    const double* roi = rois.data() + index[0] * 5;
    if (!(roi[0] >= 0 && roi[0] < static_cast<double>(shape[0])))
      throw Error(ErrorKind::invalid_argument, "region " + std::to_string(index[0]) + " lies in no batch");
    for (int k = 1; k < 5; ++k) {
      if (!(std::fabs(roi[k] * scale) < 1e15))
        throw Error(ErrorKind::invalid_argument, "region " + std::to_string(index[0]) + " is no region");
    }
    const auto scaled = [&](int k) { return std::round(roi[k] * scale); };
    const auto [top, bottom] = part(index[2], pooled[0], scaled(2), std::max(scaled(4) - scaled(2) + 1, 1.0), shape[2]);
    const auto [left, right] = part(index[3], pooled[1], scaled(1), std::max(scaled(3) - scaled(1) + 1, 1.0), shape[3]);
    const double* plane = x.data() + (static_cast<std::int64_t>(roi[0]) * shape[1] + index[1]) * shape[2] * shape[3];
    double most = top < bottom && left < right ? -std::numeric_limits<double>::infinity() : 0;
    for (std::int64_t row = top; row < bottom; ++row) {
      for (std::int64_t column = left; column < right; ++column) most = std::max(most, plane[row * shape[3] + column]);
    }
    out.push_back(most);
  });
  return {write(in[0].dtype(), result, out)};
}

}  // namespace

void add_detection(OperatorRegistry& registry) {
  registry.add(onnx("NonMaxSuppression", {10},
                    schema({"boxes", "scores", "max_output_boxes_per_class?", "iou_threshold?", "score_threshold?"}, {"selected_indices"},
                           {integer("center_point_box", 0)}),
                    non_max_suppression_type, non_max_suppression_kernel));
  const auto align = [&](const char* type, Versions versions, bool with_mode) {
    std::vector<AttributeSpec> attributes{text("mode", "avg"), integer("output_height", 1), integer("output_width", 1),
                                          integer("sampling_ratio", 0), real("spatial_scale", 1)};
    if (with_mode) attributes.push_back(text("coordinate_transformation_mode", "half_pixel"));
    registry.add(
        onnx(type, versions, schema({"X", "rois", "batch_indices"}, {"Y"}, std::move(attributes)), roi_align_type, roi_align_kernel));
  };
  align("RoiAlign", {16}, true);
  align("RoiAlign@10", {10, 15}, false);
  registry.add(onnx("MaxRoiPool", {1}, schema({"X", "rois"}, {"Y"}, {required(integers("pooled_shape")), real("spatial_scale", 1)}),
                    max_roi_pool_type, max_roi_pool_kernel));
}

}  // namespace lazyfx::ops

#pragma once

#include <cstdint>

#include "kernels/resize_taps.hpp"

namespace lazyfx::kernels {

/// Runs of fewer elements are resampled by vectors of results rather than of neighbours.
constexpr std::int64_t least_resample_run = 16;

/// One weighted pass along the middle axis of a dense [outer, axis, inner] array of f32.
using ResampleFunction = void (*)(const AxisTaps& axis, std::int64_t outer, std::int64_t inner, const float* in, float* out);

/// For this processor; `taps` is 2 or 4, inner at least least_resample_run.
ResampleFunction vector_resample(std::size_t taps);
/// The same for rows, whose table lists all first taps, then all second ones: see taps_of_rows. inner is 1.
ResampleFunction vector_resample_rows(std::size_t taps);

/// An axis with its `inner` neighbours as one row of axis.out * inner results, its table sorted by tap.
AxisTaps taps_of_rows(const AxisTaps& axis, std::int64_t inner);

}  // namespace lazyfx::kernels

#define BOOST_TEST_MODULE kernels_transfer
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>

#include "kernel_fixture.hpp"

using namespace kernel_test;
using Region = primitive::Transfer::Region;

namespace {

const std::vector<DType> widths{DType::u8, DType::i16, DType::f32, DType::f64};

Shape shape_of(const std::vector<std::int64_t>& dims) { return Shape(std::span<const std::int64_t>(dims)); }

std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& dims) {
  std::vector<std::int64_t> strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t i = dims.size(); i-- > 0; stride *= dims[i]) strides[i] = stride;
  return strides;
}

/// Random bytes: every pattern of every dtype, NaN with any payload among them, must arrive as it is.
Guarded noise(std::size_t bytes) {
  Guarded memory(bytes);
  for (std::size_t i = 0; i < bytes; ++i) memory.data()[i] = static_cast<std::byte>(random_engine()());
  return memory;
}

/// Runs the kernel on row-major operands and compares bytes with the definition of a transfer, element by element.
void check(const primitive::Transfer& transfer, const std::vector<Operand>& inputs, const Operand& output, const std::string& what) {
  const std::size_t width = size_of(output.dtype);
  const auto kernel = make_kernel({transfer, inputs, output, std::vector<Tensor>(inputs.size()), nullptr});
  std::vector<Guarded> memory;
  std::vector<const void*> addresses;
  memory.reserve(inputs.size());
  for (const Operand& in : inputs) {
    memory.push_back(noise(bytes_of(in)));
    addresses.push_back(memory.back().data());
  }
  Guarded out = noise(bytes_of(output)), scratch(kernel->scratch_bytes());
  std::vector<std::byte> expected(out.data(), out.data() + bytes_of(output));
  if (transfer.has_fill) {
    const auto fill = static_cast<float>(transfer.fill.real);
    BOOST_REQUIRE(output.dtype == DType::f32);
    for (std::size_t i = 0; i < expected.size(); i += width) std::memcpy(&expected[i], &fill, width);
  }
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Region& r = transfer.regions[k];
    for_each_index(shape_of(r.extent), [&](const std::vector<std::int64_t>& at) {
      const std::int64_t from = std::inner_product(at.begin(), at.end(), r.in_strides.begin(), r.in_offset);
      const std::int64_t to = std::inner_product(at.begin(), at.end(), r.out_strides.begin(), r.out_offset);
      std::memcpy(&expected[static_cast<std::size_t>(to) * width], memory[k].data() + static_cast<std::size_t>(from) * width, width);
    });
  }
  kernel->run(addresses.data(), out.data(), scratch.data());
  BOOST_TEST(out.intact(), what);
  for (const Guarded& m : memory) BOOST_TEST(m.intact(), what);
  const auto wrong = std::mismatch(expected.begin(), expected.end(), out.data()).first;
  const auto element = static_cast<std::size_t>(wrong - expected.begin()) / width;
  BOOST_TEST((wrong == expected.end()), what << ": element " << element << " of " << output.shape.size() << " is not what was there");
}

/// Output axis i is input axis order[i].
void check_transpose(DType dtype, const std::vector<std::int64_t>& dims, const std::vector<std::size_t>& order) {
  const auto in_strides = row_major(dims);
  Region region;
  for (const std::size_t axis : order) {
    region.extent.push_back(dims[axis]);
    region.in_strides.push_back(in_strides[axis]);
  }
  region.out_strides = row_major(region.extent);
  primitive::Transfer transfer;
  transfer.regions.push_back(region);
  check(transfer, {{dtype, shape_of(dims)}}, {dtype, shape_of(region.extent)},
        "transpose of " + to_string(shape_of(dims)) + " " + to_string(dtype) + " to " + to_string(shape_of(region.extent)));
}

std::vector<std::int64_t> random_dims(std::size_t rank) {
  std::vector<std::int64_t> dims;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t largest = rank <= 2 ? 150 : rank == 3 ? 40 : rank == 4 ? 14 : 6;
    dims.push_back(random_int(0, 3) == 0 ? random_int(1, 4) : random_int(1, largest));
  }
  // One long axis now and then, wherever it falls.
  if (rank > 2 && random_int(0, 2) == 0)
    dims[static_cast<std::size_t>(random_int(0, static_cast<std::int64_t>(rank) - 1))] = random_int(30, 90);
  return dims;
}

}  // namespace

BOOST_AUTO_TEST_CASE(axes_change_places_in_every_order_up_to_rank_six) {
  for (int round = 0; round < 600; ++round) {
    const auto rank = static_cast<std::size_t>(random_int(0, 6));
    std::vector<std::size_t> order(rank);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random_engine());
    check_transpose(widths[static_cast<std::size_t>(round) % 4], random_dims(rank), order);
  }
}

BOOST_AUTO_TEST_CASE(planes_of_every_size_are_turned_to_their_ends) {
  for (const DType dtype : widths) {
    for (std::int64_t rows = 1; rows < 150; rows += rows < 20 ? 1 : random_int(1, 17)) {
      for (std::int64_t columns = 1; columns < 150; columns += columns < 20 ? 1 : random_int(1, 17)) {
        check_transpose(dtype, {columns, rows}, {1, 0});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(planes_within_larger_ones_are_turned_and_leave_the_rest_alone) {
  for (int round = 0; round < 600; ++round) {
    const std::int64_t rows = random_int(1, 70), columns = random_int(1, 70), gap_in = random_int(0, 5), gap_out = random_int(0, 5);
    const std::int64_t in_stride = rows + gap_in, out_stride = columns + gap_out;
    const bool upward = random_int(0, 1) == 0;
    primitive::Transfer transfer;
    // Read upwards, the last line of the input comes first.
    transfer.regions = {
        {{rows, columns}, {1, upward ? -in_stride : in_stride}, {out_stride, 1}, upward ? (columns - 1) * in_stride : 0, 0}};
    const DType dtype = widths[static_cast<std::size_t>(round) % 4];
    check(transfer, {{dtype, Shape{columns * in_stride - gap_in}}}, {dtype, Shape{rows * out_stride - gap_out}},
          std::to_string(rows) + " rows of " + std::to_string(columns) + " with gaps");
  }
}

BOOST_AUTO_TEST_CASE(reads_may_step_backwards_stand_still_and_skip) {
  for (int round = 0; round < 600; ++round) {
    const auto rank = static_cast<std::size_t>(random_int(1, 4));
    const auto dims = random_dims(rank);
    const auto strides = row_major(dims);
    Region region;
    for (std::size_t i = 0; i < rank; ++i) {
      const std::int64_t way = random_int(0, 3), step = way == 2 ? random_int(2, 3) : 1;
      if (way == 0) {  // an axis that is stretched
        region.extent.push_back(random_int(1, 20));
        region.in_strides.push_back(0);
        region.in_offset += random_int(0, dims[i] - 1) * strides[i];
      } else if (way == 1) {  // from the end
        region.extent.push_back(dims[i]);
        region.in_strides.push_back(-strides[i]);
        region.in_offset += (dims[i] - 1) * strides[i];
      } else {
        region.extent.push_back((dims[i] - 1) / step + 1);
        region.in_strides.push_back(step * strides[i]);
      }
    }
    std::vector<std::size_t> order(rank);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random_engine());
    Region mixed = region;
    for (std::size_t i = 0; i < rank; ++i) {
      mixed.extent[i] = region.extent[order[i]];
      mixed.in_strides[i] = region.in_strides[order[i]];
    }
    mixed.out_strides = row_major(mixed.extent);
    primitive::Transfer transfer;
    transfer.regions.push_back(mixed);
    const DType dtype = widths[static_cast<std::size_t>(round) % 4];
    check(transfer, {{dtype, shape_of(dims)}}, {dtype, shape_of(mixed.extent)}, "slice of " + to_string(shape_of(dims)));
  }
}

BOOST_AUTO_TEST_CASE(several_inputs_meet_in_one_output) {
  for (int round = 0; round < 200; ++round) {
    const std::int64_t outer = random_int(1, 60), first = random_int(1, 30), second = random_int(1, 30), all = first + second;
    const bool turned = random_int(0, 1) == 0;
    primitive::Transfer transfer;
    transfer.regions = {{{outer, first}, {first, 1}, {all, 1}, 0, 0}, {{outer, second}, {second, 1}, {all, 1}, 0, first}};
    if (turned) transfer.regions[1].in_strides = {1, outer};
    const DType dtype = widths[static_cast<std::size_t>(round) % 4];
    check(transfer, {{dtype, Shape{outer * first}}, {dtype, Shape{outer * second}}}, {dtype, {outer, all}}, "concatenation");
  }
}

BOOST_AUTO_TEST_CASE(what_no_region_writes_is_filled) {
  for (const std::int64_t n : {1, 3, 16, 33}) {
    primitive::Transfer transfer;
    transfer.has_fill = true;
    transfer.fill = {DType::f32, -1.5, 0};
    transfer.regions = {{{n, 5}, {1, n}, {9, 1}, 0, 2}};
    check(transfer, {{DType::f32, Shape{5, n}}}, {DType::f32, Shape{n, 9}}, "padding");
  }
}

BOOST_AUTO_TEST_CASE(layouts_change_and_change_back) {
  for (const std::int64_t channels : {1, 2, 3, 4, 5, 8, 17, 64}) {
    for (const std::vector<std::int64_t>& spatial : {std::vector<std::int64_t>{37}, {7, 9}, {1, 40}, {3, 4, 5}}) {
      std::vector<std::int64_t> dims{2, channels};
      dims.insert(dims.end(), spatial.begin(), spatial.end());
      const Shape shape = shape_of(dims);
      const Values values = random_values(shape.size());
      for (const auto& [from, to] : {std::pair{Layout::row_major, Layout::channels_last}, {Layout::channels_last, Layout::row_major}}) {
        const auto change = layout_change(shape, from, to);
        check(std::get<primitive::Transfer>(change), {{DType::f32, Shape{shape.size()}}}, {DType::f32, Shape{shape.size()}},
              "layout change");
        // The same through operands that say where they lie: values keep their logical places.
        Run run{change, {{DType::f32, Shape{shape.size()}}}, {DType::f32, Shape{shape.size()}}, {values}};
        Guarded placed(values.size() * sizeof(float));
        place({DType::f32, shape, from}, values, placed.data());
        run.values = {read({DType::f32, Shape{shape.size()}}, placed.data())};
        place({DType::f32, Shape{shape.size()}}, run(), placed.data());
        check_close(read({DType::f32, shape, to}, placed.data()), values, 0, 0, "layout change of " + to_string(shape));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(transposes_follow_operands_in_channels_last) {
  for (int round = 0; round < 100; ++round) {
    const std::vector<std::int64_t> dims{random_int(1, 3), random_int(1, 20), random_int(1, 20), random_int(1, 20)};
    std::vector<std::size_t> order{0, 1, 2, 3};
    std::shuffle(order.begin(), order.end(), random_engine());
    Region region;
    const auto strides = row_major(dims);
    for (const std::size_t axis : order) {
      region.extent.push_back(dims[axis]);
      region.in_strides.push_back(strides[axis]);
    }
    region.out_strides = row_major(region.extent);
    primitive::Transfer transfer;
    transfer.regions.push_back(region);
    const Shape in = shape_of(dims), out = shape_of(region.extent);
    const Values values = random_values(in.size());
    Values expected;
    for_each_index(out, [&](const std::vector<std::int64_t>& at) {
      std::vector<std::int64_t> from(4);
      for (std::size_t i = 0; i < 4; ++i) from[order[i]] = at[i];
      expected.push_back(values[position(in, from)]);
    });
    Run run{transfer, {{DType::f32, in, Layout::channels_last}}, {DType::f32, out, Layout::channels_last}, {values}};
    check_close(run(), expected, 0, 0, "transpose in channels_last");
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_moved_for_empty_operands) {
  for (const DType dtype : widths) {
    check_transpose(dtype, {0, 5}, {1, 0});
    check_transpose(dtype, {5, 0, 3}, {2, 0, 1});
    check_transpose(dtype, {}, {});
    check_transpose(dtype, {1, 1, 1}, {2, 1, 0});
  }
}

BOOST_AUTO_TEST_CASE(regions_that_reach_outside_are_refused) {
  const auto make = [](Region region) {
    primitive::Transfer transfer;
    transfer.regions.push_back(std::move(region));
    const std::vector<Operand> in{{DType::f32, Shape{4, 5}}};
    return make_kernel({transfer, in, {DType::f32, Shape{5, 4}}, std::vector<Tensor>(1), nullptr});
  };
  BOOST_CHECK_NO_THROW(make({{5, 4}, {1, 5}, {4, 1}, 0, 0}));
  BOOST_CHECK_THROW(make({{5, 4}, {1, 5}, {4, 1}, 1, 0}), Error);
  BOOST_CHECK_THROW(make({{5, 4}, {1, -5}, {4, 1}, 0, 0}), Error);
  BOOST_CHECK_THROW(make({{5, 4}, {1, 5}, {5, 1}, 0, 0}), Error);
  BOOST_CHECK_THROW(make({{5, 4}, {1}, {4, 1}, 0, 0}), Error);
}

#include "lazyfx/tensor/type.hpp"

#include <algorithm>

#include "lazyfx/error.hpp"
#include "tensor/utf8.hpp"

namespace lazyfx {

TensorType::TensorType(DType d, const Shape& shape) : dtype(d), dims(std::vector<Dim>(shape.begin(), shape.end())) {}

bool TensorType::is_static() const noexcept {
  return dims.has_value() && std::all_of(dims->begin(), dims->end(), [](const Dim& d) { return d.known(); });
}

Shape TensorType::shape() const {
  if (!dims || !is_static()) throw Error(ErrorKind::invalid_argument, "type " + to_string(*this) + " has no fixed shape");
  std::vector<std::int64_t> sizes;
  sizes.reserve(dims->size());
  for (const Dim& d : *dims) sizes.push_back(d.size);
  return Shape(sizes);
}

bool TensorType::accepts(DType d, const Shape& shape) const noexcept {
  if (d != dtype) return false;
  if (!dims) return true;
  return std::equal(dims->begin(), dims->end(), shape.begin(), shape.end(),
                    [](const Dim& expected, std::int64_t size) { return !expected.known() || expected.size == size; });
}

std::string to_string(const TensorType& type) {
  std::string text = to_string(type.dtype);
  if (!type.dims) return text;
  text += '[';
  for (std::size_t i = 0; i < type.dims->size(); ++i) {
    const Dim& d = (*type.dims)[i];
    if (i != 0) text += ", ";
    text += d.known() ? std::to_string(d.size) : d.name.empty() ? "?" : shown(d.name);
  }
  return text + ']';
}

}  // namespace lazyfx

#include "store/code_arguments.hpp"

#include "store/code_number.hpp"

namespace lazyfx::store {

NodeId CodeArguments::node(CodeLexer& in, std::string_view name, std::size_t position) const {
  const auto found = names_.find(std::string(name));
  if (found == names_.end()) in.fail_at(position, "there is no node " + std::string(name) + " above");
  return found->second;
}

TensorType CodeArguments::type(CodeLexer& in) const {
  const std::size_t begin = in.position();
  const auto name = in.expect_word("an element type");
  const auto dtype = dtype_from_string(name);
  if (!dtype) in.fail_at(begin, "'" + std::string(name) + "' is no element type");
  TensorType type(*dtype);
  if (!in.take("[")) return type;
  auto& dims = type.dims.emplace();
  if (in.take("]")) return type;
  do {
    const std::size_t at = in.position();
    if (in.take("?"))
      dims.emplace_back();
    else if (in.next_is_string())
      dims.emplace_back(in.expect_string());
    else if (const auto word = in.take_word(); !word.empty())
      dims.emplace_back(std::string(word));
    else
      dims.emplace_back(parse_whole<std::int64_t>(in, at, in.take_number()));
    if (dims.back().size < -1 || (dims.back().size == -1 && in.position() == at)) in.fail_at(at, "a dimension cannot be negative");
  } while (in.take(","));
  in.expect("]");
  return type;
}

std::pair<Arguments, Keywords> CodeArguments::call(CodeLexer& in) const {
  std::pair<Arguments, Keywords> out;
  if (in.take(")")) return out;
  do {
    const std::size_t begin = in.position();
    std::string key = in.next_is_string() ? in.expect_string() : std::string(in.take_word());
    if (in.position() != begin && in.take("=")) {
      out.second.emplace_back(std::move(key), argument(in));
      continue;
    }
    in.rewind(begin);
    if (!out.second.empty()) in.fail("a positional argument comes after a keyword argument");
    out.first.push_back(argument(in));
  } while (in.take(","));
  in.expect(")");
  return out;
}

Argument CodeArguments::argument(CodeLexer& in) const { return read<Argument>(in, 0); }

Metadata CodeArguments::metadata(CodeLexer& in) const {
  Metadata metadata;
  in.expect("{");
  while (!in.take("}")) {
    if (!metadata.empty()) in.expect(",");
    const std::size_t at = in.position();
    std::string key = in.expect_string();
    in.expect(":");
    if (!metadata.try_emplace(std::move(key), read<Value>(in, 0)).second) in.fail_at(at, "this key is given twice");
  }
  return metadata;
}

template <class Kind>
Kind CodeArguments::read(CodeLexer& in, unsigned depth) const {
  if (depth > Kind::max_depth) in.fail("arguments are nested too deeply");
  if (in.next_is_string()) return in.expect_string();
  if (in.next_is("(") || in.next_is("[") || in.next_is("{")) return bracketed<Kind>(in, depth);
  const std::size_t begin = in.position();
  if (in.take("-inf")) return -std::numeric_limits<double>::infinity();
  if (const auto number = in.take_number(); !number.empty()) {
    if (number.find_first_of(".e") != std::string_view::npos) return parse_whole<double>(in, begin, number);
    return parse_whole<std::int64_t>(in, begin, number);
  }
  if constexpr (std::is_same_v<Kind, Argument>) {
    if (in.take("slice")) {
      if (in.take("(")) return slice(in, depth);
      in.rewind(begin);
    }
  }
  return word<Kind>(in);
}

template <class Kind>
Kind CodeArguments::word(CodeLexer& in) const {
  const std::size_t begin = in.position();
  const auto name = in.expect_word("an argument");
  if (name == "None") return {};
  if (name == "True") return true;
  if (name == "False") return false;
  if (name == "inf") return std::numeric_limits<double>::infinity();
  if (name == "nan") {
    return std::bit_cast<double>(parse_nan<std::uint64_t>(in, std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN())));
  }
  if (name == "tensor" && in.take("(")) return tensor(in);
  if constexpr (std::is_same_v<Kind, Argument>) {
    if (name == "dtype" && in.take(".")) {
      const std::size_t at = in.position();
      const auto dtype = dtype_from_string(in.expect_word("an element type"));
      if (!dtype) in.fail_at(at, "this is no element type");
      return *dtype;
    }
    return node(in, name, begin);
  } else {
    in.fail_at(begin, "'" + std::string(name) + "' is nothing that metadata holds");
  }
}

Argument CodeArguments::slice(CodeLexer& in, unsigned depth) const {
  Argument start = read<Argument>(in, depth + 1);
  in.expect(",");
  Argument stop = read<Argument>(in, depth + 1);
  in.expect(",");
  Argument step = read<Argument>(in, depth + 1);
  in.expect(")");
  return Argument::slice(std::move(start), std::move(stop), std::move(step));
}

template <class Kind>
typename Kind::Items CodeArguments::items(CodeLexer& in, std::string_view close, unsigned depth, bool& trailing_comma) const {
  typename Kind::Items all;
  trailing_comma = false;
  while (!in.take(close)) {
    if (!all.empty() && !trailing_comma) in.fail("',' or '" + std::string(close) + "' is missing");
    all.push_back(read<Kind>(in, depth + 1));
    trailing_comma = in.take(",");
  }
  return all;
}

template <class Kind>
Kind CodeArguments::bracketed(CodeLexer& in, unsigned depth) const {
  bool trailing_comma = false;
  const std::size_t begin = in.position();
  if (in.take("[")) return Kind::list(items<Kind>(in, "]", depth, trailing_comma));
  if (in.take("(")) {
    auto all = items<Kind>(in, ")", depth, trailing_comma);
    if (all.size() == 1 && !trailing_comma) in.fail_at(begin, "a tuple of one is written (x,)");
    return Kind::tuple(std::move(all));
  }
  in.expect("{");
  typename Kind::Entries entries;
  while (!in.take("}")) {
    if (!entries.empty()) in.expect(",");
    std::string key = in.expect_string();
    in.expect(":");
    entries.emplace_back(std::move(key), read<Kind>(in, depth + 1));
  }
  return Kind::dict(std::move(entries));
}

Tensor CodeArguments::tensor(CodeLexer& in) const {
  if (in.take(")")) return {};
  const std::size_t begin = in.position();
  const TensorType what = type(in);
  if (!what.is_static()) in.fail_at(begin, "a tensor has a size in every dimension");
  const Shape shape = what.shape();
  in.expect(",");
  if (in.take("digest")) {
    in.expect("=");
    const std::size_t at = in.position();
    const std::uint64_t digest = in.expect_hex();
    in.expect(")");
    Tensor found = find_tensor_ ? find_tensor_(digest) : Tensor();
    if (!found.defined()) in.fail_at(at, "there is no tensor of this digest");
    if (found.dtype() != what.dtype || found.shape() != shape) in.fail_at(begin, "the tensor of this digest is of another type");
    return found;
  }
  // Each element takes two characters at least, so the text bounds what its shape can ask for.
  if (static_cast<std::uint64_t>(shape.size()) > in.rest().size()) in.fail_at(begin, "the tensor has fewer elements than its shape");
  in.expect("[");
  Tensor made = Tensor::empty(what.dtype, shape);
  visit_dtype(what.dtype, [&]<class T>(std::type_identity<T>) {
    bool first = true;
    for (T& element : made.mutable_values<T>()) {
      if (!first) in.expect(",");
      first = false;
      element = parse_element<T>(in);
    }
  });
  in.expect("]");
  in.expect(")");
  return made;
}

}  // namespace lazyfx::store

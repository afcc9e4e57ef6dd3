#include <algorithm>
#include <map>

#include "ops/families.hpp"
#include "ops/support.hpp"

namespace lazyfx::ops {
namespace {

constexpr DTypeSet strings{DType::string};

// StringNormalizer: drops stop words, then changes the case of what is left.

enum class Case : std::uint8_t { none, lower, upper };

Case case_of(const Attributes& attributes) {
  const std::string action = attributes.get_string("case_change_action", "NONE");
  if (action == "NONE") return Case::none;
  if (action == "LOWER") return Case::lower;
  if (action == "UPPER") return Case::upper;
  fail("attribute case_change_action is \"" + action + "\", which is none of NONE, LOWER, UPPER");
}

/// Letters of ASCII; others stay, in every locale alike.
std::string in_case(std::string text, Case wanted) {
  for (char& c : text) {
    if (wanted == Case::lower && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (wanted == Case::upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::vector<TensorType> string_normalizer_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, strings, "X");
  case_of(c.attributes);
  if (!x.dims) return {x};
  const Dims& d = *x.dims;
  const bool fits = d.size() == 1 || (d.size() == 2 && (!d[0].known() || d[0].size == 1));
  if (!fits) fail("input 0 (X) has shape " + describe(d) + " where [count] or [1, count] is expected");
  return {TensorType(DType::string, d.size() == 1 ? Dims{Dim()} : Dims{1, Dim()})};
}

std::vector<Tensor> string_normalizer_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Case wanted = case_of(attributes);
  const bool exact = attributes.get_int("is_case_sensitive", 0) != 0;
  const auto key = [&](const std::string& word) { return exact ? word : in_case(word, Case::lower); };
  std::vector<std::string> stopped;
  for (const std::string& word : attributes.get_strings("stopwords")) stopped.push_back(key(word));
  std::vector<std::string> kept;
  const Tensor x = in[0].contiguous();
  for (const std::string& word : x.values<std::string>()) {
    if (std::find(stopped.begin(), stopped.end(), key(word)) == stopped.end()) kept.push_back(in_case(word, wanted));
  }
  if (kept.empty()) kept.emplace_back();  // never nothing: one empty string
  const auto count = static_cast<std::int64_t>(kept.size());
  return {Tensor::from<std::string>(kept, x.rank() == 1 ? Shape{count} : Shape{1, count})};
}

// TfIdfVectorizer counts the n-grams of a pool in each row.

struct Pool {
  std::map<std::vector<std::string>, std::size_t> ngrams;  ///< to its place in the pool; integers by their digits
  std::vector<std::int64_t> columns;
  std::vector<double> weights;
  std::int64_t width = 0;
};

/// The pool's words: for each length n from 1 on, where the n-grams of that length begin is said by ngram_counts.
Pool pool_of(const Attributes& attributes) {
  std::vector<std::string> words = attributes.get_strings("pool_strings");
  for (const std::int64_t v : attributes.get_ints("pool_int64s")) words.push_back(std::to_string(v));
  const auto starts = attributes.get_ints("ngram_counts");
  Pool pool;
  pool.columns = attributes.get_ints("ngram_indexes");
  pool.weights = attributes.get_floats("weights");
  for (std::size_t n = 1; n <= starts.size(); ++n) {
    const std::int64_t first = starts[n - 1];
    const std::int64_t end = n < starts.size() ? starts[n] : static_cast<std::int64_t>(words.size());
    if (first < 0 || end < first || end > static_cast<std::int64_t>(words.size()) || (end - first) % static_cast<std::int64_t>(n) != 0) {
      fail("attribute ngram_counts does not divide the pool of " + std::to_string(words.size()) + " into n-grams");
    }
    for (auto at = words.begin() + first; at != words.begin() + end; at += static_cast<std::ptrdiff_t>(n)) {
      pool.ngrams.emplace(std::vector<std::string>(at, at + static_cast<std::ptrdiff_t>(n)), pool.ngrams.size());
    }
  }
  if (pool.columns.size() < pool.ngrams.size())
    fail("attribute ngram_indexes has " + std::to_string(pool.columns.size()) + " entries for " + std::to_string(pool.ngrams.size()) +
         " n-grams");
  if (!pool.weights.empty() && pool.weights.size() != pool.columns.size())
    fail("attribute weights has " + std::to_string(pool.weights.size()) + " entries for " + std::to_string(pool.columns.size()) +
         " n-grams");
  for (const std::int64_t column : pool.columns) {
    if (column < 0 || column >= (std::int64_t{1} << 31))
      fail("attribute ngram_indexes holds " + std::to_string(column) + ", which is out of range");
    pool.width = std::max(pool.width, column + 1);
  }
  return pool;
}

struct Lengths {
  std::int64_t least, most, skips;
};

Lengths lengths_of(const Attributes& attributes) {
  const Lengths lengths{attributes.get_int("min_gram_length"), attributes.get_int("max_gram_length"), attributes.get_int("max_skip_count")};
  if (lengths.least < 1 || lengths.most < lengths.least || lengths.skips < 0)
    fail("the lengths of n-grams or their skips are out of range");
  return lengths;
}

std::vector<TensorType> tf_idf_type(const TypeContext& c) {
  const TensorType& x = input(c, 0, strings | index_dtypes, "X");
  const std::string mode = c.attributes.get_string("mode", "");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") fail("attribute mode is \"" + mode + "\", which is none of TF, IDF, TFIDF");
  lengths_of(c.attributes);
  const Dim width = pool_of(c.attributes).width;
  if (!x.dims) return {TensorType(DType::f32)};
  if (x.dims->empty() || x.dims->size() > 2)
    fail("input 0 (X) has " + std::to_string(x.dims->size()) + " dimensions where 1 or 2 are expected");
  return {TensorType(DType::f32, x.dims->size() == 1 ? Dims{width} : Dims{x.dims->front(), width})};
}

std::vector<std::string> words_of(const Tensor& x) {
  const Tensor dense = x.contiguous();
  if (x.dtype() == DType::string) {
    const auto values = dense.values<std::string>();
    return {values.begin(), values.end()};
  }
  std::vector<std::string> words;
  for (const std::int64_t v : read<std::int64_t>(dense)) words.push_back(std::to_string(v));
  return words;
}

/// Counts in `counts`, by place in the pool, the n-grams of a row whose words lie 1 to skips + 1 apart, all equally far.
void count_ngrams(std::span<const std::string> row, const Pool& pool, const Lengths& lengths, std::vector<double>& counts) {
  const auto size = static_cast<std::int64_t>(row.size());
  std::size_t longest = 0;
  for (const auto& entry : pool.ngrams) longest = std::max(longest, entry.first.size());
  for (std::int64_t n = lengths.least; n <= std::min(lengths.most, static_cast<std::int64_t>(longest)); ++n) {
    for (std::int64_t step = 1; step <= std::min(lengths.skips, size) + 1; ++step) {
      if (n == 1 && step > 1) break;  // one word has no gaps
      for (std::int64_t first = 0; first + (n - 1) * step < size; ++first) {
        std::vector<std::string> ngram;
        for (std::int64_t k = 0; k < n; ++k) ngram.push_back(row[static_cast<std::size_t>(first + k * step)]);
        if (const auto found = pool.ngrams.find(ngram); found != pool.ngrams.end()) counts[found->second] += 1;
      }
    }
  }
}

std::vector<Tensor> tf_idf_kernel(std::span<const Tensor> in, const Attributes& attributes, std::size_t) {
  const Pool pool = pool_of(attributes);
  const Lengths lengths = lengths_of(attributes);
  const std::string mode = attributes.get_string("mode", "");
  const std::vector<std::string> words = words_of(in[0]);
  const Shape& shape = in[0].shape();
  const std::int64_t rows = shape.rank() == 1 ? 1 : shape[0], length = shape[shape.rank() - 1];
  const Shape result = shape.rank() == 1 ? Shape{pool.width} : Shape{rows, pool.width};
  static_cast<void>(Tensor::empty(DType::f64, result));  // refuses what cannot be held
  std::vector<double> out(static_cast<std::size_t>(result.size()));
  for (std::int64_t r = 0; r < rows && pool.width > 0; ++r) {
    std::vector<double> counts(pool.ngrams.size());
    count_ngrams(std::span(words).subspan(static_cast<std::size_t>(r * length), static_cast<std::size_t>(length)), pool, lengths, counts);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double weight = pool.weights.empty() ? 1 : pool.weights[i];
      const double value = mode == "TF" ? counts[i] : mode == "IDF" ? (counts[i] > 0 ? weight : 0) : counts[i] * weight;
      out[static_cast<std::size_t>(r * pool.width + pool.columns[i])] += value;
    }
  }
  return {write(DType::f32, result, out)};
}

}  // namespace

void add_strings(OperatorRegistry& registry) {
  registry.add(
      onnx("StringNormalizer", {10},
           schema({"X"}, {"Y"}, {text("case_change_action", "NONE"), integer("is_case_sensitive", 0), text("locale"), texts("stopwords")}),
           string_normalizer_type, string_normalizer_kernel));
  registry.add(onnx("TfIdfVectorizer", {9},
                    schema({"X"}, {"Y"},
                           {required(integer("max_gram_length")), required(integer("max_skip_count")), required(integer("min_gram_length")),
                            required(text("mode")), required(integers("ngram_counts")), required(integers("ngram_indexes")),
                            integers("pool_int64s"), texts("pool_strings"), reals("weights")}),
                    tf_idf_type, tf_idf_kernel));
}

}  // namespace lazyfx::ops

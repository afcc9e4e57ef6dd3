#include "graph/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lazyfx::detail {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_word(char c) { return is_digit(c) || is_lower(c) || is_upper(c) || c == '_'; }

constexpr std::string_view keywords[] = {"False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
                                         "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
                                         "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
                                         "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
static_assert(std::is_sorted(std::begin(keywords), std::end(keywords)));

// clang-format off
constexpr std::string_view builtins[] = {
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BlockingIOError", "BrokenPipeError", "BufferError",
    "BytesWarning", "ChildProcessError", "ConnectionAbortedError", "ConnectionError", "ConnectionRefusedError",
    "ConnectionResetError", "DeprecationWarning", "EOFError", "Ellipsis", "EncodingWarning", "EnvironmentError", "Exception",
    "FileExistsError", "FileNotFoundError", "FloatingPointError", "FutureWarning", "GeneratorExit", "IOError", "ImportError",
    "ImportWarning", "IndentationError", "IndexError", "InterruptedError", "IsADirectoryError", "KeyError", "KeyboardInterrupt",
    "LookupError", "MemoryError", "ModuleNotFoundError", "NameError", "NoneType", "NotADirectoryError", "NotImplemented",
    "NotImplementedError", "OSError", "OverflowError", "PendingDeprecationWarning", "PermissionError", "ProcessLookupError",
    "RecursionError", "ReferenceError", "ResourceWarning", "RuntimeError", "RuntimeWarning", "StopAsyncIteration",
    "StopIteration", "SyntaxError", "SyntaxWarning", "SystemError", "SystemExit", "TabError", "TimeoutError", "TypeError",
    "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError", "UnicodeTranslateError", "UnicodeWarning",
    "UserWarning", "ValueError", "Warning", "ZeroDivisionError", "__build_class__", "__debug__", "__doc__", "__import__",
    "__loader__", "__name__", "__package__", "__spec__", "abs", "aiter", "all", "anext", "any", "ascii", "bin", "bool",
    "breakpoint", "bytearray", "bytes", "callable", "chr", "classmethod", "compile", "complex", "copyright", "credits", "delattr",
    "device", "dict", "dir", "divmod", "enumerate", "eval", "exec", "exit", "filter", "float", "format", "frozenset", "fx_pytree",
    "getattr", "globals", "hasattr", "hash", "help", "hex", "id", "inf", "input", "int", "isinstance", "issubclass", "iter", "len",
    "license", "list", "locals", "map", "max", "memoryview", "min", "nan", "next", "object", "oct", "open", "ord", "pow", "print",
    "property", "pytree", "quit", "range", "repr", "reversed", "round", "self", "set", "setattr", "slice", "sorted",
    "staticmethod", "str", "sum", "super", "torch", "tuple", "type", "vars", "zip"};
// clang-format on
static_assert(std::is_sorted(std::begin(builtins), std::end(builtins)));

/// A name made of `text`: runs of other characters become one underscore, and it does not start with a digit.
std::string legal(std::string_view text) {
  std::string out;
  bool gap = false;
  for (const char c : text) {
    if (is_word(c)) {
      if (out.empty() && !gap && is_digit(c)) out += '_';
      out += c;
      gap = false;
    } else if (!gap) {
      out += '_';
      gap = true;
    }
  }
  return out.empty() ? "_unnamed" : out;
}

struct Numbered {
  std::string base;
  std::optional<std::uint64_t> number;
};

/// "conv_12" is "conv" and 12; "conv", "_5" and numbers beyond 18 digits have no number.
Numbered split_number(const std::string& name) {
  constexpr std::size_t most_digits = 18;
  std::size_t digits = name.size();
  while (digits > 0 && is_digit(name[digits - 1])) --digits;
  const std::size_t count = name.size() - digits;
  if (count == 0 || count > most_digits || digits < 2 || name[digits - 1] != '_') return {name, std::nullopt};
  std::uint64_t number = 0;
  std::from_chars(name.data() + digits, name.data() + name.size(), number);
  return {name.substr(0, digits - 1), number};
}

}  // namespace

bool is_identifier(std::string_view text) noexcept {
  return !text.empty() && !is_digit(text.front()) && std::all_of(text.begin(), text.end(), is_word);
}

bool is_keyword(std::string_view word) noexcept { return std::binary_search(std::begin(keywords), std::end(keywords), word); }

bool is_reserved(std::string_view word) noexcept {
  return is_keyword(word) || std::binary_search(std::begin(builtins), std::end(builtins), word);
}

std::string name_hint(Opcode op, std::string_view target) {
  if (op == Opcode::call_function) {
    if (const auto colon = target.rfind("::"); colon != std::string_view::npos) target.remove_prefix(colon + 2);
  }
  if (target.size() > 4 && target.starts_with("__") && target.ends_with("__")) target = target.substr(2, target.size() - 4);
  std::string out;
  char previous = 0;
  for (const char c : target) {
    if (is_upper(c) && is_lower(previous)) out += '_';
    out += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    previous = c;
  }
  return out;
}

std::size_t NameHash::operator()(std::string_view name) const noexcept { return XXH3_64bits(name.data(), name.size()); }

std::string Names::give(std::string_view candidate, NodeId id) {
  std::string name = legal(candidate);
  auto [base, wanted] = split_number(name);
  if (wanted) name = base + "_" + std::to_string(*wanted);  // "x_007" is "x_7"
  const auto count = counts_.find(base);
  const std::uint64_t highest = count == counts_.end() ? 0 : count->second;
  std::uint64_t number = wanted.value_or(0);
  if (is_reserved(name) || find(name) != no_node) {
    number = std::max(number, highest) + 1;
    while (find(name = base + "_" + std::to_string(number)) != no_node) ++number;
  }
  owners_.prepare();
  if (number > highest) counts_[base] = number;
  owners_.insert(hash(name), id);
  return name;
}

bool Names::restore(const std::string& name, NodeId id) {
  if (!is_identifier(name) || is_reserved(name) || find(name) != no_node) return false;
  owners_.prepare();
  owners_.insert(hash(name), id);
  return true;
}

NodeId Names::find(std::string_view name) const {
  return owners_.find(hash(name), [&](NodeId id) {
    if (table_->live(id) && table_->body(id).name == name) return true;
    return std::find(promised_.begin(), promised_.end(), std::pair(name, id)) != promised_.end();
  });
}

}  // namespace lazyfx::detail

#include "lazyfx/store/parse_code.hpp"

#include <algorithm>
#include <map>

#include "lazyfx/module/subgraph.hpp"
#include "store/code_arguments.hpp"

namespace lazyfx {
namespace store {
namespace {

constexpr std::size_t longest_path = 1000;

class Parser {
 public:
  Parser(std::string_view text, const FindTensor& find_tensor) : text_(text), arguments_(names_, find_tensor) {}

  ParsedCode run() {
    for (std::string_view line; next_line(line);) {
      CodeLexer in(line, number_);
      if (in.at_end() || in.next_is("#")) continue;
      try {
        if (!seen_forward_)
          head(in);
        else if (in.take("def"))
          subgraph(in);
        else if (ended_)
          in.fail("there is something after the end of the graph");
        else if (in.take("pass"))
          in.expect_end();
        else
          ended_ = statement(in);
      } catch (const CodeError&) { throw; } catch (const Error& e) {
        in.fail(e.what());
      }
    }
    if (!seen_forward_) throw CodeError(number_ + 1, 1, "'def forward(' is missing");
    // In the order of their paths, what holds another comes before it.
    for (const auto& [path, graph] : subgraphs_) result_.root->add_submodule(path, std::make_shared<Subgraph>(*graph));
    return std::move(result_);
  }

 private:
  bool next_line(std::string_view& line) {
    if (text_.empty()) return false;
    const auto end = text_.find('\n');
    line = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    ++number_;
    return true;
  }

  void head(CodeLexer& in) {
    if (!in.take("class ")) return signature(in);
    if (in.next_is_string()) {
      result_.class_name = in.expect_string();
      in.expect(":");
      in.expect_end();
    } else {
      const auto name = in.rest();
      if (name.size() < 2 || name.back() != ':') in.fail("the name of a class and ':' are missing");
      result_.class_name = name.substr(0, name.size() - 1);
    }
  }

  void signature(CodeLexer& in) {
    in.expect("def");
    in.expect("forward");
    seen_forward_ = true;
    placeholders(in);
  }

  static void check_length(CodeLexer& in, std::size_t position, const std::string& path) {
    if (static_cast<std::size_t>(std::ranges::count(path, '.')) < longest_path) return;
    in.fail_at(position, "this path has more than " + std::to_string(longest_path) + " names");
  }

  void subgraph(CodeLexer& in) {
    const std::size_t begin = in.position();
    if (!in.next_is_string()) in.fail("a graph after forward is headed by its path in quotes");
    std::string path = in.expect_string();
    if (path.empty() || path.front() == '.' || path.back() == '.' || path.find("..") != std::string::npos) {
      in.fail_at(begin, "a path is names joined by dots, none of them empty");
    }
    check_length(in, begin, path);
    graph_ = std::make_shared<Graph>();
    if (!subgraphs_.emplace(std::move(path), graph_).second) in.fail_at(begin, "there is another graph of this path above");
    names_ = {};  // not clear(): that takes as long as the largest graph before was large
    ended_ = false;
    placeholders(in);
  }

  void placeholders(CodeLexer& in) {
    in.expect("(");
    if (!in.take(")")) {
      do placeholder(in);
      while (in.take(","));
      in.expect(")");
    }
    in.expect(":");
    if (in.take("#")) placeholders_metadata(in);
    in.expect_end();
  }

  void placeholders_metadata(CodeLexer& in) {
    in.expect("{");
    do {
      const std::size_t begin = in.position();
      const std::string name = in.expect_string();
      const Node node = graph_->find(name);
      if (!node.defined()) in.fail_at(begin, "there is no input " + name);
      if (!node.meta().empty()) in.fail_at(begin, "there is metadata of input " + name + " already");
      in.expect(":");
      give(node, arguments_.metadata(in));
    } while (in.take(","));
    in.expect("}");
  }

  static void give(Node node, Metadata metadata) {
    for (auto& [key, value] : metadata) node.set_meta(key, std::move(value));
  }

  void placeholder(CodeLexer& in) {
    const std::size_t begin = in.position();
    std::string target;
    if (in.next_is_string()) {
      target = in.expect_string();
    } else {
      target = in.take("**") ? "**" : in.take("*") ? "*" : "";
      target += in.expect_word("the name of an input");
    }
    std::string name = in.take("as") ? std::string(in.expect_word("the name of a node")) : target;
    auto type = type_after_colon(in);
    Arguments args;
    if (in.take("=")) args.push_back(arguments_.argument(in));
    add(in, begin, Opcode::placeholder, std::move(target), {std::move(args), {}}, name, std::move(type), {});
  }

  std::optional<TensorType> type_after_colon(CodeLexer& in) const {
    if (!in.take(":")) return {};
    return arguments_.type(in);
  }

  Metadata metadata_at_end(CodeLexer& in) const {
    Metadata metadata;
    if (in.take("#")) metadata = arguments_.metadata(in);
    in.expect_end();
    return metadata;
  }

  /// True at the end of the graph.
  bool statement(CodeLexer& in) {
    const std::size_t begin = in.position();
    if (in.take("return")) {
      Arguments args;
      args.push_back(arguments_.argument(in));
      add(in, begin, Opcode::output, "output", {std::move(args), {}}, {}, {}, metadata_at_end(in));
      return true;
    }
    const std::string name(in.expect_word("the name of a node"));
    auto type = type_after_colon(in);
    in.expect("=");
    auto [op, target, call] = expression(in);
    add(in, begin, op, std::move(target), std::move(call), name, std::move(type), metadata_at_end(in));
    return op == Opcode::output;
  }

  using Call = std::pair<Arguments, Keywords>;
  struct Expression {
    Opcode op;
    std::string target;
    Call call;
  };

  Expression expression(CodeLexer& in) {
    const std::size_t begin = in.position();
    const std::string word(in.expect_word("an expression"));
    if (word == "self" || (word == "getattr" && in.next_is("("))) {
      in.rewind(begin);
      std::string path = module_path(in, 0).value_or("");
      check_length(in, begin, path);
      if (in.take("(")) return {Opcode::call_module, std::move(path), arguments_.call(in)};
      return {Opcode::get_attr, std::move(path), {}};
    }
    if (const auto op = opcode_from_string(word); op && in.next_is("(\"")) {
      in.expect("(");
      std::string target = in.expect_string();
      if (in.take(")")) return {*op, std::move(target), {}};
      in.expect(",");
      return {*op, std::move(target), arguments_.call(in)};
    }
    std::string target = word;
    std::size_t parts = 1;
    std::string_view last;
    for (; in.take("."); ++parts) target.append(".").append(last = in.expect_word("a name"));
    if (in.take("::")) {
      target.append("::").append(in.expect_word("the name of an operator"));
    } else if (parts == 2) {
      Call call;
      in.expect("(");
      call = arguments_.call(in);
      call.first.insert(call.first.begin(), arguments_.node(in, word, begin));
      return {Opcode::call_method, std::string(last), std::move(call)};
    } else if (parts > 2) {
      in.fail_at(begin, "this is neither an operator nor a method of a node");
    }
    in.expect("(");
    return {Opcode::call_function, std::move(target), arguments_.call(in)};
  }

  // self.layers, getattr(self, "0").conv, getattr(getattr(self, "0"), "1")
  // None for self. The empty path is something else: so is a first step without a name.
  std::optional<std::string> module_path(CodeLexer& in, std::size_t depth) {
    if (depth > longest_path) in.fail("getattr is nested too deeply");
    std::optional<std::string> path;
    const auto go_on = [&path](std::string_view step) { path = path ? (*path + ".").append(step) : std::string(step); };
    if (in.take("getattr")) {
      in.expect("(");
      path = module_path(in, depth + 1);
      in.expect(",");
      go_on(in.expect_string());
      in.expect(")");
    } else {
      in.expect("self");
    }
    while (in.take(".")) go_on(in.expect_word("a member"));
    return path;
  }

  void add(CodeLexer& in, std::size_t position, Opcode op, std::string target, Call call, const std::string& name,
           std::optional<TensorType> type, Metadata metadata) {
    Node node;
    try {
      node = graph_->create_node(op, std::move(target), std::move(call.first), std::move(call.second), name, std::move(type));
    } catch (const Error& e) { in.fail_at(position, e.what()); }
    if (!name.empty() && node.name() != name) in.fail_at(position, "the name " + name + " is taken or not allowed");
    names_.emplace(node.name(), node.id());
    give(node, std::move(metadata));
  }

  std::string_view text_;
  std::size_t number_ = 0;
  bool seen_forward_ = false;
  ParsedCode result_{std::make_shared<Graph>(), {}, std::make_shared<Container>()};
  std::map<std::string, std::shared_ptr<Graph>> subgraphs_;
  // Of the graph at hand.
  std::shared_ptr<Graph> graph_ = result_.graph;
  bool ended_ = false;
  NodeNames names_;
  CodeArguments arguments_;
};

}  // namespace
}  // namespace store

ParsedCode parse_code(std::string_view text, const FindTensor& find_tensor) { return store::Parser(text, find_tensor).run(); }

}  // namespace lazyfx

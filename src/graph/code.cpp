#include "lazyfx/graph/code.hpp"

#include <algorithm>
#include <string_view>

#include "graph/argument_text.hpp"
#include "graph/names.hpp"

namespace lazyfx {
namespace {

using namespace detail;

bool is_word(std::string_view text) { return is_identifier(text) && !is_keyword(text); }

/// Identifiers with dots between them: the domain part of "ai.onnx.ml::Scaler".
bool is_dotted(std::string_view text) {
  for (;;) {
    const auto dot = text.find('.');
    if (!is_identifier(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

/// Functions that can be called by their bare name: those with a domain, and plain words that mean nothing else here.
bool is_plain_function(std::string_view target) {
  if (const auto colon = target.rfind("::"); colon != std::string_view::npos) {
    const std::string_view domain = target.substr(0, colon);
    return is_dotted(domain) && domain.substr(0, domain.find('.')) != "self" && is_identifier(target.substr(colon + 2));
  }
  constexpr std::string_view meant[] = {"getattr",  "slice",         "tensor",      "nan",         "self",  "placeholder",
                                        "get_attr", "call_function", "call_method", "call_module", "output"};
  return is_word(target) && std::find(std::begin(meant), std::end(meant), target) == std::end(meant);
}

/// self.layers.conv, or getattr(self.layers, "0").conv
std::string path_text(std::string_view path) {
  std::string text = "self";
  for (;;) {
    const auto dot = path.find('.');
    const std::string_view atom = path.substr(0, dot);
    if (is_word(atom)) {
      text += '.';
      text += atom;
    } else {
      text.insert(0, "getattr(").append(", ");
      append_string(text, atom);
      text += ')';
    }
    if (dot == std::string_view::npos) return text;
    path.remove_prefix(dot + 1);
  }
}

/// Appends one graph after another.
class Renderer {
 public:
  explicit Renderer(const std::string& class_name) {
    if (class_name.empty()) return;
    std::string head = "class ";
    append_word(head, class_name);
    line(head + ":", no_node);
    indent_ = 4;
  }

  void graph(const std::string& name, const Snapshot& snapshot, bool mapped) {
    snapshot_ = &snapshot;
    line(signature(name), no_node);
    indent_ += 4;
    const std::size_t before = code_.line_to_node.size();
    for (const NodeView node : snapshot) {
      if (in_signature(node)) continue;
      std::string text = statement(node);
      if (!node.meta().empty()) append_metadata(text += metadata_sign, node.meta());
      line(text, mapped ? node.id() : no_node);
    }
    if (code_.line_to_node.size() == before) line("pass", no_node);
    indent_ -= 4;
  }

  void subgraph(const std::string& path, const Snapshot& snapshot) {
    code_.text += '\n';
    code_.line_to_node.push_back(no_node);
    std::string name;
    append_string(name, path);
    graph(name, snapshot, false);
  }

  Code take() { return std::move(code_); }

 private:
  static constexpr std::string_view metadata_sign = "  # ";

  static bool in_signature(const NodeView& node) {
    return node.op() == Opcode::placeholder && node.args().size() <= 1 && node.kwargs().empty();
  }

  void line(const std::string& text, NodeId id) {
    code_.text.append(indent_, ' ').append(text).append(1, '\n');
    code_.line_to_node.push_back(id);
  }

  std::string signature(const std::string& name) const {
    std::string text = "def " + name + "(";
    std::string metadata;  // of all inputs, by their names
    const char* separator = "";
    for (const NodeView node : *snapshot_) {
      if (!in_signature(node)) continue;
      text += separator;
      separator = ", ";
      const std::string_view target = node.target();
      const std::string_view stars = target.starts_with("**") ? "**" : target.starts_with("*") ? "*" : "";
      if (is_word(target.substr(stars.size())))
        text += target;
      else
        append_string(text, target);
      if (target != node.name()) text += " as " + node.name();
      append_type_of(text, node);
      if (!node.args().empty()) {
        text += " = ";
        append_argument(text, node.args()[0], name_);
      }
      if (node.meta().empty()) continue;
      append_string(metadata.append(metadata.empty() ? "{" : ", "), node.name());
      append_metadata(metadata += ": ", node.meta());
    }
    text += "):";
    if (!metadata.empty()) text.append(metadata_sign).append(metadata).append("}");
    return text;
  }

  std::string statement(const NodeView& node) const {
    std::string text;
    if (node.op() == Opcode::output && node.args().size() == 1 && node.kwargs().empty()) {
      text = "return ";
      append_argument(text, node.args()[0], name_);
      return text;
    }
    text = node.name();
    append_type_of(text, node);
    text += " = ";
    const bool bare = node.args().empty() && node.kwargs().empty();
    switch (node.op()) {
      case Opcode::get_attr:
        if (bare) return text + path_text(node.target());
        break;
      case Opcode::call_module: return text + path_text(node.target()) + called_with(node.args(), node.kwargs());
      case Opcode::call_function:
        if (is_plain_function(node.target())) return text + node.target() + called_with(node.args(), node.kwargs());
        break;
      case Opcode::call_method:
        if (is_word(node.target()) && !node.args().empty() && node.args()[0].is_node()) {
          name_(text, node.args()[0].as_node());
          return text + "." + node.target() + called_with(Arguments(node.args().begin() + 1, node.args().end()), node.kwargs());
        }
        break;
      case Opcode::placeholder:
      case Opcode::output: break;
    }
    text += std::string(to_string(node.op())) + "(";
    append_string(text, node.target());
    if (!node.args().empty()) text += ", ";
    append_arguments(text, node.args(), name_);
    append_keywords(text, node.kwargs(), name_, ", ");
    return text + ")";
  }

  std::string called_with(const Arguments& args, const Keywords& kwargs) const {
    std::string text = "(";
    append_arguments(text, args, name_);
    append_keywords(text, kwargs, name_, args.empty() ? "" : ", ");
    return text + ")";
  }

  static void append_type_of(std::string& text, const NodeView& node) {
    if (!node.type()) return;
    text += ": ";
    append_type(text, *node.type());
  }

  const Snapshot* snapshot_ = nullptr;  // the graph at hand
  const AppendName name_ = [this](std::string& text, NodeId id) { text += snapshot_->node(id).name(); };
  std::size_t indent_ = 0;
  Code code_;
};

}  // namespace

Code render_code(const Snapshot& snapshot, const std::string& class_name, const NamedSnapshots& subgraphs) {
  Renderer renderer(class_name);
  renderer.graph("forward", snapshot, true);
  for (const auto& [path, graph] : subgraphs) renderer.subgraph(path, graph);
  return renderer.take();
}

}  // namespace lazyfx

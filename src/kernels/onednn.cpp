#include "kernels/onednn.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/isa.hpp"
#include "kernels/kernel.hpp"
#include "lazyfx/error.hpp"

namespace lazyfx::kernels::onednn {

using Tag = dnnl::memory::format_tag;

const dnnl::engine& engine() {
  // Never destroyed: kernels may outlive every static object.
  static const dnnl::engine& instance = [&]() -> const dnnl::engine& {
    isa();
    return *new dnnl::engine(guarded("oneDNN's engine", [] { return dnnl::engine(dnnl::engine::kind::cpu, 0); }));
  }();
  return instance;
}

dnnl::primitive_attr attributes(const dnnl::post_ops& post_ops) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_post_ops(post_ops);
  return attr;
}

dnnl::memory::desc describe(const dnnl::memory::dims& dims, Tag tag) { return {dims, dnnl::memory::data_type::f32, tag}; }

void rethrow(const char* what, const dnnl::error& error) {
  const std::string message = std::string(what) + ": oneDNN says '" + error.what() + "'";
  if (error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments) throw Error(ErrorKind::unsupported, message);
  throw Error(error.status == dnnl_out_of_memory ? ErrorKind::resource : ErrorKind::backend, message);
}

bool is_reference(const char* implementation) { return std::strstr(implementation, "ref") != nullptr; }

struct Executor::Set {
  dnnl::stream stream;
  std::vector<dnnl::memory> memories;
  std::vector<dnnl_exec_arg_t> arguments;
};

Executor::Executor(dnnl::primitive primitive, std::vector<Argument> arguments)
    : primitive_(std::move(primitive)), arguments_(std::move(arguments)), places_(std::make_unique<std::array<Place, kept>>()) {
  (*places_)[0].set.store(make_set().release(), std::memory_order_relaxed);
}

Executor::~Executor() {
  for (Place& place : *places_) delete place.set.load(std::memory_order_relaxed);
}

std::unique_ptr<Executor::Set> Executor::make_set() const {
  return guarded("oneDNN's arguments", [&] {
    auto set = std::make_unique<Set>();
    set->stream = dnnl::stream(engine());
    for (const Argument& argument : arguments_) {
      set->memories.emplace_back(argument.desc, engine(), nullptr);
      set->arguments.push_back({argument.name, set->memories.back().get()});
    }
    return set;
  });
}

void Executor::run(std::span<void* const> addresses) const {
  // Threads begin at different places, so that two callers rarely meet on one cache line.
  static thread_local const char own_address = 0;
  const std::size_t start = (reinterpret_cast<std::uintptr_t>(&own_address) * std::uint64_t{0x9e3779b97f4a7c15}) >> 61;
  std::unique_ptr<Set> set;
  std::size_t from = 0;
  for (std::size_t i = 0; i < kept && !set; ++i) {
    from = (start + i) % kept;
    // Acquire: what the previous user of the set did to it happens before what is done now.
    if ((*places_)[from].set.load(std::memory_order_relaxed) != nullptr) {
      set.reset((*places_)[from].set.exchange(nullptr, std::memory_order_acquire));
    }
  }
  if (!set) {
    from = start;
    set = make_set();
  }
  for (std::size_t i = 0; i < addresses.size(); ++i) dnnl_memory_set_data_handle(set->memories[i].get(), addresses[i]);
  dnnl_status_t status;
  {
    const SingleThreadScope one_thread;
    status = dnnl_primitive_execute(primitive_.get(), set->stream.get(), static_cast<int>(set->arguments.size()), set->arguments.data());
  }
  Set* expected = nullptr;
  for (std::size_t i = 0; i < kept && set; ++i) {
    expected = nullptr;
    if ((*places_)[(from + i) % kept].set.compare_exchange_strong(expected, set.get(), std::memory_order_release,
                                                                  std::memory_order_relaxed)) {
      static_cast<void>(set.release());
    }
  }
  if (status != dnnl_success) throw Error(ErrorKind::backend, "oneDNN failed to execute a primitive");
}

void reorder(const dnnl::memory::desc& from, const void* source, const dnnl::memory::desc& to, void* target) {
  guarded("packing a constant", [&] {
    const SingleThreadScope one_thread;
    const dnnl::reorder::primitive_desc desc(engine(), from, engine(), to, attributes());
    const auto scratch = allocate_aligned(desc.scratchpad_desc().get_size());
    dnnl::stream stream(engine());
    dnnl::memory in(from, engine(), const_cast<void*>(source)), out(to, engine(), target);
    dnnl::memory pad(desc.scratchpad_desc(), engine(), scratch.get());
    dnnl::reorder(desc).execute(stream, {{DNNL_ARG_FROM, in}, {DNNL_ARG_TO, out}, {DNNL_ARG_SCRATCHPAD, pad}});
    stream.wait();
    return 0;
  });
}

}  // namespace lazyfx::kernels::onednn

#define BOOST_TEST_MODULE store_concurrent
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <thread>

#include "cli/command.hpp"
#include "lazyfx/store/package_exporter.hpp"
#include "lazyfx/store/package_importer.hpp"
#include "modules.hpp"

using namespace lazyfx;

namespace {

void save(const std::string& file, const Module& module) {
  PackageExporter out(file);
  out.save_module("model", module);
  out.close();
}

}  // namespace

BOOST_AUTO_TEST_CASE(eight_threads_load_call_edit_and_save_at_once) {
  const command::Folder folder;
  Runtime runtime;
  const std::string file = (folder / "model.lfx").string();
  save(file, *stored::nested(runtime, Schedule::on_mark));
  const PackageImporter shared(file);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      try {
        const std::string own = (folder / ("own" + std::to_string(t) + ".lfx")).string();
        for (int i = 0; i < 6; ++i) {
          const auto module = shared.load_graph_module("model", runtime);
          const Value x = Tensor::from<float>({1, 1, 1, 1}, Shape{4});
          const Value before = module->call(std::span(&x, 1));
          module->graph().find("x").set_meta("thread", t);
          module->set_attr("layers.0.weight", Tensor::from<float>({0, 0, 0, static_cast<float>(t)}, Shape{4}));
          module->recompile();
          save(own, *module);
          const PackageImporter again(own, PackageOptions().load(LoadOptions().schedule_on_load(true)));
          const auto loaded = again.load_graph_module("model", runtime);
          if (!(reduce(*loaded).state == reduce(*module).state)) ++wrong;
          const Value after = loaded->call(std::span(&x, 1));
          if (!(after == module->call(std::span(&x, 1))) || after == before) ++wrong;
        }
      } catch (const std::exception&) { ++wrong; }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(wrong == 0);
}

#include <boost/archive/text_oarchive.hpp>
#include <boost/archive/xml_oarchive.hpp>
#include <ostream>

#include "lazyfx/store/archive.hpp"
#include "store/state.hpp"

namespace lazyfx {

void write_text(std::ostream& out, const Module& module, const Reconstructors& reconstructors) {
  const auto state = store::describe(module, reconstructors);
  boost::archive::text_oarchive archive(out);
  archive << state->description;
}

void write_xml(std::ostream& out, const Module& module, const Reconstructors& reconstructors) {
  const auto state = store::describe(module, reconstructors);
  boost::archive::xml_oarchive archive(out);
  archive << boost::serialization::make_nvp("module", state->description);
}

}  // namespace lazyfx

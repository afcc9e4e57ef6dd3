#include <boost/archive/archive_exception.hpp>
#include <boost/archive/text_oarchive.hpp>
#include <boost/archive/xml_oarchive.hpp>
#include <exception>
#include <new>
#include <ostream>
#include <streambuf>

#include "lazyfx/store/archive.hpp"
#include "lazyfx/store/store_error.hpp"
#include "store/state.hpp"

namespace lazyfx {
namespace {

/// Hands everything on to another stream's buffer, and tells at the end what went wrong: an archive writes in its destructor too, where nothing
/// can be thrown.
class Relay final : public std::streambuf {
 public:
  explicit Relay(std::ostream& to) : to_(to), failed_(!to) {}
  void check() {
    if (error_) std::rethrow_exception(error_);
    if (failed_) throw StoreError(StoreFault::unwritable, "the stream does not take what is written to it");
  }

 private:
  int_type overflow(int_type c) override {
    const char byte = traits_type::to_char_type(c);
    if (!traits_type::eq_int_type(c, traits_type::eof())) xsputn(&byte, 1);
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    try {
      failed_ = failed_ || to_.rdbuf()->sputn(bytes, count) != count;
    } catch (...) {
      failed_ = true;
      error_ = std::current_exception();
    }
    return count;
  }

  std::ostream& to_;
  bool failed_;
  std::exception_ptr error_;
};

template <class Archive>
void write(std::ostream& out, const Module& module, const Reconstructors& reconstructors) {
  const auto state = store::describe(module, reconstructors);
  Relay relay(out);
  try {
    std::ostream through(&relay);
    Archive archive(through);
    archive << boost::serialization::make_nvp("module", state->description);
  } catch (const boost::archive::archive_exception& e) {
    if (e.code != boost::archive::archive_exception::output_stream_error) throw;
    throw std::bad_alloc();  // a stream whose buffer takes everything fails for want of memory of its own only
  }
  relay.check();
}

}  // namespace

void write_text(std::ostream& out, const Module& module, const Reconstructors& reconstructors) {
  write<boost::archive::text_oarchive>(out, module, reconstructors);
}

void write_xml(std::ostream& out, const Module& module, const Reconstructors& reconstructors) {
  write<boost::archive::xml_oarchive>(out, module, reconstructors);
}

}  // namespace lazyfx

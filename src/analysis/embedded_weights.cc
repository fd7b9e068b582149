// The weights file as bytes of the binary. The build names the file and makes this object depend on it.
#include "analysis/heads.h"
#include "base/check.h"

#ifndef SENTINEL_WEIGHTS_FILE
#error "the build must name the weights file"
#endif

__asm__(
    ".pushsection .rodata,\"a\",@progbits\n"
    ".balign 64\n"
    ".globl sentinel_analysis_weights_begin\n"
    "sentinel_analysis_weights_begin:\n"
    ".incbin \"" SENTINEL_WEIGHTS_FILE
    "\"\n"
    ".globl sentinel_analysis_weights_end\n"
    "sentinel_analysis_weights_end:\n"
    ".byte 0\n"
    ".popsection\n");

extern "C" {
extern const char sentinel_analysis_weights_begin[];
extern const char sentinel_analysis_weights_end[];
}

namespace sentinel::analysis {

const HeadModel& HeadModel::embedded() {
  static const HeadModel kModel = [] {
    const auto size = static_cast<size_t>(sentinel_analysis_weights_end - sentinel_analysis_weights_begin);
    Result<HeadModel> model = parse(std::string_view(sentinel_analysis_weights_begin, size));
    SENTINEL_CHECK(model.has_value());
    return std::move(model).value();
  }();
  return kModel;
}

}  // namespace sentinel::analysis

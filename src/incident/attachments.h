#pragma once
// The contents of attachments: a folder beside the state, a file each, named by its hash. The rows are Casework's; a
// content without one is rubbish, which sweep() takes away.

#include <functional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "incident/options.h"

namespace sentinel::incident {

// What is wrong with a file before it is taken: too large, a type that is not allowed, a content that is not of its
// type. Gives the type without its parameters.
Result<std::string> check_attachment(const AttachmentLimits& limits, std::string_view type, std::string_view content);
// A name that is no path and that a header can carry: controls, slashes and quotes become "_". "file" when nothing
// stays.
std::string safe_file_name(std::string_view name);
// The value of Content-Disposition, RFC 6266: as a download, never shown in the page.
std::string disposition_of(std::string_view name);

// Thread-safe; all calls block.
class AttachmentFolder {
 public:
  AttachmentFolder(Env& env, std::string dir) : env_(env), dir_(std::move(dir)) {}
  // On disk on return; gives its hash in hex. The same content is kept once.
  Result<std::string> put(std::string_view content);
  // kInternal: it is there and is not what was put.
  Result<std::string> get(std::string_view sha256);
  // Removes what nobody wants; called while nothing is put.
  Status sweep(const std::function<Result<bool>(const std::string& sha256)>& wanted);

 private:
  std::string path_of(std::string_view sha256) const { return dir_ + "/" + std::string(sha256); }
  Env& env_;
  const std::string dir_;
};

}  // namespace sentinel::incident

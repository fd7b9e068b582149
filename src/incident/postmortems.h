#pragma once
// Postmortems as people have them: the text somebody wrote over the generated one, and how far its review is. Without a
// row here the postmortem is the generated text (postmortem.h), always of the present record.
//
// Lives on the control scheduler with the desk: every call is made on its thread, what it returned ok for is on disk,
// and each change is one transaction with its entry of the incident's timeline.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "incident/casework.h"
#include "incident/service.h"

namespace sentinel::incident {

enum class PostmortemState { kDraft, kInReview, kReviewed, kClosed };
std::string_view postmortem_state_name(PostmortemState state);  // draft, in_review, reviewed, closed
Result<PostmortemState> parse_postmortem_state(std::string_view text);

struct PostmortemDocument {
  std::string text;  // Markdown; "": the generated one
  PostmortemState state = PostmortemState::kDraft;
  std::vector<std::string> authors;  // in order of their first change
  int64_t version = 0;               // 0: nobody has changed anything
  TimePoint saved_at;
  std::string saved_by;
};

struct PostmortemChange {
  std::optional<std::string> text;  // "": back to the generated one
  std::optional<PostmortemState> state;
};

class Postmortems {
 public:
  Postmortems(Service& desk, Casework& casework, Scheduler& scheduler, state::Database& database)
      : desk_(desk), casework_(casework), scheduler_(scheduler), database_(database) {}

  Result<PostmortemDocument> get(std::string_view id);
  // `version`: of the document the caller saw, 0 for whatever it is; kConflict when it has changed since, or when it is
  // to be reviewed before the incident is resolved. Reviewed also ends the incident's deadline for its review, in a
  // transaction that follows.
  Result<PostmortemDocument> change(std::string_view id, const PostmortemChange& change, const Actor& actor,
                                    int64_t version = 0);

 private:
  Service& desk_;
  Casework& casework_;
  Scheduler& scheduler_;
  state::Database& database_;
};

}  // namespace sentinel::incident

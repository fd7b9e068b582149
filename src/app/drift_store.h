#pragma once
// Keeps the drift references in the state store, a document for each. Of the thread that owns the analyzer.

#include "analysis/analyzer.h"
#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::app {

class DriftStore {
 public:
  // Gives the analyzer what is kept. References it cannot read (of another version, damaged) are worth a warning, no
  // error: they are learnt anew, and the next save removes them.
  Status load(state::Tx& tx, analysis::Analyzer& analyzer);
  // Writes what has changed since drift_saved(), which is for the caller to call once the transaction is done.
  Status save(state::Tx& tx, const analysis::Analyzer& analyzer, TimePoint now);

 private:
  bool unreadable_ = false;
};

}  // namespace sentinel::app

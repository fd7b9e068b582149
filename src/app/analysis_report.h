#pragma once
// What `sentinel analyze` tells of a file of texts when all rows are scored. One thread.

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <vector>

#include "analysis/batch.h"

namespace sentinel::app {

class AnalysisReport {
 public:
  AnalysisReport(analysis::BatchTask task, double threshold) : task_(task), threshold_(threshold) {}

  void add(const analysis::Row& row, const analysis::BatchResult& result, double scoring_us);
  void finish(double seconds) { seconds_ = seconds; }  // of all, reading and writing included
  size_t rows() const { return rows_; }

  std::string to_text();
  boost::json::object to_json();

  // What a row without a score counts and is written as.
  static constexpr double kUndecided = 0.5;

 private:
  struct Share {
    size_t rows = 0;
    size_t flagged = 0;
  };

  const analysis::BatchTask task_;
  const double threshold_;
  size_t rows_ = 0;
  size_t undecided_ = 0;
  size_t flagged_ = 0;  // above the threshold; personal data: rows in which something was found
  size_t bytes_ = 0;
  double seconds_ = 0;
  std::vector<double> scores_;
  std::vector<double> row_us_;
  std::map<std::string, Share> slices_;
  std::map<std::string, size_t> types_;  // personal data: findings by type
  std::vector<analysis::Scored> labelled_;
  analysis::SpanReport spans_;
  size_t labelled_rows_ = 0;
};

}  // namespace sentinel::app

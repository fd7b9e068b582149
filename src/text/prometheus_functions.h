#pragma once
// The functions that templates of Prometheus rules and of Alertmanager may call, with exactly their results.

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/labels.h"
#include "text/value.h"

namespace sentinel::text {

struct QuerySample {
  model::Labels labels;
  double value = 0;
};

struct PrometheusContext {
  std::function<TimePoint()> now;  // evaluation time
  std::string external_url;        // without a trailing slash
  // Runs an instant query for {{ query "…" }}; an empty function makes every query an error.
  std::function<Result<std::vector<QuerySample>>(const std::string& expression)> query;
};

// query first label value strvalue args sortByLabel reReplaceAll match safeHtml title toUpper toLower stripPort
// stripDomain humanize humanize1024 humanizeDuration humanizePercentage humanizeTimestamp toTime toDuration now
// pathPrefix externalURL graphLink tableLink parseDuration urlQueryEscape. `context` is copied.
FuncMap prometheus_functions(const PrometheusContext& context);

// "/graph?g0.expr=…&g0.tab=…" as Prometheus links an alert to its expression (tab 0 graph, 1 table).
std::string graph_link(std::string_view expression);
std::string table_link(std::string_view expression);

// toUpper toLower title trimSpace join match safeHtml safeUrl urlUnescape reReplaceAll stringSlice routeLabels date tz
// since now humanizeDuration toDate mustToDate toJson base64encode base64decode list append dict. routeLabels gives ""
// until the caller binds it with Template::set_function.
FuncMap alertmanager_functions(std::function<TimePoint()> now);

}  // namespace sentinel::text

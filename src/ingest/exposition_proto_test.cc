#include "ingest/exposition_proto.h"

#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "ingest/proto_writer.h"
#include "ingest/scrape_config.h"

namespace sentinel::ingest {
namespace {

constexpr int kCounter = 0, kGauge = 1, kSummary = 2, kUntyped = 3, kHistogram = 4, kGaugeHistogram = 5;

template <class F>
std::string message(F fill) {
  std::string out;
  ProtoWriter writer(out);
  fill(writer);
  return out;
}
std::string label(std::string_view name, std::string_view value) {
  return message([&](ProtoWriter& w) {
    w.bytes(1, name);
    w.bytes(2, value);
  });
}
std::string exemplar(std::string_view trace, double v, int64_t seconds) {
  return message([&](ProtoWriter& w) {
    w.bytes(1, label("trace_id", trace));
    w.float64(2, v);
    if (seconds != 0) {
      w.bytes(3, message([&](ProtoWriter& t) {
                t.int64(1, seconds);
                t.int64(2, 5'000'000);
              }));
    }
  });
}
// A family of one metric; `metric` writes the rest of it.
template <class F>
std::string family(std::string_view name, int type, F metric) {
  const std::string one = message([&](ProtoWriter& w) {
    w.bytes(1, name);
    w.bytes(2, "Some help.");
    if (type != kCounter) w.varint(3, static_cast<uint64_t>(type));
    w.bytes(4, message([&](ProtoWriter& m) {
              m.bytes(1, label("job", "j"));
              metric(m);
            }));
  });
  std::string out;
  put_text(out, one);
  return out;
}

std::string dump(std::string_view body, const ProtoExpositionOptions& options = {}) {
  std::string out;
  const Status status = read_proto_exposition(
      body, options,
      [&](const ExposedFamily& f) { out += fmt::format("# {} {} {}\n", f.name, metric_kind_name(f.kind), f.help); },
      [&](const ExposedSample& s) -> Status {
        out += s.labels.to_string();
        if (s.h) {
          out += fmt::format(" schema={} sum={} count={} zero={}/{} hint={}", s.h->schema, s.h->sum, s.h->count,
                             s.h->zero_count, s.h->zero_threshold, static_cast<int>(s.h->hint));
          for (size_t i = 0; i < s.h->positive.size(); ++i) {
            out += fmt::format(" {}:{}", s.h->positive.index[i], s.h->positive.count[i]);
          }
          for (size_t i = 0; i < s.h->negative.size(); ++i) {
            out += fmt::format(" -{}:{}", s.h->negative.index[i], s.h->negative.count[i]);
          }
        } else {
          out += " " + format_double(s.v);
        }
        if (s.t_ms) out += fmt::format(" @{}", *s.t_ms);
        for (const Exemplar& e : s.exemplars) {
          out += fmt::format(" # {} {} {}", e.labels.to_string(), e.value, e.t_ms ? std::to_string(*e.t_ms) : "-");
        }
        out += "\n";
        return {};
      });
  return status ? out : out + "error: " + status.error().message();
}

TEST(ProtoExposition, ReadsNumbersWithTimesAndExemplars) {
  const auto number = [](uint32_t field, double v) {
    return [=](ProtoWriter& m) { m.bytes(field, message([&](ProtoWriter& w) { w.float64(1, v); })); };
  };
  EXPECT_EQ(dump(family("c_total", kCounter,
                        [](ProtoWriter& m) {
                          m.bytes(3, message([](ProtoWriter& w) {
                                    w.float64(1, 5);
                                    w.bytes(2, exemplar("t", 1, 12));
                                  }));
                          m.int64(6, 1234);
                        })),
            "# c_total counter Some help.\nc_total{job=\"j\"} 5 @1234 # {trace_id=\"t\"} 1 12005\n");
  EXPECT_EQ(dump(family("g", kGauge, number(2, -2.5)) + family("u", kUntyped, number(5, 3))),
            "# g gauge Some help.\ng{job=\"j\"} -2.5\n# u unknown Some help.\nu{job=\"j\"} 3\n");
}

TEST(ProtoExposition, ASummaryIsItsSeries) {
  EXPECT_EQ(dump(family("s", kSummary,
                        [](ProtoWriter& m) {
                          m.bytes(4, message([](ProtoWriter& w) {
                                    w.varint(1, 7);
                                    w.float64(2, 0.5);
                                    w.bytes(3, message([](ProtoWriter& q) {
                                              q.float64(1, 0.9);
                                              q.float64(2, 11);
                                            }));
                                  }));
                        })),
            "# s summary Some help.\ns_count{job=\"j\"} 7\ns_sum{job=\"j\"} 0.5\ns{job=\"j\", quantile=\"0.9\"} 11\n");
}

// Buckets at 1 and 2.5, and native ones: 3 and 1 next to each other, 2 further on, 5 around zero.
std::string both_kinds(int type = kHistogram) {
  return family("h", type, [](ProtoWriter& m) {
    m.bytes(7, message([](ProtoWriter& w) {
              w.varint(1, 11);
              w.float64(2, 42);
              for (const double bound : {1.0, 2.5}) {
                w.bytes(3, message([&](ProtoWriter& b) {
                          b.varint(1, bound == 1 ? 4 : 9);
                          b.float64(2, bound);
                          if (bound == 1) b.bytes(3, exemplar("b", 0.5, 30));
                        }));
              }
              w.sint64(5, 1);
              w.float64(6, 0.001);
              w.varint(7, 5);
              for (const auto& [offset, length] : {std::pair(-1, 2), std::pair(3, 1)}) {
                w.bytes(12, message([&, o = offset, l = length](ProtoWriter& s) {
                          s.sint64(1, o);
                          s.varint(2, static_cast<uint64_t>(l));
                        }));
              }
              for (const int delta : {3, -2, 1}) w.sint64(13, delta);
              w.bytes(16, exemplar("late", 3, 20));
              w.bytes(16, exemplar("early", 3, 10));
              w.bytes(16, exemplar("timeless", 3, 0));
            }));
  });
}
constexpr std::string_view kClassic =
    "h_count{job=\"j\"} 11\nh_sum{job=\"j\"} 42\n"
    "h_bucket{job=\"j\", le=\"1.0\"} 4 # {trace_id=\"b\"} 0.5 30005\n"
    "h_bucket{job=\"j\", le=\"2.5\"} 9\nh_bucket{job=\"j\", le=\"+Inf\"} 11\n";
constexpr std::string_view kNative =
    "h{job=\"j\"} schema=1 sum=42 count=11 zero=5/0.001 hint=0 -1:3 0:1 4:2"
    " # {trace_id=\"early\"} 3 10005 # {trace_id=\"late\"} 3 20005\n";

TEST(ProtoExposition, AHistogramIsNativeOrClassicOrBothAsAsked) {
  const std::string head = "# h histogram Some help.\n";
  EXPECT_EQ(dump(both_kinds()), head + std::string(kClassic));
  EXPECT_EQ(dump(both_kinds(), {.native = true}), head + std::string(kNative));
  EXPECT_EQ(dump(both_kinds(), {.native = true, .classic_too = true}),
            head + std::string(kNative) + std::string(kClassic));
  EXPECT_NE(dump(both_kinds(kGaugeHistogram), {.native = true}).find("hint=3"), std::string::npos);
}

TEST(ProtoExposition, TooManyBucketsAreMerged) {
  EXPECT_NE(dump(both_kinds(), {.native = true, .buckets_max = 2})
                .find("schema=0 sum=42 count=11 zero=5/0.001 hint=0 0:4 2:2"),
            std::string::npos)
      << dump(both_kinds(), {.native = true, .buckets_max = 2});
  EXPECT_NE(dump(both_kinds(), {.native = true, .bucket_factor = 3}).find("schema=-1"), std::string::npos);
  const std::string far = family("h", kHistogram, [](ProtoWriter& m) {
    m.bytes(7, message([](ProtoWriter& w) {
              for (const int64_t offset : {-1000, 5000}) {
                w.bytes(12, message([&](ProtoWriter& s) {
                          s.sint64(1, offset);
                          s.varint(2, 1);
                        }));
              }
              for (const int delta : {1, 0}) w.sint64(13, delta);
            }));
  });
  EXPECT_NE(dump(far, {.native = true, .buckets_max = 1}).find("error: histogram bucket limit exceeded"),
            std::string::npos);
}

TEST(ProtoExposition, AnEmptySpanSaysNative) {
  const std::string text = dump(
      family("h", kHistogram, [](ProtoWriter& m) { m.bytes(7, message([](ProtoWriter& w) { w.bytes(12, ""); })); }),
      {.native = true});
  EXPECT_EQ(text, "# h histogram Some help.\nh{job=\"j\"} schema=0 sum=0 count=0 zero=0/0 hint=0\n");
}

TEST(ProtoExposition, RefusesWhatIsDamaged) {
  const std::string good = both_kinds() + both_kinds();
  size_t refused = 0;
  for (size_t n = 1; n < good.size(); ++n) {
    refused += dump(std::string_view(good).substr(0, n), {.native = true}).find("error: ") != std::string::npos;
  }
  EXPECT_EQ(refused, good.size() - 2) << "all but the end of the first family";
  EXPECT_EQ(dump(family("", kGauge, [](ProtoWriter&) {})), "error: invalid metric name: \"\"");
  EXPECT_EQ(dump(family("g", kGauge, [](ProtoWriter& m) { m.bytes(1, label("", "x")); })),
            "# g gauge Some help.\nerror: invalid label name: \"\"");
  const std::string schema = family("h", kHistogram, [](ProtoWriter& m) {
    m.bytes(7, message([](ProtoWriter& w) {
              w.sint64(5, 1 << 30);
              w.varint(7, 1);
            }));
  });
  EXPECT_NE(dump(schema, {.native = true, .bucket_factor = 2}).find("error: invalid schema"), std::string::npos);
}

TEST(ScrapeProtocols, AreAskedForInTheirOrder) {
  const auto accept = [](const std::string& fields) {
    const auto root = text::parse_yaml("scrape_configs: [{job_name: j" + fields + "}]", "p.yml");
    const auto config = parse_scrape_config(*root, "/");
    return config ? config->jobs.at(0).accept() : config.error().message();
  };
  EXPECT_EQ(accept(""),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
  EXPECT_EQ(accept(", scrape_protocols: [PrometheusProto, PrometheusText0.0.4]"),
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.4");
  EXPECT_TRUE(accept(", scrape_native_histograms: true").starts_with("application/vnd.google.protobuf;"));
  EXPECT_NE(accept(", scrape_protocols: [PrometheusProto, PrometheusProto]").find("duplicated protocol"),
            std::string::npos);
  EXPECT_NE(accept(", scrape_protocols: [Proto]").find("unknown scrape protocol Proto, supported"), std::string::npos);
  EXPECT_NE(accept(", fallback_scrape_protocol: PrometheusText9").find("unknown scrape protocol"), std::string::npos);
}

}  // namespace
}  // namespace sentinel::ingest

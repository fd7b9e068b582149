#include "ingest/remote_write.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>
#include <snappy-c.h>

#include "base/file.h"
#include "ingest/proto_writer.h"
#include "model/sample.h"

namespace sentinel::ingest {
namespace {

using LabelPairs = std::vector<std::pair<std::string, std::string>>;
struct Point {
  int64_t t_ms;
  double v;
};

std::string compress(std::string_view bytes) {
  size_t size = snappy_max_compressed_length(bytes.size());
  std::string out(size, '\0');
  EXPECT_EQ(snappy_compress(bytes.data(), bytes.size(), out.data(), &size), SNAPPY_OK);
  out.resize(size);
  return out;
}

template <class Fill>
std::string message(Fill fill) {
  std::string out;
  ProtoWriter writer(out);
  fill(writer);
  return out;
}

std::string sample_message(Point point) {
  return message([&](ProtoWriter& w) {
    w.float64(1, point.v);
    w.int64(2, point.t_ms);
  });
}

std::string v1_series(const LabelPairs& labels, const std::vector<Point>& points) {
  return message([&](ProtoWriter& w) {
    for (const auto& [name, value] : labels) {
      w.bytes(1, message([&, n = name, v = value](ProtoWriter& label) {
                label.bytes(1, n);
                label.bytes(2, v);
              }));
    }
    for (const Point& point : points) w.bytes(2, sample_message(point));
  });
}

std::string v1_request(const std::vector<std::string>& series) {
  return message([&](ProtoWriter& w) {
    for (const std::string& one : series) w.bytes(1, one);
  });
}

// A 2.0 request under construction: interns its symbols.
struct V2 {
  std::vector<std::string> symbols{""};
  std::vector<std::string> series;

  uint64_t symbol(const std::string& text) {
    const auto it = std::find(symbols.begin(), symbols.end(), text);
    if (it != symbols.end()) return static_cast<uint64_t>(it - symbols.begin());
    symbols.push_back(text);
    return symbols.size() - 1;
  }
  std::string refs(const LabelPairs& labels) {
    std::string packed;
    for (const auto& [name, value] : labels) {
      put_varint(packed, symbol(name));
      put_varint(packed, symbol(value));
    }
    return packed;
  }
  void add(const LabelPairs& labels, const std::vector<Point>& points, int64_t created_ms = 0) {
    series.push_back(message([&](ProtoWriter& w) {
      w.bytes(1, refs(labels));
      for (const Point& point : points) w.bytes(2, sample_message(point));
      if (created_ms > 0) w.int64(6, created_ms);
    }));
  }
  // Symbols behind the series that use them, as senders may.
  std::string encode() const {
    return message([&](ProtoWriter& w) {
      for (const std::string& one : series) w.bytes(5, one);
      for (const std::string& text : symbols) w.bytes(4, text);
    });
  }
};

constexpr std::string_view kV1 = "application/x-protobuf";
constexpr std::string_view kV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

class RemoteWrite : public testing::Test {
 protected:
  RemoteWrite() { reopen({}); }
  void reopen(RemoteWriteOptions options, uint64_t series_max = 1000) {
    writer.reset();
    store.reset();
    tsdb::StoreOptions store_options;
    store_options.dir = "metrics" + std::to_string(++opened);
    store_options.sync_interval = Micros(0);
    store_options.series_max = series_max;
    store = std::move(tsdb::Store::open(env, clock, metrics, store_options).value());
    writer = std::make_unique<RemoteWriter>(*store, metadata, clock, metrics, options);
  }
  WriteAnswer write(std::string_view type, std::string_view request) {
    return writer->write(type, "snappy", compress(request));
  }
  // "a{b="c"} 1@1000 2@2000" of every stored series, one a line.
  std::string stored() const {
    const auto found =
        store->select({*model::Matcher::make(model::MatchType::kRegexp, "__name__", ".+")}, INT64_MIN, INT64_MAX, {});
    std::string out;
    for (const tsdb::SeriesData& series : found.value()) {
      out += series.labels.to_string();
      for (const model::Sample& s : series.samples) {
        out += " " + (model::is_stale_nan(s.v) ? "stale" : std::to_string(static_cast<int64_t>(s.v)));
        out += "@" + std::to_string(s.t_ms - now);
      }
      out += '\n';
    }
    return out;
  }

  FaultEnv env;
  FakeClock clock;
  int64_t now = to_ms(clock.now());
  MetricRegistry metrics;
  MetadataStore metadata;
  std::unique_ptr<tsdb::Store> store;
  std::unique_ptr<RemoteWriter> writer;
  int opened = 0;
};

TEST_F(RemoteWrite, TakesVersionOne) {
  const std::string request =
      v1_request({v1_series({{"__name__", "a"}, {"b", "c"}}, {{now, 1}, {now + 1000, 2}}),
                  v1_series({{"__name__", "z"}}, {{now, std::bit_cast<double>(model::kStaleNaNBits)}})});
  const WriteAnswer answer = write(kV1, request);
  EXPECT_EQ(answer.status, 204) << answer.message;
  EXPECT_EQ(answer.protocol, WriteProtocol::kV1);
  EXPECT_EQ(stored(), "a{b=\"c\"} 1@0 2@1000\nz stale@0\n");
  EXPECT_EQ(write(kV1, request).status, 400) << "older than the newest sample is out of order, as in Prometheus";
  const std::string newest = v1_request({v1_series({{"__name__", "a"}, {"b", "c"}}, {{now + 1000, 2}})});
  EXPECT_EQ(write(kV1, newest).status, 204) << "the newest again is no error";
}

TEST_F(RemoteWrite, TakesVersionTwoAndSaysHowMuch) {
  V2 request;
  request.add({{"__name__", "a"}, {"b", "c"}}, {{now, 1}, {now + 1000, 2}});
  request.add({{"__name__", "a"}, {"b", "d"}}, {{now, 3}});
  const WriteAnswer answer = write(kV2, request.encode());
  EXPECT_EQ(answer.status, 204) << answer.message;
  EXPECT_EQ(answer.protocol, WriteProtocol::kV2);
  EXPECT_EQ(answer.samples, 3u);
  EXPECT_EQ(stored(), "a{b=\"c\"} 1@0 2@1000\na{b=\"d\"} 3@0\n");
}

TEST_F(RemoteWrite, EveryOrderOfSymbolsIsTheSameSeries) {
  V2 first;
  first.add({{"__name__", "a"}, {"b", "c"}}, {{now, 1}});
  V2 second;
  (void)second.symbol("something else");
  second.add({{"b", "c"}, {"__name__", "a"}}, {{now + 1, 2}});
  EXPECT_EQ(write(kV2, first.encode()).status, 204);
  EXPECT_EQ(write(kV2, second.encode()).status, 204);
  EXPECT_EQ(stored(), "a{b=\"c\"} 1@0 2@1\n");
}

TEST_F(RemoteWrite, WhatCannotBeTakenIsNamedAndTheRestStored) {
  V2 request;
  request.add({{"__name__", "a"}}, {{now, 1}, {now - 5000, 2}, {now + 1, 3}});
  request.add({{"b", "no name"}}, {{now, 1}});
  request.add({{"__name__", "dup"}, {"b", "1"}, {"b", "2"}}, {{now, 1}});
  request.add({{"__name__", "late"}}, {{now + 3'600'000, 1}, {now, 4}});
  request.add({{"__name__", "bad\xff"}}, {{now, 1}});
  request.add({{"__name__", "with space"}, {"utf-8 name", "ok"}}, {{now, 5}});
  const WriteAnswer answer = write(kV2, request.encode());
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.samples, 4u);
  EXPECT_EQ(answer.message,
            "out of order sample for series a\n"
            "invalid metric name or labels, got {b=\"no name\"}\n"
            "invalid labels for series, labels dup{b=\"2\"}, duplicated label b\n"
            "out of bounds: timestamp is too far in the future for series late\n"
            "invalid metric name or labels, got {\"bad\xEF\xBF\xBD\"}");
  EXPECT_EQ(stored(), "a 1@0 3@1\nlate 4@0\n{\"with space\", \"utf-8 name\"=\"ok\"} 5@0\n");
}

TEST_F(RemoteWrite, AnotherValueAtTheSameTimeIsRefused) {
  EXPECT_EQ(write(kV1, v1_request({v1_series({{"__name__", "a"}}, {{now, 1}})})).status, 204);
  const WriteAnswer answer = write(kV1, v1_request({v1_series({{"__name__", "a"}}, {{now, 2}})}));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.message, "duplicate sample for timestamp for series a");
}

TEST_F(RemoteWrite, ManyReasonsAreCounted) {
  V2 request;
  for (int i = 0; i < 25; ++i) request.add({{"b", std::to_string(i)}}, {{now, 1}});
  const WriteAnswer answer = write(kV2, request.encode());
  EXPECT_EQ(answer.status, 400);
  EXPECT_TRUE(answer.message.ends_with("\nand 15 more")) << answer.message;
}

TEST_F(RemoteWrite, TheSeriesLimitIsNoReasonToTryAgain) {
  reopen({}, 1);
  const WriteAnswer answer =
      write(kV1, v1_request({v1_series({{"__name__", "a"}}, {{now, 1}}), v1_series({{"__name__", "b"}}, {{now, 1}})}));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.samples, 1u);
}

TEST_F(RemoteWrite, ContentTypes) {
  struct Case {
    std::string_view type, encoding;
    int status;
  };
  const Case cases[] = {
      {"", "", 204},
      {"application/x-protobuf", "Snappy", 204},
      {"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", 204},
      {"application/x-protobuf; proto=prometheus.WriteRequest", "snappy", 204},
      {"application/x-protobuf;charset=utf-8", "snappy", 204},
      {"application/x-protobuf;proto=other.Message", "snappy", 415},
      {"application/x-protobuf;proto", "snappy", 415},
      {"application/json", "snappy", 415},
      {"application/x-protobuf", "zstd", 415},
  };
  const std::string body = compress(v1_request({v1_series({{"__name__", "a"}}, {{now, 1}})}));
  for (const Case& c : cases) {
    EXPECT_EQ(writer->write(c.type, c.encoding, body).status, c.status) << c.type << " " << c.encoding;
  }
}

TEST_F(RemoteWrite, MalformedRequestsStoreNothing) {
  const std::string good = v1_request({v1_series({{"__name__", "a"}}, {{now, 1}}), v1_series({{"__name__", "b"}}, {})});
  EXPECT_EQ(writer->write(kV1, "snappy", "not snappy").status, 400);
  EXPECT_EQ(writer->write(kV1, "snappy", "").status, 400);
  EXPECT_EQ(write(kV1, good.substr(0, good.size() - 1)).status, 400);
  V2 request;
  request.add({{"__name__", "a"}}, {{now, 1}});
  request.symbols.pop_back();
  EXPECT_EQ(write(kV2, request.encode()).status, 400) << "a symbol that is not there";
  request.symbols = {"x", "y", "z"};
  EXPECT_EQ(write(kV2, request.encode()).status, 400) << "the first symbol is not empty";
  EXPECT_EQ(stored(), "");
}

TEST_F(RemoteWrite, DecompressionHasALimit) {
  reopen({.bytes_max = 1000});
  const std::string bomb = compress(std::string(1'000'000, 'x'));
  ASSERT_LT(bomb.size(), 100'000u);
  const WriteAnswer answer = writer->write(kV1, "snappy", bomb);
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.message, "the request is 1000000 bytes when decompressed; the limit is 1000");
}

TEST_F(RemoteWrite, AFailingDiskIsAReasonToTryAgain) {
  env.disk_full(true);
  V2 request;
  request.add({{"__name__", "a"}}, {{now, 1}});
  const WriteAnswer answer = write(kV2, request.encode());
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.samples, 0u);
  env.disk_full(false);
  EXPECT_EQ(write(kV2, request.encode()).status, 204);
}

TEST_F(RemoteWrite, CreatedTimesBecomeZerosWhenAskedFor) {
  reopen({.created_zero_samples = true});
  V2 request;
  request.add({{"__name__", "a"}}, {{now, 7}}, now - 500);
  EXPECT_EQ(write(kV2, request.encode()).status, 204);
  EXPECT_EQ(write(kV2, request.encode()).status, 204);
  EXPECT_EQ(stored(), "a 0@-500 7@0\n");
}

// An integer histogram: buckets 1..2 and 5, counts as deltas.
std::string histogram_message(int64_t t_ms, std::string_view packed_deltas) {
  return message([&](ProtoWriter& w) {
    w.varint(1, 12);
    w.float64(3, 18.5);
    w.sint64(4, 1);
    w.float64(5, 0.001);
    w.varint(6, 2);
    for (const auto& [offset, length] : {std::pair(1, 2), std::pair(2, 1)}) {
      w.bytes(11, message([&, o = offset, n = length](ProtoWriter& span) {
                span.sint64(1, o);
                span.varint(2, static_cast<uint64_t>(n));
              }));
    }
    w.bytes(12, packed_deltas);
    w.int64(15, t_ms);
  });
}

std::string deltas(std::initializer_list<int64_t> values) {
  std::string out;
  for (const int64_t v : values) put_zigzag(out, v);
  return out;
}

TEST_F(RemoteWrite, TakesNativeHistogramsAndExemplars) {
  V2 request;
  request.series.push_back(message([&](ProtoWriter& w) {
    w.bytes(1, request.refs({{"__name__", "h"}}));
    w.bytes(3, histogram_message(now, deltas({3, 1, -1})));
    w.bytes(4, message([&](ProtoWriter& e) {
              e.bytes(1, request.refs({{"trace_id", "abc"}}));
              e.float64(2, 0.5);
              e.int64(3, now);
            }));
  }));
  const WriteAnswer answer = write(kV2, request.encode());
  EXPECT_EQ(answer.status, 204) << answer.message;
  EXPECT_EQ(answer.samples, 0u);
  EXPECT_EQ(answer.histograms, 1u);
  EXPECT_EQ(answer.exemplars, 1u);
  const model::Matchers h{model::Matcher::equal("__name__", "h")};
  const auto found = store->select(h, INT64_MIN, INT64_MAX, {});
  ASSERT_EQ(found->size(), 1u);
  ASSERT_EQ(found->front().histograms.size(), 1u);
  const model::FloatHistogram& stored = *found->front().histograms.front().h;
  EXPECT_EQ(stored.count, 12);
  EXPECT_EQ(stored.zero_count, 2);
  EXPECT_EQ(stored.positive.index, (std::vector<int32_t>{1, 2, 5}));
  EXPECT_EQ(stored.positive.count, (std::vector<double>{3, 4, 3}));
  const auto exemplars = store->exemplars({h}, INT64_MIN, INT64_MAX);
  ASSERT_EQ(exemplars->size(), 1u);
  EXPECT_EQ(exemplars->front().exemplars.front().labels.to_string(), "{trace_id=\"abc\"}");
}

TEST_F(RemoteWrite, HistogramsThatDoNotFitAreRefusedAlone) {
  for (const std::string& wrong : {deltas({3, 1}), deltas({3, 1, 1, 1}), deltas({3, -7, 1})}) {
    const std::string request = message([&](ProtoWriter& w) {
      w.bytes(1, v1_series({{"__name__", "good"}}, {{now, 1}}));
      w.bytes(1, v1_series({{"__name__", "h"}}, {}) +
                     message([&](ProtoWriter& series) { series.bytes(4, histogram_message(now, wrong)); }));
    });
    const WriteAnswer answer = write(kV1, request);
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.message.find("for series h"), std::string::npos) << answer.message;
    EXPECT_EQ(answer.samples, 1u);
  }
  EXPECT_EQ(stored(), "good 1@0\n");
}

TEST_F(RemoteWrite, RemembersMetadata) {
  V2 request;
  request.series.push_back(message([&](ProtoWriter& w) {
    w.bytes(1, request.refs({{"__name__", "a_seconds"}}));
    w.bytes(5, message([&](ProtoWriter& m) {
              m.varint(1, 1);
              m.varint(3, request.symbol("What it is."));
              m.varint(4, request.symbol("seconds"));
            }));
  }));
  EXPECT_EQ(write(kV2, request.encode()).status, 204);
  const std::string v1 = message([&](ProtoWriter& w) {
    w.bytes(3, message([&](ProtoWriter& m) {
              m.varint(1, 2);
              m.bytes(2, "b");
              m.bytes(4, "Help of b.");
            }));
  });
  EXPECT_EQ(write(kV1, v1).status, 204);
  const std::map<std::string, std::vector<FamilyMetadata>> expected{
      {"a_seconds", {{MetricKind::kCounter, "What it is.", "seconds"}}},
      {"b", {{MetricKind::kGauge, "Help of b.", ""}}}};
  EXPECT_EQ(metadata.all(), expected);
}

}  // namespace
}  // namespace sentinel::ingest

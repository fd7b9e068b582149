#pragma once
// The columns of llm_events: one table that the SQL schema, the log and the loader of the engine all follow.

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/interaction.h"

namespace sentinel::events {

enum class ColumnKind : uint8_t {
  kText = 1,
  kTimestamp = 2,
  kBool = 3,
  kInt = 4,
  kDouble = 5,
  kTextList = 6,
  kJson = 7
};
std::string_view sql_type(ColumnKind kind);

// One value on its way; text and lists are borrowed from the row's owner.
struct Field {
  bool null = true;
  int64_t i = 0;  // kInt, kBool, kTimestamp (µs UTC)
  double d = 0;
  std::string_view text;  // kText, kJson
  const std::vector<std::string>* list = nullptr;
};

struct ColumnDef {
  const char* name;
  ColumnKind kind;
  // Null means unknown: an empty text is null too, but for prompt and response. kJson is not filled here.
  Field (*get)(const model::Interaction&);
};
std::span<const ColumnDef> column_defs();
// New columns go to the end, with a new version of segments (segments.h): those of an earlier one have only the first
// so many. REQUIRES: 1 <= version.
size_t columns_of_segment(uint8_t version);

// Rows of all columns in order, row after row. Owns what its fields borrow unless made from interactions, which must
// then outlive it.
class RowBatch {
 public:
  RowBatch() = default;
  explicit RowBatch(const std::vector<model::Interaction>& interactions);
  RowBatch(RowBatch&&) = default;
  RowBatch& operator=(RowBatch&&) = default;

  size_t rows() const { return rows_; }
  const Field& at(size_t row, size_t column) const { return fields_[row * width() + column]; }
  static size_t width() { return column_defs().size(); }

  // For readers of the log: a new row of nulls, and copies that live as long as the batch.
  std::span<Field> add_row();
  std::string_view keep(std::string_view text);
  const std::vector<std::string>* keep(std::vector<std::string> list);

 private:
  void make_valid(Field& field);

  size_t rows_ = 0;
  std::vector<Field> fields_;
  std::deque<std::string> texts_;
  std::deque<std::vector<std::string>> lists_;
};

}  // namespace sentinel::events

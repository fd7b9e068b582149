#include "events/duck_values.h"

#include <cmath>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::events {
namespace {

std::string taken(char* text) {
  std::string out = text == nullptr ? "" : text;
  duckdb_free(text);
  return out;
}

const char* simple_name(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN: return "BOOLEAN";
    case DUCKDB_TYPE_TINYINT: return "TINYINT";
    case DUCKDB_TYPE_SMALLINT: return "SMALLINT";
    case DUCKDB_TYPE_INTEGER: return "INTEGER";
    case DUCKDB_TYPE_BIGINT: return "BIGINT";
    case DUCKDB_TYPE_UTINYINT: return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT: return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER: return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT: return "UBIGINT";
    case DUCKDB_TYPE_FLOAT: return "FLOAT";
    case DUCKDB_TYPE_DOUBLE: return "DOUBLE";
    case DUCKDB_TYPE_TIMESTAMP: return "TIMESTAMP";
    case DUCKDB_TYPE_TIMESTAMP_S: return "TIMESTAMP_S";
    case DUCKDB_TYPE_TIMESTAMP_MS: return "TIMESTAMP_MS";
    case DUCKDB_TYPE_TIMESTAMP_NS: return "TIMESTAMP_NS";
    case DUCKDB_TYPE_TIMESTAMP_TZ: return "TIMESTAMP WITH TIME ZONE";
    case DUCKDB_TYPE_DATE: return "DATE";
    case DUCKDB_TYPE_TIME: return "TIME";
    case DUCKDB_TYPE_INTERVAL: return "INTERVAL";
    case DUCKDB_TYPE_HUGEINT: return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT: return "UHUGEINT";
    case DUCKDB_TYPE_VARCHAR: return "VARCHAR";
    case DUCKDB_TYPE_BLOB: return "BLOB";
    case DUCKDB_TYPE_UUID: return "UUID";
    case DUCKDB_TYPE_ENUM: return "ENUM";
    case DUCKDB_TYPE_UNION: return "UNION";
    case DUCKDB_TYPE_BIT: return "BIT";
    case DUCKDB_TYPE_TIME_TZ: return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_SQLNULL: return "NULL";
    default: return "UNKNOWN";
  }
}

// Calls fn(child type, field name) for each part of a nested type.
template <class F>
void for_each_child(duckdb_logical_type type, F fn) {
  const auto visit = [&](duckdb_logical_type child, std::string name) {
    fn(child, std::move(name));
    duckdb_destroy_logical_type(&child);
  };
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_LIST: return visit(duckdb_list_type_child_type(type), "");
    case DUCKDB_TYPE_ARRAY: return visit(duckdb_array_type_child_type(type), "");
    case DUCKDB_TYPE_MAP:
      visit(duckdb_map_type_key_type(type), "key");
      return visit(duckdb_map_type_value_type(type), "value");
    case DUCKDB_TYPE_STRUCT:
      for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
        visit(duckdb_struct_type_child_type(type, i), taken(duckdb_struct_type_child_name(type, i)));
      }
      return;
    default: return;
  }
}

bool look_at(duckdb_logical_type type, TypeInfo& out) {
  out.id = duckdb_get_type_id(type);
  out.storage = out.id;
  switch (out.id) {
    case DUCKDB_TYPE_INVALID:
    case DUCKDB_TYPE_ANY:
    case DUCKDB_TYPE_UNION:
    case DUCKDB_TYPE_BIT:
    case DUCKDB_TYPE_TIME_TZ: return false;
    case DUCKDB_TYPE_DECIMAL:
      out.scale = duckdb_decimal_scale(type);
      out.storage = duckdb_decimal_internal_type(type);
      return true;
    case DUCKDB_TYPE_ENUM:
      out.storage = duckdb_enum_internal_type(type);
      for (uint32_t i = 0; i < duckdb_enum_dictionary_size(type); ++i) {
        out.names.push_back(taken(duckdb_enum_dictionary_value(type, i)));
      }
      return true;
    case DUCKDB_TYPE_ARRAY: out.array_size = duckdb_array_type_array_size(type); break;
    default:
      if (std::string_view(simple_name(out.id)) == "UNKNOWN" && out.id != DUCKDB_TYPE_LIST &&
          out.id != DUCKDB_TYPE_MAP && out.id != DUCKDB_TYPE_STRUCT) {
        return false;
      }
  }
  bool good = true;
  for_each_child(type, [&](duckdb_logical_type child, std::string name) {
    out.names.push_back(std::move(name));
    good = look_at(child, out.children.emplace_back()) && good;
  });
  return good;
}

template <class T>
T at(duckdb_vector vector, idx_t row) {
  return static_cast<const T*>(duckdb_vector_get_data(vector))[row];
}

std::string_view text_at(duckdb_vector vector, idx_t row) {
  auto* value = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + row;
  return {duckdb_string_t_data(value), duckdb_string_t_length(*value)};
}

Cell huge(duckdb_hugeint v) {
  const bool fits = (v.upper == 0 && v.lower <= INT64_MAX) || (v.upper == -1 && v.lower > INT64_MAX);
  if (fits) return static_cast<int64_t>(v.lower);
  return duckdb_hugeint_to_double(v);
}

double decimal(const TypeInfo& type, duckdb_vector vector, idx_t row) {
  double whole = 0;
  switch (type.storage) {
    case DUCKDB_TYPE_SMALLINT: whole = at<int16_t>(vector, row); break;
    case DUCKDB_TYPE_INTEGER: whole = at<int32_t>(vector, row); break;
    case DUCKDB_TYPE_BIGINT: whole = static_cast<double>(at<int64_t>(vector, row)); break;
    default: whole = duckdb_hugeint_to_double(at<duckdb_hugeint>(vector, row));
  }
  return whole / std::pow(10.0, type.scale);
}

std::string instant(int64_t us) {
  if (us == INT64_MAX) return "infinity";
  if (us == -INT64_MAX) return "-infinity";
  return format_rfc3339(time_from_us(us));
}

std::string interval(duckdb_interval v) {
  std::string out;
  if (v.months != 0) out += fmt::format("{} months ", v.months);
  if (v.days != 0) out += fmt::format("{} days ", v.days);
  const uint64_t us = v.micros < 0 ? 0 - static_cast<uint64_t>(v.micros) : static_cast<uint64_t>(v.micros);
  const uint64_t s = us / 1'000'000;
  if (us == 0 && !out.empty()) return out.substr(0, out.size() - 1);
  out += fmt::format("{}{:02}:{:02}:{:02}", v.micros < 0 ? "-" : "", s / 3600, s / 60 % 60, s % 60);
  if (us % 1'000'000 != 0) out += fmt::format(".{:06}", us % 1'000'000);
  return out;
}

std::string uuid(duckdb_hugeint v) {
  const uint64_t high = static_cast<uint64_t>(v.upper) ^ (uint64_t{1} << 63);  // stored with the sign flipped, to sort
  const std::string hex = fmt::format("{:016x}{:016x}", high, v.lower);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

std::string enum_value(const TypeInfo& type, duckdb_vector vector, idx_t row) {
  size_t index = 0;
  switch (type.storage) {
    case DUCKDB_TYPE_UTINYINT: index = at<uint8_t>(vector, row); break;
    case DUCKDB_TYPE_USMALLINT: index = at<uint16_t>(vector, row); break;
    default: index = at<uint32_t>(vector, row);
  }
  return index < type.names.size() ? type.names[index] : std::string();
}

std::string day_text(int32_t days) {
  return format_rfc3339(time_from_us(int64_t{days} * 86'400'000'000)).substr(0, 10);
}
std::string time_text(int64_t us) { return format_rfc3339(time_from_us(us)).substr(11, us % 1000 == 0 ? 12 : 15); }

Cell read_value(const TypeInfo& type, duckdb_vector vector, idx_t row);
std::string nested_json(const TypeInfo& type, duckdb_vector vector, idx_t row);

std::string json_value(const TypeInfo& type, duckdb_vector vector, idx_t row) {
  if (!type.children.empty()) {
    uint64_t* validity = duckdb_vector_get_validity(vector);
    if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) return "null";
    return nested_json(type, vector, row);
  }
  const Cell cell = read_value(type, vector, row);
  if (const auto* b = std::get_if<bool>(&cell)) return *b ? "true" : "false";
  if (const auto* n = std::get_if<int64_t>(&cell)) return std::to_string(*n);
  if (const auto* d = std::get_if<double>(&cell)) return std::isfinite(*d) ? format_double(*d) : "null";
  if (const auto* s = std::get_if<std::string>(&cell)) return json_quote(*s);
  return "null";
}

std::string json_list(const TypeInfo& child, duckdb_vector vector, idx_t begin, idx_t count) {
  std::string out = "[";
  for (idx_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    out += json_value(child, vector, begin + i);
  }
  return out + "]";
}

std::string json_map(const TypeInfo& type, duckdb_vector entries, duckdb_list_entry where) {
  const duckdb_vector keys = duckdb_struct_vector_get_child(entries, 0);
  const duckdb_vector values = duckdb_struct_vector_get_child(entries, 1);
  std::string out = "{";
  for (idx_t i = where.offset; i < where.offset + where.length; ++i) {
    if (out.size() > 1) out += ',';
    const std::string key = json_value(type.children[0], keys, i);
    out += (key.starts_with('"') ? key : json_quote(key)) + ":" + json_value(type.children[1], values, i);
  }
  return out + "}";
}

std::string nested_json(const TypeInfo& type, duckdb_vector vector, idx_t row) {
  switch (type.id) {
    case DUCKDB_TYPE_LIST: {
      const auto where = at<duckdb_list_entry>(vector, row);
      return json_list(type.children[0], duckdb_list_vector_get_child(vector), where.offset, where.length);
    }
    case DUCKDB_TYPE_ARRAY:
      return json_list(type.children[0], duckdb_array_vector_get_child(vector), row * type.array_size, type.array_size);
    case DUCKDB_TYPE_MAP:
      return json_map(type, duckdb_list_vector_get_child(vector), at<duckdb_list_entry>(vector, row));
    default: break;
  }
  std::string out = "{";
  for (size_t i = 0; i < type.children.size(); ++i) {
    if (i > 0) out += ',';
    out +=
        json_quote(type.names[i]) + ":" + json_value(type.children[i], duckdb_struct_vector_get_child(vector, i), row);
  }
  return out + "}";
}

Cell read_number(const TypeInfo& type, duckdb_vector vector, idx_t row) {
  switch (type.id) {
    case DUCKDB_TYPE_TINYINT: return int64_t{at<int8_t>(vector, row)};
    case DUCKDB_TYPE_SMALLINT: return int64_t{at<int16_t>(vector, row)};
    case DUCKDB_TYPE_INTEGER: return int64_t{at<int32_t>(vector, row)};
    case DUCKDB_TYPE_BIGINT: return at<int64_t>(vector, row);
    case DUCKDB_TYPE_UTINYINT: return int64_t{at<uint8_t>(vector, row)};
    case DUCKDB_TYPE_USMALLINT: return int64_t{at<uint16_t>(vector, row)};
    case DUCKDB_TYPE_UINTEGER: return int64_t{at<uint32_t>(vector, row)};
    case DUCKDB_TYPE_UBIGINT: {
      const auto v = at<uint64_t>(vector, row);
      if (v <= INT64_MAX) return static_cast<int64_t>(v);
      return static_cast<double>(v);
    }
    case DUCKDB_TYPE_HUGEINT: return huge(at<duckdb_hugeint>(vector, row));
    case DUCKDB_TYPE_UHUGEINT: return duckdb_uhugeint_to_double(at<duckdb_uhugeint>(vector, row));
    case DUCKDB_TYPE_FLOAT: return double{at<float>(vector, row)};
    case DUCKDB_TYPE_DOUBLE: return at<double>(vector, row);
    case DUCKDB_TYPE_DECIMAL: return decimal(type, vector, row);
    default: return {};
  }
}

Cell read_value(const TypeInfo& type, duckdb_vector vector, idx_t row) {
  uint64_t* validity = duckdb_vector_get_validity(vector);
  if (validity != nullptr && !duckdb_validity_row_is_valid(validity, row)) return {};
  switch (type.id) {
    case DUCKDB_TYPE_BOOLEAN: return at<bool>(vector, row);
    case DUCKDB_TYPE_VARCHAR: return std::string(text_at(vector, row));
    case DUCKDB_TYPE_BLOB: return hex_encode(text_at(vector, row));
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ: return instant(at<int64_t>(vector, row));
    case DUCKDB_TYPE_TIMESTAMP_S: return instant(at<int64_t>(vector, row) * 1'000'000);
    case DUCKDB_TYPE_TIMESTAMP_MS: return instant(at<int64_t>(vector, row) * 1'000);
    case DUCKDB_TYPE_TIMESTAMP_NS: return instant(at<int64_t>(vector, row) / 1'000);
    case DUCKDB_TYPE_DATE: return day_text(at<int32_t>(vector, row));
    case DUCKDB_TYPE_TIME: return time_text(at<int64_t>(vector, row));
    case DUCKDB_TYPE_INTERVAL: return interval(at<duckdb_interval>(vector, row));
    case DUCKDB_TYPE_UUID: return uuid(at<duckdb_hugeint>(vector, row));
    case DUCKDB_TYPE_ENUM: return enum_value(type, vector, row);
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_STRUCT: return nested_json(type, vector, row);
    default: return read_number(type, vector, row);
  }
}

void fill_lists(duckdb_vector vector, const RowBatch& rows, size_t column, size_t begin, size_t end) {
  auto* entries = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(vector));
  idx_t total = 0;
  for (size_t r = begin; r < end; ++r) {
    const Field& f = rows.at(r, column);
    const idx_t length = f.null ? 0 : f.list->size();
    entries[r - begin] = {total, length};
    total += length;
  }
  duckdb_list_vector_reserve(vector, total);
  duckdb_list_vector_set_size(vector, total);
  const duckdb_vector child = duckdb_list_vector_get_child(vector);
  idx_t next = 0;
  for (size_t r = begin; r < end; ++r) {
    const Field& f = rows.at(r, column);
    if (f.null) continue;
    for (const std::string& text : *f.list) {
      duckdb_vector_assign_string_element_len(child, next++, text.data(), text.size());
    }
  }
}

}  // namespace

std::string type_name(duckdb_logical_type type) {
  if (const std::string alias = taken(duckdb_logical_type_get_alias(type)); !alias.empty()) return alias;
  std::vector<std::string> parts;
  for_each_child(type, [&](duckdb_logical_type child, const std::string& name) {
    const bool named = duckdb_get_type_id(type) == DUCKDB_TYPE_STRUCT;
    parts.push_back(named ? name + " " + type_name(child) : type_name(child));
  });
  switch (const duckdb_type id = duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_LIST: return parts[0] + "[]";
    case DUCKDB_TYPE_ARRAY: return fmt::format("{}[{}]", parts[0], duckdb_array_type_array_size(type));
    case DUCKDB_TYPE_MAP: return "MAP(" + join(parts, ", ") + ")";
    case DUCKDB_TYPE_STRUCT: return "STRUCT(" + join(parts, ", ") + ")";
    case DUCKDB_TYPE_DECIMAL:
      return fmt::format("DECIMAL({},{})", duckdb_decimal_width(type), duckdb_decimal_scale(type));
    default: return simple_name(id);
  }
}

bool ColumnReaders::add(duckdb_logical_type type) { return look_at(type, types_.emplace_back()); }

Cell ColumnReaders::read(size_t column, duckdb_vector vector, idx_t row) const {
  return read_value(types_[column], vector, row);
}

void fill_vector(duckdb_vector vector, ColumnKind kind, const RowBatch& rows, size_t column, size_t begin, size_t end) {
  duckdb_vector_ensure_validity_writable(vector);
  uint64_t* validity = duckdb_vector_get_validity(vector);
  void* data = duckdb_vector_get_data(vector);
  for (size_t r = begin; r < end; ++r) {
    const Field& f = rows.at(r, column);
    const idx_t to = r - begin;
    duckdb_validity_set_row_validity(validity, to, !f.null);
    if (f.null) continue;
    switch (kind) {
      case ColumnKind::kText:
      case ColumnKind::kJson: duckdb_vector_assign_string_element_len(vector, to, f.text.data(), f.text.size()); break;
      case ColumnKind::kBool: static_cast<bool*>(data)[to] = f.i != 0; break;
      case ColumnKind::kInt:
      case ColumnKind::kTimestamp: static_cast<int64_t*>(data)[to] = f.i; break;
      case ColumnKind::kDouble: static_cast<double*>(data)[to] = f.d; break;
      case ColumnKind::kTextList: break;  // all at once below
    }
  }
  if (kind == ColumnKind::kTextList) fill_lists(vector, rows, column, begin, end);
}

}  // namespace sentinel::events

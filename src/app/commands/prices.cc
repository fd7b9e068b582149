// sentinel prices: the price table that costs and budgets are computed with.

#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "analysis/price_table.h"
#include "app/builtin_files.h"
#include "app/commands/commands.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

struct PriceFlags {
  std::string file;
  std::string output;
  std::string model;
  std::vector<std::string> models;
};

bool wanted(const PriceFlags& f, std::string_view model) {
  if (f.models.empty()) return true;
  for (const std::string& pattern : f.models) {
    const std::string low = to_lower(pattern);
    const std::string_view prefix = std::string_view(low).substr(0, low.size() - 1);
    if (low.ends_with('*') ? model.starts_with(prefix) : model == low) return true;
  }
  return false;
}

int import_prices(const PriceFlags& f) {
  const auto text = posix_env().read_file(f.file);
  if (!text) return report(text.error());
  auto table = analysis::PriceTable::parse(*text, f.file);
  if (!table) return report(table.error());
  std::erase_if(table->by_model, [&](const auto& entry) { return !wanted(f, entry.first); });
  if (table->as_of.empty()) table->as_of = format_rfc3339(SystemClock().now()).substr(0, 10);
  if (table->source.empty()) table->source = f.file;
  const std::string yaml = table->to_yaml();
  if (f.output.empty()) {
    fmt::print("{}", yaml);
  } else if (const Status written = posix_env().write_file_atomic(f.output, yaml); !written) {
    return report(written.error());
  }
  fmt::print(stderr, "{} models; {} entries without a price of tokens left out\n", table->by_model.size(),
             table->skipped);
  return 0;
}

int show_price(const PriceFlags& f) {
  const auto file = read_config(posix_env(), f.file.empty() ? "builtin:prices.yml" : f.file);
  if (!file) return report(file.error());
  const auto table = analysis::PriceTable::parse(file->text, file->path);
  if (!table) return report(table.error());
  const analysis::Price* price = table->find(f.model);
  if (price == nullptr)
    return report(Error(ErrorCode::kNotFound, fmt::format("{} has no price of {}", file->path, f.model)));
  analysis::PriceTable one;
  one.as_of = table->as_of;
  one.source = table->source;
  one.by_model.emplace(f.model, *price);
  fmt::print("{}", one.to_yaml());
  return 0;
}

}  // namespace

void add_prices_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<PriceFlags>();
  CLI::App* command = cli.add_subcommand("prices", "The table that costs are computed with");
  command->require_subcommand(1);
  CLI::App* import =
      command->add_subcommand("import", "Make a price table of LiteLLM's model_prices_and_context_window.json");
  import->footer(
      "Example:\n  sentinel prices import model_prices.json --model \"gpt-*\" --model \"claude-*\" -o prices.yml");
  import->add_option("file", f->file, "LiteLLM's JSON, or a table of ours")->required();
  import->add_option("--model", f->models, "only these: a name, or as gpt-*");
  import->add_option("-o,--output", f->output, "where to write it (default: to the terminal)");
  import->callback([f, &exit_code] { exit_code = import_prices(*f); });
  CLI::App* show = command->add_subcommand("show", "What one model costs");
  show->add_option("model", f->model, "as calls name it")->required();
  show->add_option("--file", f->file, "the table (default: what is built in)");
  show->callback([f, &exit_code] { exit_code = show_price(*f); });
}

}  // namespace sentinel::app

#include "incident/status_mail.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "incident/limits.h"

namespace sentinel::incident {
namespace {

constexpr std::string_view kConfirm = "status-confirm";
constexpr std::string_view kLeave = "status-leave";

bool is_local(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+/=?^_`{|}~-.").find(c) != std::string_view::npos;
}
bool is_host(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}
bool dots_are_inside(std::string_view text) {
  return text.front() != '.' && text.back() != '.' && text.find("..") == std::string_view::npos;
}

}  // namespace

bool is_mail_address(std::string_view text) {
  const size_t at = text.find('@');
  if (text.size() > kMailAddressBytesMax || at == std::string_view::npos || at == 0 || at + 1 == text.size())
    return false;
  const std::string_view local = text.substr(0, at);
  const std::string_view host = text.substr(at + 1);
  return std::all_of(local.begin(), local.end(), is_local) && std::all_of(host.begin(), host.end(), is_host) &&
         dots_are_inside(local) && dots_are_inside(host) && host.front() != '-' && text.front() != '-';
}

StatusMail::StatusMail(Scheduler& scheduler, state::Database& database, Pager& pager, Service& desk,
                       StatusPageOptions options)
    : scheduler_(scheduler), database_(database), pager_(pager), options_(std::move(options)) {
  desk.on_public_update([this](state::Tx& tx, const IncidentRecord& record, const Update& update,
                               const std::string& title) { return publish(tx, record, update, title); });
}

bool StatusMail::enabled() const {
  const auto& channels = pager_.config().channels;
  const auto found = channels.find(options_.mail_channel);
  return found != channels.end() && found->second.kind == "email";
}

std::string StatusMail::base() const {
  return (options_.url.empty() ? pager_.external_url() + options_.path : options_.url);
}

Result<std::optional<StatusMail::Row>> StatusMail::find(state::Tx& tx, std::string_view column,
                                                        const state::SqlValue& value) {
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query(fmt::format("SELECT id, address, confirmed_at, mailed_at FROM status_subscribers WHERE {} = ?", column),
               {value}));
  if (rows.empty()) return std::optional<Row>();
  const state::Row& row = rows.front();
  return std::optional(Row{row.integer(0), row.text(1), !row.is_null(2), time_from_us(row.integer(3))});
}

bool StatusMail::may_ask() {
  const TimePoint minute = std::chrono::floor<std::chrono::minutes>(scheduler_.now());
  if (minute != minute_) {
    minute_ = minute;
    asked_ = 0;
  }
  return ++asked_ <= kAsksPerMinuteMax;
}

Status StatusMail::ask(std::string_view typed) {
  if (!enabled()) return fail(ErrorCode::kNotFound, "updates are not sent by mail here");
  const std::string address = to_lower(trim(typed));
  if (!is_mail_address(address)) return fail(ErrorCode::kInvalidArgument, "this is not a mail address");
  if (!may_ask()) return fail(ErrorCode::kRateLimited, "too many ask at present; try again in a minute");
  const TimePoint now = scheduler_.now();
  return database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(tx.exec("DELETE FROM status_subscribers WHERE confirmed_at IS NULL AND mailed_at < ?",
                         {to_us(now - kUnconfirmedKept)}));
    SENTINEL_ASSIGN(const std::optional<Row> known, find(tx, "address", address));
    if (known && (known->confirmed || now - known->mailed_at < kConfirmAgainAfter)) return {};
    SENTINEL_ASSIGN(
        const state::Rows counts,
        tx.query("SELECT COUNT(*), COALESCE(SUM(CASE WHEN confirmed_at IS NULL AND mailed_at > ? THEN 1 ELSE "
                 "0 END), 0) FROM status_subscribers",
                 {to_us(now - std::chrono::hours(1))}));
    if (counts.front().integer(0) >= kStatusSubscribersMax || counts.front().integer(1) >= kConfirmationsPerHourMax)
      return fail(ErrorCode::kRateLimited, "too many ask at present; try again in an hour");
    SENTINEL_TRY(
        tx.exec("INSERT INTO status_subscribers (address, confirmed_at, mailed_at) VALUES (?,NULL,?) ON CONFLICT "
                "(address) DO UPDATE SET mailed_at = excluded.mailed_at",
                {address, to_us(now)}));
    SENTINEL_ASSIGN(const std::optional<Row> row, find(tx, "address", address));
    Message m;
    m.key = fmt::format("status-confirm/{}/{}", row->id, to_us(now));
    m.channel = options_.mail_channel;
    m.address = address;
    m.subject = fmt::format("{}: do you want updates by mail?", options_.title);
    m.link = fmt::format("{}/confirm?t={}", base(), pager_.links().token(row->id, kConfirm, address));
    m.text = fmt::format(
        "Somebody, most likely you, asked that updates of {} be sent to this address.\n\nFollow the link and press the "
        "button if you want them. If you do nothing, nothing more is sent.\n",
        options_.title);
    return pager_.messenger().send(tx, {m}, m.link);
  });
}

Result<StatusMail::Row> StatusMail::of_token(state::Tx& tx, std::string_view token, bool leaving) {
  const auto id = PageLinks::id_of(token);
  if (id) {
    SENTINEL_ASSIGN(std::optional<Row> row, find(tx, "id", *id));
    if (row && pager_.links().valid(token, leaving ? kLeave : kConfirm, row->address)) return std::move(*row);
  }
  return fail(ErrorCode::kNotFound, "this link is not valid, or its time is over");
}

Result<std::string> StatusMail::address_of(std::string_view token, bool leaving) {
  std::string address;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const Row row, of_token(tx, token, leaving));
    address = row.address;
    return {};
  }));
  return address;
}

Status StatusMail::confirm(std::string_view token) {
  SENTINEL_TRY(address_of(token, false));  // what is not ours is not worth a write
  return database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const Row row, of_token(tx, token, false));
    if (row.confirmed) return {};
    return tx.exec("UPDATE status_subscribers SET confirmed_at = ? WHERE id = ?", {to_us(scheduler_.now()), row.id});
  });
}

Status StatusMail::leave(std::string_view token) {
  SENTINEL_TRY(address_of(token, true));
  return database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const Row row, of_token(tx, token, true));
    return tx.exec("DELETE FROM status_subscribers WHERE id = ?", {row.id});
  });
}

Result<int64_t> StatusMail::subscribers() {
  int64_t count = 0;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query("SELECT COUNT(*) FROM status_subscribers WHERE confirmed_at IS NOT NULL"));
    count = rows.front().integer(0);
    return {};
  }));
  return count;
}

// In the transaction of the update: it is on the page and in the outbox, or neither.
Status StatusMail::publish(state::Tx& tx, const IncidentRecord& record, const Update& update,
                           const std::string& title) {
  if (!enabled() || record.incident.test_mode) return {};
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT id, address FROM status_subscribers WHERE confirmed_at IS NOT "
                           "NULL ORDER BY id"));
  const std::vector<std::string> components = components_of(options_, record.incident.labels);
  std::vector<Message> messages;
  for (const state::Row& row : rows) {
    Message m;
    m.key = fmt::format("status/{}/{}", update.id, row.integer(0));
    m.channel = options_.mail_channel;
    m.address = row.text(1);
    m.subject = fmt::format("{}: {} ({})", options_.title, title, public_status(update.status));
    m.link = base();
    m.text = fmt::format("{}{}{}\n\nNo more of these: {}/leave?t={}\n", update.text,
                         components.empty() ? "" : "\n\nAffected: ", join(components, ", "), base(),
                         pager_.links().token(row.integer(0), kLeave, m.address));
    messages.push_back(std::move(m));
  }
  return messages.empty() ? Status() : pager_.messenger().send(tx, messages, base());
}

}  // namespace sentinel::incident

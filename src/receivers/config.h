#pragma once
// What alertmanager.yml says about receivers, as far as the rest of Sentinel sees it: names and handles. What is
// particular to a kind of integration stands in that kind's own file.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentinel::receivers {

class Receiver;

// One integration of a receiver: its name in metrics and outbox rows is "receiver/kind/index".
struct Integration {
  std::string receiver;
  std::string_view kind;  // "webhook"; lives as long as the program
  size_t index = 0;       // within the receiver and kind
  std::shared_ptr<const Receiver> impl;

  std::string id() const { return receiver + "/" + std::string(kind) + "/" + std::to_string(index); }
  bool send_resolved() const;
  bool digestible() const;
};

struct ReceiverConfig {
  std::string name;
  std::map<std::string, std::string> labels;  // for queries; always has "name"
  std::vector<Integration> integrations;
};

}  // namespace sentinel::receivers

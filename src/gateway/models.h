#pragma once
// Internal to gateway: the lists of models, in the form of the family that asks.

#include <string>
#include <string_view>
#include <vector>

#include "gateway/gateway_impl.h"
#include "gateway/protocol/api.h"

namespace sentinel::gateway {

struct ModelEntry {
  std::string id;
  std::string name;  // for people; may be empty
  int64_t created_s = 0;
};

// Of a provider's list, or of what it says of one model. Unknown fields are lost: only lists that change family come
// through here.
std::vector<ModelEntry> read_models(Family family, std::string_view body);
std::string write_models(Family family, const std::vector<ModelEntry>& models);
std::string write_model(Family family, const ModelEntry& model);

// GET /v1/models[/id] and /v1beta/models[/id]: asks the provider that serves what no other route does; where it has no
// list (Azure, Vertex AI), the models that routes name. A caller with a virtual key for some models or routes sees only
// these. Not an LLM call: no Interaction.
net::Task<void> serve_models(Gateway::Impl* gateway, net::Exchange* exchange);

}  // namespace sentinel::gateway

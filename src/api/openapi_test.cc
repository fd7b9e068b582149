// The document by itself: well formed, complete, nothing that leads nowhere.

#include "api/openapi.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "base/strings.h"

namespace sentinel::api {
namespace {

namespace json = boost::json;

const std::set<std::string, std::less<>> kMethods{"get", "put", "post", "delete", "options", "head", "patch", "trace"};

json::value document() { return json::parse(openapi_document()); }

// Calls `fn(where, object)` for the value and every object in it.
void walk(const json::value& value, const std::string& where,
          const std::function<void(const std::string&, const json::object&)>& fn) {
  if (const json::object* object = value.if_object()) {
    fn(where, *object);
    for (const auto& [name, v] : *object) walk(v, where + "/" + std::string(name), fn);
  } else if (const json::array* array = value.if_array()) {
    for (size_t i = 0; i < array->size(); ++i) walk((*array)[i], fmt::format("{}/{}", where, i), fn);
  }
}

// "/a/{id}/b" to {"id"}.
std::set<std::string> path_parameters(std::string_view path) {
  std::set<std::string> names;
  for (const std::string_view part : split(path, '/')) {
    if (part.starts_with('{')) names.emplace(part.substr(1, part.size() - 2));
  }
  return names;
}

struct Operation {
  std::string path;
  std::string method;
  const json::object* item = nullptr;  // of the path
  const json::object* operation = nullptr;
};

std::vector<Operation> operations(const json::value& doc) {
  std::vector<Operation> out;
  for (const auto& [path, item] : doc.at("paths").as_object()) {
    for (const auto& [method, operation] : item.as_object()) {
      if (kMethods.contains(std::string_view(method)))
        out.push_back({std::string(path), std::string(method), &item.as_object(), &operation.as_object()});
    }
  }
  return out;
}

const json::object& resolved(const json::value& doc, const json::value& value) {
  const json::value* reference = value.as_object().if_contains("$ref");
  if (reference == nullptr) return value.as_object();
  boost::system::error_code ec;
  return doc.find_pointer(std::string_view(reference->as_string()).substr(1), ec)->as_object();
}

TEST(OpenApi, IsADocumentOfVersion31) {
  const json::value doc = document();
  EXPECT_TRUE(std::string_view(doc.at("openapi").as_string()).starts_with("3.1."));
  EXPECT_FALSE(doc.at("info").at("title").as_string().empty());
  EXPECT_FALSE(doc.at("info").at("version").as_string().empty());
  EXPECT_GT(operations(doc).size(), 20U);
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  const json::value doc = document();
  walk(doc, "#", [&](const std::string& where, const json::object& object) {
    const json::value* reference = object.if_contains("$ref");
    if (reference == nullptr) return;
    const std::string_view target = reference->as_string();
    ASSERT_TRUE(target.starts_with("#/components/")) << where;
    boost::system::error_code ec;
    EXPECT_NE(doc.find_pointer(target.substr(1), ec), nullptr) << where << " refers to " << target;
  });
}

TEST(OpenApi, EveryComponentIsUsed) {
  const json::value doc = document();
  std::set<std::string> used;
  walk(doc, "#", [&](const std::string&, const json::object& object) {
    if (const json::value* reference = object.if_contains("$ref")) used.emplace(reference->as_string());
  });
  for (const auto& [kind, components] : doc.at("components").as_object()) {
    if (kind == "securitySchemes") continue;  // named by `security`, not by a reference
    for (const auto& [name, component] : components.as_object()) {
      const std::string reference = fmt::format("#/components/{}/{}", std::string_view(kind), std::string_view(name));
      EXPECT_TRUE(used.contains(reference)) << reference << " is not used";
    }
  }
}

TEST(OpenApi, EveryOperationSaysWhatItIsAndHowItAnswers) {
  const json::value doc = document();
  std::set<std::string> ids;
  for (const Operation& o : operations(doc)) {
    const std::string name = o.method + " " + o.path;
    ASSERT_TRUE(o.operation->contains("operationId") && o.operation->contains("summary")) << name;
    EXPECT_TRUE(ids.emplace(o.operation->at("operationId").as_string()).second) << name << ": its operationId is twice";
    bool succeeds = false;
    for (const auto& [status, response] : o.operation->at("responses").as_object()) {
      succeeds = succeeds || status.starts_with('2');
      const json::object& r = resolved(doc, response);
      EXPECT_TRUE(r.contains("description")) << name << " " << status;
      for (const auto& [type, media] : r.at("content").as_object()) {
        EXPECT_TRUE(media.as_object().contains("schema")) << name << " " << status << " " << type;
        EXPECT_EQ(type == "application/problem+json", !status.starts_with('2')) << name << " " << status;
      }
    }
    EXPECT_TRUE(succeeds) << name;
    EXPECT_TRUE(o.operation->at("responses").as_object().contains("default")) << name;
    if (const json::value* body = o.operation->if_contains("requestBody")) {
      for (const auto& [type, media] : body->at("content").as_object())
        EXPECT_TRUE(media.as_object().contains("schema")) << name << " " << type;
    }
  }
}

TEST(OpenApi, ParametersOfThePathAreThoseOfItsPattern) {
  const json::value doc = document();
  for (const Operation& o : operations(doc)) {
    std::set<std::string> of_path;
    std::set<std::pair<std::string, std::string>> seen;
    for (const json::object* holder : {o.item, o.operation}) {
      const json::value* parameters = holder->if_contains("parameters");
      if (parameters == nullptr) continue;
      for (const json::value& value : parameters->as_array()) {
        const json::object& parameter = resolved(doc, value);
        const std::string name(parameter.at("name").as_string());
        const std::string in(parameter.at("in").as_string());
        EXPECT_TRUE(seen.emplace(in, name).second) << o.path << ": " << name << " is there twice";
        EXPECT_TRUE(parameter.contains("schema")) << o.path << ": " << name;
        if (in != "path") continue;
        of_path.insert(name);
        EXPECT_TRUE(parameter.at("required").as_bool()) << o.path << ": " << name;
      }
    }
    EXPECT_EQ(of_path, path_parameters(o.path)) << o.method << " " << o.path;
  }
}

TEST(OpenApi, RequiredFieldsAreDescribed) {
  const json::value doc = document();
  walk(doc.at("components"), "#/components", [](const std::string& where, const json::object& object) {
    const json::value* required = object.if_contains("required");
    if (required == nullptr || !required->is_array() || !object.contains("type")) return;  // a branch of anyOf
    ASSERT_TRUE(object.contains("properties")) << where;
    for (const json::value& name : required->as_array())
      EXPECT_TRUE(object.at("properties").as_object().contains(name.as_string())) << where << ": " << name;
  });
}

}  // namespace
}  // namespace sentinel::api

#include "analysis/train/learn.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace sentinel::analysis::train {
namespace {

double sigmoid(double z) { return 1.0 / (1.0 + std::exp(-z)); }

// Solves A x = b for a small positive definite A, in place (Cholesky).
std::vector<double> solve(std::vector<std::vector<double>> a, std::vector<double> b) {
  const size_t n = b.size();
  for (size_t j = 0; j < n; ++j) {
    for (size_t k = 0; k < j; ++k) {
      for (size_t i = j; i < n; ++i) a[i][j] -= a[i][k] * a[j][k];
    }
    const double root = std::sqrt(std::max(a[j][j], 1e-12));
    for (size_t i = j; i < n; ++i) a[i][j] /= root;
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  return b;
}

}  // namespace

SparseExample sparse_example(const FeatureDoc& doc, float label, float weight) {
  SparseExample out;
  out.label = label;
  out.weight = weight;
  const float norm = doc.norm();
  doc.for_each([&](uint32_t hash, float value) {
    out.buckets.push_back(bucket_of(hash));
    out.values.push_back(value / norm);
  });
  return out;
}

float SparseModel::score(const SparseExample& example) const {
  float z = bias;
  for (size_t i = 0; i < example.buckets.size(); ++i) z += weights[example.buckets[i]] * example.values[i];
  return z;
}

SparseModel learn_sparse(const std::vector<const SparseExample*>& examples, const SparseOptions& options) {
  SparseModel model;
  model.weights.assign(kBuckets, 0.0F);
  std::vector<float> squares(kBuckets, 1e-3F);
  float bias_square = 1e-3F;
  Random random(options.seed);
  std::vector<const SparseExample*> order = examples;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    for (const SparseExample* example : order) {
      const float p = static_cast<float>(sigmoid(model.score(*example)));
      const float gradient = (p - example->label) * example->weight;
      for (size_t i = 0; i < example->buckets.size(); ++i) {
        const uint32_t b = example->buckets[i];
        const float g = gradient * example->values[i] + options.decay * model.weights[b];
        squares[b] += g * g;
        model.weights[b] -= options.rate * g / std::sqrt(squares[b]);
      }
      bias_square += gradient * gradient;
      model.bias -= 0.1F * gradient / std::sqrt(bias_square);
    }
  }
  return model;
}

void quantize(const SparseModel& model, HeadIndex head, HeadModel& out) {
  // The largest few weights are cut: they would cost all others their precision.
  std::vector<float> magnitude;
  for (float w : model.weights) {
    if (w != 0) magnitude.push_back(std::fabs(w));
  }
  float top = 1e-6F;
  if (!magnitude.empty()) {
    const size_t at = magnitude.size() - 1 - magnitude.size() / 2000;
    std::nth_element(magnitude.begin(), magnitude.begin() + static_cast<int64_t>(at), magnitude.end());
    top = std::max(magnitude[at], 1e-6F);
  }
  const float scale = top / 127.0F;
  out.scales()[head] = scale;
  out.biases()[head] = model.bias;
  for (size_t b = 0; b < kBuckets; ++b) {
    out.weights()[b * kHeadCount + head] =
        static_cast<int8_t>(std::clamp(std::lround(model.weights[b] / scale), -127L, 127L));
  }
}

SecondStage learn_dense(const std::vector<DenseExample>& examples, double l2) {
  const size_t n = examples.front().inputs.size();
  std::vector<double> mean(n, 0);
  std::vector<double> deviation(n, 0);
  for (const DenseExample& e : examples) {
    for (size_t i = 0; i < n; ++i) mean[i] += e.inputs[i] / static_cast<double>(examples.size());
  }
  for (const DenseExample& e : examples) {
    for (size_t i = 0; i < n; ++i)
      deviation[i] += std::pow(e.inputs[i] - mean[i], 2) / static_cast<double>(examples.size());
  }
  for (double& d : deviation) d = d > 1e-12 ? std::sqrt(d) : 1.0;
  std::vector<double> w(n + 1, 0.0);
  for (int step = 0; step < 30; ++step) {
    std::vector<std::vector<double>> hessian(n + 1, std::vector<double>(n + 1, 0.0));
    std::vector<double> gradient(n + 1, 0.0);
    std::vector<double> x(n + 1, 1.0);
    for (const DenseExample& e : examples) {
      double z = w[n];
      for (size_t i = 0; i < n; ++i) {
        x[i] = (e.inputs[i] - mean[i]) / deviation[i];
        z += w[i] * x[i];
      }
      const double p = sigmoid(z);
      const double g = (p - e.label) * e.weight;
      const double h = std::max(p * (1 - p), 1e-6) * e.weight;
      for (size_t i = 0; i <= n; ++i) {
        gradient[i] += g * x[i];
        for (size_t j = 0; j <= i; ++j) hessian[i][j] += h * x[i] * x[j];
      }
    }
    for (size_t i = 0; i <= n; ++i) {
      const double penalty = i < n ? l2 : 1e-6;
      gradient[i] += penalty * w[i];
      hessian[i][i] += penalty;
    }
    const std::vector<double> move = solve(hessian, gradient);
    double size = 0;
    for (size_t i = 0; i <= n; ++i) {
      w[i] -= std::clamp(move[i], -2.0, 2.0);
      size += std::fabs(move[i]);
    }
    if (size < 1e-7) break;
  }
  SecondStage stage;
  double bias = w[n];
  for (size_t i = 0; i < n; ++i) {
    stage.weights.push_back(static_cast<float>(w[i] / deviation[i]));
    bias -= w[i] * mean[i] / deviation[i];
  }
  stage.weights.push_back(static_cast<float>(bias));
  return stage;
}

}  // namespace sentinel::analysis::train

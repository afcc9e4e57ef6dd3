#include "ctc.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

Alphabet::Alphabet(const std::string& path) : characters_{""} {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    characters_.push_back(line);
  }
  if (characters_.size() == 1) throw std::runtime_error(path + ": cannot be read, or is empty");
  characters_.emplace_back(" ");
}

Reading Alphabet::read(const lazyfx::Tensor& probabilities) const {
  const lazyfx::Shape& shape = probabilities.shape();
  if (shape.rank() != 3 || shape[0] != 1 || shape[2] != static_cast<std::int64_t>(classes())) {
    throw std::runtime_error("the model answers " + lazyfx::to_string(shape) + ", but the alphabet has " + std::to_string(classes()) +
                             " classes");
  }
  const auto values = probabilities.values<float>();
  struct Kept {
    std::size_t character;
    float probability;
  };
  std::vector<Kept> kept;
  std::size_t previous = 0;
  for (std::size_t step = 0; step < static_cast<std::size_t>(shape[1]); ++step) {
    const auto row = values.subspan(step * classes(), classes());
    const auto best = static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
    if (best != 0 && best != previous) kept.push_back({best, row[best]});
    previous = best;
  }
  // The margins are often read as spaces.
  const std::size_t space = classes() - 1;
  while (!kept.empty() && kept.back().character == space) kept.pop_back();
  kept.erase(kept.begin(), std::find_if(kept.begin(), kept.end(), [space](const Kept& k) { return k.character != space; }));

  Reading reading;
  for (const Kept& k : kept) {
    reading.text += characters_[k.character];
    reading.confidence += k.probability / static_cast<double>(kept.size());
  }
  return reading;
}

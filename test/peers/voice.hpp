#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

namespace peers {

/// Something that a voice detector hears as speech with pauses: after Klatt's formant synthesis, a train of pulses at a gliding pitch through
/// three resonators per vowel, vowels at four a second, silent for the last two of every five seconds, over faint noise. The same for the
/// same arguments; in [-1, 1].
inline std::vector<float> voice(double seconds, int rate) {
  constexpr double tau = 2 * std::numbers::pi;
  // The first three formants of five vowels, in Hz.
  static constexpr std::array<std::array<double, 3>, 5> vowels = {
      {{730, 1090, 2440}, {270, 2290, 3010}, {300, 870, 2240}, {530, 1840, 2480}, {570, 840, 2410}}};
  static constexpr std::array<double, 3> bandwidths = {80, 100, 140};
  std::vector<float> samples(static_cast<std::size_t>(seconds * rate));
  std::array<std::array<double, 2>, 3> past{};
  double phase = 0;
  std::uint64_t random = 88172645463325252ULL;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    const double noise = static_cast<double>(random >> 11) / 9007199254740992.0 - 0.5;
    const double t = static_cast<double>(i) / rate;
    const bool speaking = std::fmod(t, 5) < 3;
    const double syllable = std::fmod(t * 4, 1);
    const double loudness = speaking ? std::sin(std::numbers::pi * syllable) : 0;
    phase += (120 + 25 * std::sin(tau * 0.7 * t) + 8 * std::sin(tau * 5 * t)) / rate;
    const bool pulse = phase >= 1;
    if (pulse) phase -= 1;
    double sound = loudness * ((pulse ? 1.0 : 0.0) + 0.02 * noise);
    const auto& vowel = vowels[static_cast<std::size_t>(t * 4) % vowels.size()];
    for (std::size_t f = 0; f < 3; ++f) {
      const double radius = std::exp(-std::numbers::pi * bandwidths[f] / rate);
      const double b = 2 * radius * std::cos(tau * vowel[f] / rate), c = -radius * radius;
      const double out = (1 - b - c) * sound + b * past[f][0] + c * past[f][1];
      past[f] = {out, past[f][0]};
      sound = out;
    }
    const double sample = 4 * sound + 0.002 * noise;
    samples[i] = static_cast<float>(sample > 1 ? 1 : sample < -1 ? -1 : sample);
  }
  return samples;
}

}  // namespace peers

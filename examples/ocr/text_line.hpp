#pragma once

#include <vector>

#include <lazyfx/tensor/tensor.hpp>

#include "image.hpp"

/// The lines of text in a picture, top to bottom, each cut out with a margin. Works for dark text on light paper and the reverse, in any
/// colours, when the lines are horizontal and the paper is roughly uniform. Empty when nothing stands out from the paper.
std::vector<Image> find_lines(const Image& picture);

/// What PP-OCR's recogniser takes: f32[1, 3, 48, W], blue first, from -1 to 1, the aspect ratio kept. W is rounded up to a multiple of 32
/// with paper, so that lines of similar length have equal shapes.
lazyfx::Tensor recogniser_input(const Image& line);
